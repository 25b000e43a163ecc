// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// The cross-entropy of softmax(logits), as `torch.nn.CrossEntropyLoss` with mean reduction.
///
///     loss       = 1/B * sum over rows and classes j of y_j * (log(sum over k of exp(z_k)) - z_j)
///     derivative = 1/B * (softmax(z) - y)
///
/// B is the number of rows of the global batch, z are the outputs (logits), and y the targets:
/// class indices, which mean one-hot rows, or soft labels. If soft labels don't sum to 1 the
/// derivative is 1/B * (softmax(z) * sum(y) - y).
///
/// Log-sum-exp and softmax are shifted by the row's maximum, and differences of logits are computed
/// in Float64, so that both are finite for all finite logits.
///
/// Label smoothing replaces y_j by (1 - s) y_j + s / K, where K is the number of classes, as
/// `label_smoothing` of `torch.nn.CrossEntropyLoss` does: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna,
/// "Rethinking the Inception Architecture for Computer Vision", CVPR 2016.
public struct CrossEntropy: LossFunction {
  /// The share s of each target that is spread evenly over all classes.
  public let labelSmoothing: Double

  /// Creates the loss.
  ///
  /// - Parameter labelSmoothing: from 0, for none, to 1.
  public init(labelSmoothing: Double = 0) { self.labelSmoothing = labelSmoothing }

  public var outputTransform: OutputTransform { .softmax }

  public func compute(_ outputs: MatrixView, _ targets: TargetView) throws -> Double {
    try Targets.check(targets, against: outputs)
    if labelSmoothing != 0 { return computeSmoothed(outputs, targets) }
    var sum = LogarithmSum()
    for row in 0..<outputs.rows {
      let z = outputs.row(row)
      let (maximum, total) = Softmax.maximumAndSum(z, outputs.columns)
      add(row: row, of: outputs, targets, maximum: maximum, total: total, to: &sum)
    }
    return sum.value
  }

  public func derivative(
    _ outputs: MatrixView, _ targets: TargetView, batchRows: Int,
    into gradient: MutableMatrixView
  ) throws {
    _ = try computeWithDerivative(outputs, targets, batchRows: batchRows, into: gradient)
  }

  public func computeWithDerivative(
    _ outputs: MatrixView, _ targets: TargetView, batchRows: Int,
    into gradient: MutableMatrixView
  ) throws -> Double {
    try Targets.check(targets, against: outputs)
    let scale = 1 / Float(batchRows)
    if labelSmoothing != 0 {
      return computeSmoothed(outputs, targets, scale: scale, into: gradient)
    }
    if case .classes(let classes) = targets, outputs.columns <= 16 {
      return computeWithinOneVector(outputs, classes, scale: scale, into: gradient)
    }
    var sum = LogarithmSum()
    for row in 0..<outputs.rows {
      let g = gradient.base + row * gradient.columns
      let (maximum, total) = Softmax.exponentials(outputs.row(row), outputs.columns, into: g)
      add(row: row, of: outputs, targets, maximum: maximum, total: total, to: &sum)
      switch targets {
      case .classes(let classes):
        Softmax.scale(g, outputs.columns, by: scale / Float(total))
        g[Int(classes[row])] -= scale
      case .values(let values):
        let y = values.row(row)
        var weight = 0.0
        for j in 0..<outputs.columns { weight += Double(y[j]) }
        let factor = scale * Float(weight / total)
        for j in 0..<outputs.columns { g[j] = g[j] * factor - scale * y[j] }
      }
    }
    return sum.value
  }

  /// The same for rows that fit one vector, and stay in a register; results are bitwise equal.
  private func computeWithinOneVector(
    _ outputs: MatrixView, _ classes: UnsafeBufferPointer<Int32>, scale: Float,
    into gradient: MutableMatrixView
  ) -> Double {
    let n = outputs.columns
    var sum = LogarithmSum()
    for row in 0..<outputs.rows {
      let z = outputs.base + row * n
      let (e, maximum, total) = Softmax.exponentials(z, withinOneVector: n)
      sum.add(Double(maximum) - Double(z[Int(classes[row])]), logarithmOf: total)
      let p = e * (scale / Float(total))
      Vectors.store(
        p.replacing(with: p - scale, where: Vectors.mask(lane: classes[row])),
        to: gradient.base + row * n, count: n)
    }
    return sum.value
  }

  /// Adds the loss of a row, from its maximum and its sum of exp(z - maximum).
  @inline(__always)
  private func add(
    row: Int, of outputs: MatrixView, _ targets: TargetView, maximum: Float, total: Double,
    to sum: inout LogarithmSum
  ) {
    let z = outputs.base + row * outputs.columns
    switch targets {
    case .classes(let classes):
      sum.add(Double(maximum) - Double(z[Int(classes[row])]), logarithmOf: total)
    case .values(let values):
      let y = values.row(row)
      let logTotal = Softmax.log(total)
      for j in 0..<outputs.columns where y[j] != 0 {
        sum.add(Double(y[j]) * ((Double(maximum) - Double(z[j])) + logTotal), logarithmOf: 1)
      }
    }
  }
}

// MARK: - Label smoothing

extension CrossEntropy {
  private func computeSmoothed(_ outputs: MatrixView, _ targets: TargetView) -> Double {
    var sum = LogarithmSum()
    for row in 0..<outputs.rows {
      let (maximum, total) = Softmax.maximumAndSum(outputs.row(row), outputs.columns)
      _ = addSmoothed(row, of: outputs, targets, maximum: maximum, total: total, to: &sum)
    }
    return sum.value
  }

  private func computeSmoothed(
    _ outputs: MatrixView, _ targets: TargetView, scale: Float, into gradient: MutableMatrixView
  ) -> Double {
    let n = outputs.columns
    let even = scale * Float(labelSmoothing / Double(n))
    let rest = scale * Float(1 - labelSmoothing)
    var sum = LogarithmSum()
    for row in 0..<outputs.rows {
      let g = gradient.base + row * n
      let (maximum, total) = Softmax.exponentials(outputs.row(row), n, into: g)
      let weight = addSmoothed(row, of: outputs, targets, maximum: maximum, total: total, to: &sum)
      let factor = scale * Float(weight / total)
      switch targets {
      case .classes(let classes):
        Vectors.forEach(n) { j, lanes in
          let p = Vectors.load(g + j, count: lanes) * factor
          Vectors.store(p - even, to: g + j, count: lanes)
        }
        g[Int(classes[row])] -= rest
      case .values(let values):
        let y = values.row(row)
        Vectors.forEach(n) { j, lanes in
          let p = Vectors.load(g + j, count: lanes) * factor
          let target = Vectors.load(y + j, count: lanes) * rest
          Vectors.store(p - even - target, to: g + j, count: lanes)
        }
      }
    }
    return sum.value
  }

  /// Adds the loss of a row with smoothed targets, and returns the sum of these.
  ///
  /// With y' for the smoothed targets, the loss is the sum over j of y'_j (maximum - z_j), and log of
  /// the total times the sum of y'.
  @inline(__always)
  private func addSmoothed(
    _ row: Int, of outputs: MatrixView, _ targets: TargetView, maximum: Float, total: Double,
    to sum: inout LogarithmSum
  ) -> Double {
    let (z, n) = (outputs.row(row), outputs.columns)
    let even = labelSmoothing / Double(n) * Softmax.distance(z, n, from: maximum)
    switch targets {
    case .classes(let classes):
      let distance = Double(maximum) - Double(z[Int(classes[row])])
      sum.add((1 - labelSmoothing) * distance + even, logarithmOf: total)
      return 1
    case .values(let values):
      let y = values.row(row)
      var (distance, weight) = (0.0, 0.0)
      for j in 0..<n where y[j] != 0 {
        weight += Double(y[j])
        distance += Double(y[j]) * (Double(maximum) - Double(z[j]))
      }
      let smoothed = (1 - labelSmoothing) * weight + labelSmoothing
      sum.add(
        (1 - labelSmoothing) * distance + even + smoothed * Softmax.log(total), logarithmOf: 1)
      return smoothed
    }
  }
}

/// A sum of numbers and logarithms that computes few logarithms: log a + log b = log(a * b).
private struct LogarithmSum {
  private var sum = 0.0
  private var product = 1.0

  /// Adds `number` + log(`total`), for `total` >= 1; propagates NaN.
  @inline(__always)
  mutating func add(_ number: Double, logarithmOf total: Double) {
    sum += number
    product *= total
    // A total is at most the number of outputs, so the next product cannot overflow.
    if product > 1e200 {
      sum += Softmax.log(product)
      product = 1
    }
  }

  var value: Double { sum + Softmax.log(product) }
}

/// Softmax, softmax(z)_j = exp(z_j) / sum over k of exp(z_k), and its parts.
///
/// Exponentials are shifted by the row's maximum: exp(z_j - maximum).
public enum Softmax {
  private typealias Vector = Vectors.Vector

  /// Replaces each row of logits by its softmax: probabilities that sum to 1.
  public static func probabilities(_ logits: MutableMatrixView) {
    for row in 0..<logits.rows {
      let z = logits.base + row * logits.columns
      scale(z, logits.columns, by: Float(1 / exponentials(z, logits.columns, into: z).sum))
    }
  }

  /// The maximum of `count` values; NaN if the first one or all are NaN.
  @inline(__always)
  private static func maximum(_ z: UnsafePointer<Float>, _ count: Int) -> Float {
    var best = Vector(repeating: z[0])
    Vectors.forEach(count) { j, lanes in
      let next = Vectors.load(z + j, count: lanes)
      best.replace(with: next, where: (next .> best) .& Vectors.mask(first: lanes))
    }
    return Vectors.maximum(best)
  }

  /// exp(z_j - maximum) of one vector of a row, with 0 in the lanes beyond the row.
  @inline(__always)
  private static func exponential(
    _ z: UnsafePointer<Float>, _ lanes: Int, _ maximum: Float
  ) -> Vector {
    let e = Exponential.exp(Vectors.load(z, count: lanes) - maximum)
    return lanes == 16 ? e : Vector().replacing(with: e, where: Vectors.mask(first: lanes))
  }

  /// The row's maximum and the sum over the row of exp(z - maximum), which propagates NaN.
  package static func maximumAndSum(_ z: UnsafePointer<Float>, _ count: Int) -> (Float, Double) {
    let maximum = maximum(z, count)
    var total = DoubleVectors.Vector()
    Vectors.forEach(count) { j, lanes in
      let e = exponential(z + j, lanes, maximum)
      total += DoubleVectors.widened(e.lowHalf) + DoubleVectors.widened(e.highHalf)
    }
    return (maximum, Reductions.sum(total))
  }

  /// The same; also writes exp(z - maximum) to `result`, which may be the row itself.
  package static func exponentials(
    _ z: UnsafePointer<Float>, _ count: Int, into result: UnsafeMutablePointer<Float>
  ) -> (maximum: Float, sum: Double) {
    let maximum = maximum(z, count)
    var total = DoubleVectors.Vector()
    Vectors.forEach(count) { j, lanes in
      let e = exponential(z + j, lanes, maximum)
      total += DoubleVectors.widened(e.lowHalf) + DoubleVectors.widened(e.highHalf)
      Vectors.store(e, to: result + j, count: lanes)
    }
    return (maximum, Reductions.sum(total))
  }

  /// exp(z - maximum) of a row of at most 16, and the results of ``exponentials(_:_:into:)``.
  @inline(__always)
  fileprivate static func exponentials(
    _ z: UnsafePointer<Float>, withinOneVector count: Int
  ) -> (values: SIMD16<Float>, maximum: Float, sum: Double) {
    let maximum = maximum(z, count)
    let e = exponential(z, count, maximum)
    let total = DoubleVectors.widened(e.lowHalf) + DoubleVectors.widened(e.highHalf)
    return (e, maximum, Reductions.sum(total))
  }

  /// The sum over a row of maximum - z, in Float64.
  fileprivate static func distance(
    _ z: UnsafePointer<Float>, _ count: Int, from maximum: Float
  ) -> Double {
    let maximum = Vector(repeating: maximum)
    var sum = DoubleVectors.Vector()
    Vectors.forEach(count) { j, lanes in
      let inside = Vectors.load(z + j, count: lanes)
      let x =
        lanes == 16 ? inside : maximum.replacing(with: inside, where: Vectors.mask(first: lanes))
      sum += DoubleVectors.widened(maximum.lowHalf) - DoubleVectors.widened(x.lowHalf)
      sum += DoubleVectors.widened(maximum.highHalf) - DoubleVectors.widened(x.highHalf)
    }
    return Reductions.sum(sum)
  }

  /// values_j *= factor.
  @inline(__always)
  package static func scale(_ values: UnsafeMutablePointer<Float>, _ count: Int, by factor: Float) {
    Vectors.forEach(count) { j, lanes in
      Vectors.store(Vectors.load(values + j, count: lanes) * factor, to: values + j, count: lanes)
    }
  }

  fileprivate static func log(_ x: Double) -> Double { Foundation.log(x) }
}
