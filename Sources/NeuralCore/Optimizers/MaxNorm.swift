// SPDX-License-Identifier: Apache-2.0

/// The max-norm constraint: limits the Euclidean norm of each unit's incoming weights.
///
/// After an update, each row of a weight matrix W (`m x n`) whose norm exceeds the limit is multiplied
/// by limit / norm, as `torch.renorm` does. Applies to weight tensors of two dimensions. A row's norm
/// is a Float64 sum in a fixed order, so the result does not depend on how units are divided among
/// replicas.
///
/// Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout: A Simple Way to Prevent
/// Neural Networks from Overfitting", Journal of Machine Learning Research 15, 2014, section 5.1.
package final class MaxNorm {
  /// The most units whose sums are computed together: their sums stay in the first-level cache.
  private static let maximumUnits = 1024

  /// Some rows of one weight matrix.
  private struct Part {
    let matrix: Range<Int>
    let layout: TensorLayout
    let units: Range<Int>
  }
  private let parts: [Part]
  private let sums: AlignedBuffer<Double>
  private let factors: AlignedBuffer<Float>

  /// The constraint for one of `members` replicas that share one copy of the parameters, each of which
  /// scales the rows of some units; for all units by default.
  package init(_ table: ParameterTable, member: Int = 0, of members: Int = 1) {
    var parts: [Part] = []
    for entry in table.entries where entry.specification.role == .weight {
      let layout = entry.specification.layout
      guard layout.shape.count == 2 else { continue }
      // Whole vectors of units, since members that write the same cache line slow each other down.
      let vectors = Vectors.padded(layout.shape[0]) / 16
      let last = vectors * (member + 1) / members * 16
      var first = vectors * member / members * 16
      while first < Swift.min(last, layout.shape[0]) {
        let units = first..<Swift.min(first + Self.maximumUnits, last, layout.shape[0])
        parts.append(Part(matrix: entry.span, layout: layout, units: units))
        first = units.upperBound
      }
    }
    self.parts = parts
    sums = AlignedBuffer(count: Self.maximumUnits)
    factors = AlignedBuffer(count: Self.maximumUnits)
  }

  /// Scales the rows that exceed the limit.
  package func apply(_ limit: Double, to store: ParameterStore) {
    for part in parts {
      let matrix = store.parameters.base + part.matrix.lowerBound
      switch part.layout.order {
      case .rowMajor: scaleRows(part, of: matrix, limit)
      case .columnMajor: scaleColumns(part, of: matrix, limit)
      }
    }
    store.markChanged()
  }

  private func scaleRows(_ part: Part, of matrix: UnsafeMutablePointer<Float>, _ limit: Double) {
    let count = part.layout.shape[1]
    for unit in part.units {
      let row = matrix + unit * count
      let norm = Reductions.sumOfSquares(row, count).squareRoot()
      guard norm > limit else { continue }
      let factor = Vectors.broadcast(Float(limit / norm))
      Vectors.forEach(count) { j, lanes in
        Vectors.store(factor * Vectors.load(row + j, count: lanes), to: row + j, count: lanes)
      }
    }
  }

  /// The same for the transpose in memory, in which a unit's weights are a column.
  ///
  /// Goes through memory row by row, with the sums of all units at hand.
  private func scaleColumns(
    _ part: Part, of matrix: UnsafeMutablePointer<Float>, _ limit: Double
  ) {
    let (stride, inputs) = (part.layout.shape[0], part.layout.shape[1])
    let (first, count) = (matrix + part.units.lowerBound, part.units.count)
    let (sums, factors) = (self.sums.base, self.factors.base)
    sums.update(repeating: 0, count: Vectors.padded(count))
    for j in 0..<inputs {
      let row = UnsafePointer(first) + j * stride
      Vectors.forEach(count) { i, lanes in
        let w = Vectors.load(row + i, count: lanes)
        let (low, high) = (DoubleVectors.widened(w.lowHalf), DoubleVectors.widened(w.highHalf))
        let (a, b) = (DoubleVectors.load(sums + i), DoubleVectors.load(sums + i + 8))
        DoubleVectors.store(DoubleVectors.multiplyAdd(low, low, a), to: sums + i)
        DoubleVectors.store(DoubleVectors.multiplyAdd(high, high, b), to: sums + i + 8)
      }
    }
    var exceeds = false
    for i in 0..<count {
      let norm = sums[i].squareRoot()
      factors[i] = norm > limit ? Float(limit / norm) : 1
      exceeds = exceeds || norm > limit
    }
    guard exceeds else { return }
    for j in 0..<inputs {
      let row = first + j * stride
      Vectors.forEach(count) { i, lanes in
        let scaled = Vectors.load(row + i, count: lanes) * Vectors.load(factors + i, count: lanes)
        Vectors.store(scaled, to: row + i, count: lanes)
      }
    }
  }
}
