// SPDX-License-Identifier: Apache-2.0

private typealias Vector = Vectors.Vector

/// A loss function that is a sum over outputs, each with a target of its own.
///
/// The rows of a slice are one sequence of elements, 16 at a time, so that a single column fills
/// vectors, too. Losses are added in Float64. Class targets are converted to one-hot rows.
protocol ElementwiseLoss: LossFunction {
  /// The losses of 16 outputs z with targets y, and their derivatives with respect to z.
  func terms(_ z: SIMD16<Float>, _ y: SIMD16<Float>) -> LossTerms
}

/// The losses of 16 elements, and their derivatives.
struct LossTerms {
  /// The losses of the first eight.
  let low: SIMD8<Double>
  /// The losses of the last eight.
  let high: SIMD8<Double>
  let derivative: SIMD16<Float>
}

extension LossTerms {
  @inline(__always)
  fileprivate init(_ losses: Vector, derivative: Vector) {
    self.init(
      low: DoubleVectors.widened(losses.lowHalf), high: DoubleVectors.widened(losses.highHalf),
      derivative: derivative)
  }
}

extension ElementwiseLoss {
  public func compute(_ outputs: MatrixView, _ targets: TargetView) throws -> Double {
    try Targets.check(targets, against: outputs)
    return sum(outputs, targets) { _, _, _ in }
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
    let (base, scale) = (gradient.base, Vectors.broadcast(1 / Float(batchRows)))
    return sum(outputs, targets) { place, lanes, derivative in
      Vectors.store(scale * derivative, to: base + place, count: lanes)
    }
  }

  /// The sum of all losses; calls `receive` with the derivatives from each place on.
  @inline(__always)
  private func sum(
    _ outputs: MatrixView, _ targets: TargetView,
    _ receive: (_ place: Int, _ lanes: Int, _ derivative: SIMD16<Float>) -> Void
  ) -> Double {
    var total = DoubleVectors.Vector()
    @inline(__always)
    func add(_ place: Int, _ lanes: Int, _ y: SIMD16<Float>) {
      let terms = terms(Vectors.load(outputs.base + place, count: lanes), y)
      total += Self.first(lanes, of: terms)
      receive(place, lanes, terms.derivative)
    }
    switch targets {
    case .values(let values):
      Vectors.forEach(outputs.rows * outputs.columns) { place, lanes in
        add(place, lanes, Vectors.load(values.base + place, count: lanes))
      }
    case .classes(let classes):
      for row in 0..<outputs.rows {
        Vectors.forEach(outputs.columns) { j, lanes in
          let lane = classes[row] &- Int32(truncatingIfNeeded: j)
          let y = SIMD16<Float>().replacing(with: 1, where: Vectors.mask(lane: lane))
          add(row * outputs.columns + j, lanes, y)
        }
      }
    }
    return Reductions.sum(total)
  }

  /// The sums of the losses of both halves, without those of lanes that are padding.
  @inline(__always)
  private static func first(_ lanes: Int, of terms: LossTerms) -> SIMD8<Double> {
    if lanes == 16 { return terms.low + terms.high }
    // The losses of padding, of 0 and 0, are finite.
    let isElement = Vector().replacing(with: 1, where: Vectors.mask(first: lanes))
    return terms.low * DoubleVectors.widened(isElement.lowHalf)
      + terms.high * DoubleVectors.widened(isElement.highHalf)
  }
}

// MARK: - Numbers

/// The mean absolute error: the mean over rows of the sum of absolute differences.
///
///     loss       = 1/B * sum over rows and columns of |yhat - y|
///     derivative = 1/B * sign(yhat - y), and 0 where yhat = y
///
/// B is the number of rows of the global batch, yhat are the outputs and y the targets. A row with an
/// outlier counts no more than others, and the best constant output is the median. The terms are
/// summed, not averaged, over the columns: `torch.nn.L1Loss` divides by the columns too.
public struct MeanAbsoluteError: ElementwiseLoss {
  /// Creates the loss.
  public init() {}

  @inline(__always)
  func terms(_ z: SIMD16<Float>, _ y: SIMD16<Float>) -> LossTerms {
    let sign = Vector().replacing(with: 1, where: z .> y).replacing(with: -1, where: z .< y)
    let difference = Difference(z, y)
    return LossTerms(
      low: difference.low * DoubleVectors.widened(sign.lowHalf),
      high: difference.high * DoubleVectors.widened(sign.highHalf), derivative: sign)
  }
}

/// The Huber loss: half the squared error for differences up to delta, and linear beyond.
///
///     loss       = 1/B * sum over rows and columns of h(yhat - y), where
///                  h(d) = d^2 / 2 for |d| <= delta, and delta (|d| - delta / 2) otherwise
///     derivative = 1/B * (yhat - y), limited to -delta/B ... delta/B
///
/// B is the number of rows of the global batch, yhat are the outputs and y the targets. The terms are
/// summed, not averaged, over the columns: `torch.nn.HuberLoss` divides by the columns too.
///
/// Source: Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35,
/// 1964.
public struct Huber: ElementwiseLoss {
  private let delta: Float

  /// Creates the loss.
  ///
  /// - Parameter delta: the difference from which the loss is linear, positive and finite; rounded to
  ///   Float32.
  public init(delta: Double = 1) { self.delta = Float(delta) }

  @inline(__always)
  func terms(_ z: SIMD16<Float>, _ y: SIMD16<Float>) -> LossTerms {
    let d = z - y
    let limited = d.replacing(with: delta, where: d .> delta)
      .replacing(with: -delta, where: d .< -delta)
    // With c, the limited difference, h(d) = c (d - c / 2).
    let difference = Difference(z, y)
    let (low, high) = (
      DoubleVectors.widened(limited.lowHalf), DoubleVectors.widened(limited.highHalf)
    )
    return LossTerms(
      low: low * (difference.low - 0.5 * low), high: high * (difference.high - 0.5 * high),
      derivative: limited)
  }
}

/// The quantile (pinball) loss, whose best output is the tau-quantile of the targets.
///
///     loss       = 1/B * sum over rows and columns of tau (y - yhat) for y >= yhat,
///                  and (1 - tau) (yhat - y) otherwise
///     derivative = 1/B * -tau for yhat < y, 1/B * (1 - tau) for yhat > y, and 0 where yhat = y
///
/// B is the number of rows of the global batch, yhat are the outputs and y the targets. With one
/// column it is scikit-learn's `mean_pinball_loss` with `alpha` = tau; with tau = 1/2 half the mean
/// absolute error. The terms are summed, not averaged, over the columns.
///
/// Source: Koenker, Bassett, "Regression Quantiles", Econometrica 46, 1978.
public struct QuantileLoss: ElementwiseLoss {
  private let tau: Double
  private let slopes: (below: Float, above: Float)

  /// Creates the loss.
  ///
  /// - Parameter tau: the probability of a target below the output, above 0 and below 1.
  public init(tau: Double = 0.5) {
    self.tau = tau
    slopes = (Float(-tau), Float(1 - tau))
  }

  @inline(__always)
  func terms(_ z: SIMD16<Float>, _ y: SIMD16<Float>) -> LossTerms {
    let above = Vector().replacing(with: 1, where: z .> y)
    let below = Vector().replacing(with: 1, where: z .< y)
    let difference = Difference(z, y)
    let low =
      (1 - tau) * DoubleVectors.widened(above.lowHalf) - tau * DoubleVectors.widened(below.lowHalf)
    let high =
      (1 - tau) * DoubleVectors.widened(above.highHalf)
      - tau * DoubleVectors.widened(below.highHalf)
    return LossTerms(
      low: difference.low * low, high: difference.high * high,
      derivative: slopes.above * above + slopes.below * below)
  }
}

/// The Poisson loss: the negative log-likelihood of counts, without log(y!), for outputs that are
/// logarithms of rates.
///
///     loss       = 1/B * sum over rows and columns of exp(z) - y z
///     derivative = 1/B * (exp(z) - y)
///
/// B is the number of rows of the global batch, z are the outputs and y the targets, counts or rates
/// of 0 or more. `torch.nn.PoissonNLLLoss` with `log_input=True` and `full=False`, but summed, not
/// averaged, over the columns. exp(z) is accurate to 2 units in the last place, and infinite from z =
/// 88.73 upward: so are then the loss and the derivative.
public struct PoissonLoss: ElementwiseLoss {
  /// Creates the loss.
  public init() {}

  public var outputTransform: OutputTransform { .exponential }

  @inline(__always)
  func terms(_ z: SIMD16<Float>, _ y: SIMD16<Float>) -> LossTerms {
    let rate = Exponential.exp(z)
    return LossTerms(
      low: DoubleVectors.widened(rate.lowHalf)
        - DoubleVectors.widened(y.lowHalf) * DoubleVectors.widened(z.lowHalf),
      high: DoubleVectors.widened(rate.highHalf)
        - DoubleVectors.widened(y.highHalf) * DoubleVectors.widened(z.highHalf),
      derivative: rate - y)
  }
}

// MARK: - Probabilities

/// The binary cross-entropy of sigmoid(logits), for one or several independent targets per row.
///
///     loss       = 1/B * sum over rows and columns of
///                  -y log(sigmoid(z)) - (1 - y) log(1 - sigmoid(z))
///     derivative = 1/B * (sigmoid(z) - y)
///
/// B is the number of rows of the global batch, z are the outputs (logits), and y the targets: 0 or 1,
/// or probabilities between. `torch.nn.BCEWithLogitsLoss`, but summed, not averaged, over the columns.
///
/// Neither exponentials of positive numbers nor differences of large ones are computed, so loss and
/// derivative are finite for all finite logits, and accurate where the sigmoid rounds to 0 or 1: to 4
/// units in the last place for y of 0 and 1, and of their larger term for y between.
public struct BinaryCrossEntropy: ElementwiseLoss {
  /// Creates the loss.
  public init() {}

  public var outputTransform: OutputTransform { .sigmoid }

  @inline(__always)
  func terms(_ z: SIMD16<Float>, _ y: SIMD16<Float>) -> LossTerms {
    // The loss is |z| t + log(1 + e) with e = exp(-|z|), where t = y for z < 0 and 1 - y otherwise.
    let e = ElementaryFunctions.exp(Vectors.negativeMagnitude(z, atLeast: -110))
    let magnitude = Vectors.copySign(z, of: Vectors.broadcast(1))
    let t = (1 - y).replacing(with: y, where: z .< 0)
    let loss = Vectors.multiplyAdd(magnitude, t, ElementaryFunctions.logarithmOfOnePlus(e))
    // sigmoid(-|z|) = e / (1 + e).
    let slope = t - e / (1 + e)
    return LossTerms(loss, derivative: slope.replacing(with: -slope, where: z .< 0))
  }
}

/// z - y of 16 elements, in Float64.
private struct Difference {
  let low, high: DoubleVectors.Vector

  @inline(__always)
  init(_ z: SIMD16<Float>, _ y: SIMD16<Float>) {
    low = DoubleVectors.widened(z.lowHalf) - DoubleVectors.widened(y.lowHalf)
    high = DoubleVectors.widened(z.highHalf) - DoubleVectors.widened(y.highHalf)
  }
}
