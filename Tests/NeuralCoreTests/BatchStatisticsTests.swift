// SPDX-License-Identifier: Apache-2.0
import NeuralCore
import Testing

/// One column of a matrix.
private func column(_ j: Int, of values: [Float], rows: Int) -> [Double] {
  let columns = values.count / rows
  return (0..<rows).map { Double(values[$0 * columns + j]) }
}

/// Half a unit per rounding of a term in a sum over rows that adds `atOnce` rows at a time.
private func bound(rows: Int, atOnce: Int, roundingsOfTerm: Int) -> Double {
  Double(Swift.min(rows, RowBlocks.blockRows) / atOnce + 4 + roundingsOfTerm) / 2
}

@Suite("Batch statistics and normalization")
struct BatchStatisticsTests {
  @Test("column sums are within half a unit of their terms per four rows", arguments: oddLengths)
  func columnSums(columns: Int) {
    for rows in oddRows.filter({ $0 <= RowBlocks.blockRows }) {
      var numbers = Numbers(columns + rows)
      let x = Guarded(numbers.array(rows * columns))
      let base = UnsafePointer(x.base)
      let sums = Guarded<Float>(count: Vectors.padded(columns))
      let second = Guarded<Float>(count: Vectors.padded(columns))
      let first = Guarded<Float>(count: Vectors.padded(columns))
      RowBlocks.sum(0..<rows, columns: columns, into: sums.base) { row, j, lanes in
        Vectors.load(base + row * columns + j, count: lanes)
      }
      RowBlocks.sum(0..<rows, columns: columns, into: first.base, and: second.base) {
        row, j, lanes in
        let x = Vectors.load(base + row * columns + j, count: lanes)
        return (x, x * x)
      }
      for j in 0..<columns {
        let terms = column(j, of: x.values, rows: rows)
        let (exact, magnitude) = (sum(terms), sum(terms.map { abs($0) }))
        let squares = sum(terms.map { $0 * $0 })
        let most = bound(rows: rows, atOnce: 4, roundingsOfTerm: 0)
        let mostOfTwo = bound(rows: rows, atOnce: 2, roundingsOfTerm: 1)
        #expect(units(sums.base[j], exact, of: magnitude) <= most)
        #expect(units(first.base[j], exact, of: magnitude) <= mostOfTwo)
        #expect(units(second.base[j], squares) <= mostOfTwo)
      }
      #expect(sums.isIntact && second.isIntact && first.isIntact && x.isIntact)
    }
  }

  @Test(
    "means and squared deviations are within 20 units of the deviations, even far from zero",
    arguments: oddLengths + [1057])
  func statistics(columns: Int) {
    for number in 0..<2 * oddRows.count {
      let (rows, offset): (Int, Float) = (oddRows[number / 2], number % 2 == 0 ? 0 : 1e6)
      var numbers = Numbers(columns + rows)
      let x = Guarded(numbers.array(rows * columns).map { $0 + offset })
      let stride = Vectors.padded(columns)
      let statistics = Guarded<Double>(count: 2 * stride)
      let scratch = Guarded<Float>(count: BatchStatistics.scratchCount(columns: columns))
      BatchStatistics.compute(
        x.matrix(rows, columns), into: statistics.base, scratch: scratch.base)
      for j in 0..<columns {
        let terms = column(j, of: x.values, rows: rows)
        let mean = sum(terms) / Double(rows)
        let m2 = sum(terms.map { ($0 - mean) * ($0 - mean) })
        let spread = sum(terms.map { abs($0 - terms[0]) }) / Double(rows)
        #expect(abs(statistics.base[j] - mean) <= 20 * 0x1p-23 * spread + 0x1p-50 * abs(mean))
        #expect(abs(statistics.base[stride + j] - m2) <= 20 * 0x1p-23 * m2)
      }
      #expect(statistics.isIntact && scratch.isIntact && x.isIntact)
    }
  }

  @Test("scales and running statistics are rounded once, from Float64", arguments: oddLengths)
  func scales(columns: Int) {
    var numbers = Numbers(columns)
    let stride = Vectors.padded(columns)
    let statistics = SliceStatistics(features: columns)
    for j in 0..<columns {
      statistics.whole.base[j] = Double(numbers.next()) * 1000 + 1 / 3
      statistics.whole.base[stride + j] = Double(numbers.next() + 2) * 7
    }
    let buffer = AlignedBuffer<Float>(count: NormalizationScales.count(features: columns))
    let scales = NormalizationScales(buffer, features: columns)
    scales.set(statistics, rows: 7, epsilon: 1e-5)
    // Tensors start on whole vectors, with zeros after their last element.
    let rest = [Float](repeating: 0, count: stride - columns)
    let before = numbers.array(columns)
    let (mean, variance) = (Guarded(before + rest), Guarded(before + rest))
    NormalizationScales.updateRunning(
      mean: mean.base, variance: variance.base, from: statistics, rows: 7, momentum: 0.9)
    for j in 0..<columns {
      let (m, v) = (statistics.mean[j], statistics.sumOfSquares[j] / 7)
      let whole = Double(scales.meanHigh[j]) + Double(scales.meanLow[j])
      #expect(scales.meanHigh[j] == Float(m) && abs(whole - m) <= 0x1p-46 * abs(m))
      #expect(units(scales.reciprocalDeviation[j], 1 / (v + 1e-5).squareRoot()) <= 0.501)
      let old = Double(before[j])
      #expect(units(mean.base[j], 0.9 * old + 0.1 * m, of: 0.9 * abs(old) + 0.1 * abs(m)) <= 0.501)
      #expect(units(variance.base[j], 0.9 * old + 0.1 * v, of: 0.9 * abs(old) + 0.1 * v) <= 0.501)
    }
    #expect((columns..<stride).allSatisfy { mean.base[$0] == 0 && variance.base[$0] == 0 })
    #expect(mean.isIntact && variance.isIntact)
    withExtendedLifetime(buffer) {}
  }

  @Test(
    "normalized inputs are within 2 units, and scaled ones are rounded once", arguments: oddLengths)
  func normalize(columns: Int) {
    for rows in [1, 3, 17] {
      var numbers = Numbers(columns + rows)
      let (stride, count) = (Vectors.padded(columns), rows * columns)
      let buffer = AlignedBuffer<Float>(count: NormalizationScales.count(features: columns))
      let scales = NormalizationScales(buffer, features: columns)
      for j in 0..<stride {
        scales.meanHigh[j] = numbers.next() * 100
        scales.meanLow[j] = scales.meanHigh[j].ulp * numbers.next() / 4
        scales.reciprocalDeviation[j] = numbers.next() + 2.1
      }
      let x = Guarded((0..<count).map { scales.meanHigh[$0 % columns] + numbers.next() })
      let (gamma, beta) = (Guarded(numbers.array(columns)), Guarded(numbers.array(columns)))
      let (hat, bar) = (Guarded<Float>(count: count), Guarded<Float>(count: count))
      BatchStatistics.normalize(
        x.matrix(rows, columns), by: scales, gamma: gamma.base, beta: beta.base,
        normalized: hat.base, scaled: bar.base)
      for i in 0..<count {
        let j = i % columns
        let mean = Double(scales.meanHigh[j]) + Double(scales.meanLow[j])
        let exact = (Double(x.base[i]) - mean) * Double(scales.reciprocalDeviation[j])
        #expect(units(hat.base[i], exact) <= 2)
        #expect(bar.base[i] == beta.base[j].addingProduct(hat.base[i], gamma.base[j]))
      }
      #expect(hat.isIntact && bar.isIntact && x.isIntact && gamma.isIntact && beta.isIntact)
      withExtendedLifetime(buffer) {}
    }
  }

  @Test(
    "sums of gradients are within half a unit of their terms per two rows", arguments: oddLengths)
  func gradientSums(columns: Int) {
    for rows in oddRows {
      var numbers = Numbers(columns + rows)
      let g = Guarded(numbers.array(rows * columns))
      let hat = Guarded(numbers.array(rows * columns))
      let stride = Vectors.padded(columns)
      let sums = Guarded<Double>(count: 2 * stride)
      let scratch = Guarded<Float>(count: 2 * stride)
      BatchStatistics.gradientSums(
        g.matrix(rows, columns), normalized: hat.base, into: sums.base, scratch: scratch.base)
      let most = bound(rows: rows, atOnce: 2, roundingsOfTerm: 1) * 0x1p-23
      for j in 0..<columns {
        let gradients = column(j, of: g.values, rows: rows)
        let products = zip(gradients, column(j, of: hat.values, rows: rows)).map { $0 * $1 }
        for (place, terms) in [(j, products), (stride + j, gradients)] {
          let (exact, magnitude) = (sum(terms), sum(terms.map { abs($0) }))
          #expect(abs(sums.base[place] - exact) <= most * magnitude)
        }
      }
      #expect(sums.isIntact && scratch.isIntact && g.isIntact && hat.isIntact)
    }
  }

  @Test(
    "gradients of an input's weights, scale and shift are within rounding of their terms",
    arguments: oddLengths + [2100])
  func weightGradient(outputs: Int) {
    var numbers = Numbers(outputs)
    let before = numbers.array(outputs)
    let (g, weights) = (Guarded(before), Guarded(numbers.array(outputs)))
    let bias = Guarded(numbers.array(outputs))
    let (gamma, beta) = (numbers.next(), numbers.next())
    let (scale, shift) = WeightGradients.scaleAndSum(
      g.base, weights: weights.base, biasGradient: bias.base, count: outputs, gamma: gamma,
      beta: beta)
    for (k, old) in before.enumerated() {
      let terms = [Double(gamma) * Double(old), Double(beta) * Double(bias.base[k])]
      #expect(units(g.base[k], sum(terms), of: sum(terms.map { abs($0) })) <= 1)
    }
    // At most 64 terms per lane, then four halvings: half a unit each.
    let most = (64 + 4) * 0x1p-24
    for (found, factors) in [(scale, before), (shift, bias.values)] {
      let terms = zip(weights.values, factors).map { Double($0) * Double($1) }
      #expect(abs(found - sum(terms)) <= most * sum(terms.map { abs($0) }))
    }
    #expect(g.isIntact && weights.isIntact && bias.isIntact)
  }

  @Test("gradients of normalized inputs are within 3 units of their terms", arguments: oddLengths)
  func inputGradient(columns: Int) {
    for rows in [1, 3, 17] {
      var numbers = Numbers(columns + rows)
      let (stride, count) = (Vectors.padded(columns), rows * columns)
      let before = numbers.array(count)
      let (g, scaled) = (Guarded(before), Guarded(before))
      let hat = Guarded(numbers.array(count))
      let factor = Guarded(numbers.array(stride))
      let (mean, product) = (Guarded(numbers.array(stride)), Guarded(numbers.array(stride)))
      BatchStatistics.inputGradient(
        g.mutableMatrix(rows, columns), normalized: hat.base, factor: factor.base,
        meanOfGradient: mean.base, meanOfProduct: product.base)
      BatchStatistics.scaleColumns(scaled.mutableMatrix(rows, columns), by: factor.base)
      for i in 0..<count {
        let (old, j) = (Double(before[i]), i % columns)
        let (m, f) = (Double(mean.base[j]), Double(factor.base[j]))
        let projection = Double(hat.base[i]) * Double(product.base[j])
        let magnitude = (abs(old) + abs(m) + abs(projection)) * abs(f)
        #expect(units(g.base[i], f * (old - m - projection), of: magnitude) <= 3)
        #expect(scaled.base[i] == before[i] * factor.base[j])
      }
      #expect(g.isIntact && scaled.isIntact && hat.isIntact)
    }
  }
}
