// SPDX-License-Identifier: Apache-2.0
import NeuralCore
import Testing

/// Layer normalization of one row, and its gradient, in Float64 from the definition.
private struct Reference {
  let hat: [Double]
  let rstd: Double

  init(_ x: [Float], epsilon: Double) {
    let n = Double(x.count)
    let mean = x.reduce(0.0) { $0 + Double($1) } / n
    let variance = x.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / n
    let rstd = 1 / (variance + epsilon).squareRoot()
    self.rstd = rstd
    hat = x.map { (Double($0) - mean) * rstd }
  }

  func inputGradient(_ dBar: [Float], gamma: [Float]) -> [Double] {
    let n = Double(hat.count)
    let g = zip(dBar, gamma).map { Double($0) * Double($1) }
    let mean = g.reduce(0, +) / n
    let product = zip(g, hat).reduce(0.0) { $0 + $1.0 * $1.1 } / n
    return zip(g, hat).map { rstd * ($0 - mean - $1 * product) }
  }
}

@Suite("Layer normalization")
struct LayerNormTests {
  private func random(_ count: Int, mean: Double = 0, deviation: Double = 1, _ subject: UInt32 = 0)
    -> AlignedBuffer<Float>
  {
    let values = AlignedBuffer<Float>(count: count)
    PhiloxStream(seed: 2, purpose: .syntheticData, subject: subject)
      .fillNormal(values.mutableElements, standardDeviation: deviation)
    for i in 0..<count { values[i] += Float(mean) }
    return values
  }

  @Test(
    "Values and gradient agree with Float64, for any number of features and also far from zero",
    arguments: [1, 2, 15, 16, 17, 63, 64, 65, 1000, 1024, 1025, 3000])
  func accuracy(features n: Int) {
    let rows = 3
    for (mean, deviation) in [(0.0, 1.0), (1000, 1), (1e6, 1), (-3e4, 1e-2), (0, 1e-6), (0, 1e12)] {
      let x = random(rows * n, mean: mean, deviation: deviation)
      let (gamma, beta) = (random(n, 1), random(n, 2))
      let dBar = random(rows * n, 3)
      let (hat, bar) = (
        AlignedBuffer<Float>(count: rows * n), AlignedBuffer<Float>(count: rows * n)
      )
      let (rstd, dA) = (AlignedBuffer<Float>(count: rows), AlignedBuffer<Float>(count: rows * n))
      RowNormalization.normalize(
        x.matrix(rows: rows, columns: n), epsilon: 1e-5, gamma: gamma.base, beta: beta.base,
        normalized: hat.base, scaled: bar.base, reciprocalDeviation: rstd.base)
      RowNormalization.differentiate(
        dBar.matrix(rows: rows, columns: n), normalized: hat.base, gamma: gamma.base,
        reciprocalDeviation: rstd.base, into: dA.mutableMatrix(rows: rows, columns: n))
      for row in 0..<rows {
        let part = row * n..<(row + 1) * n
        let expected = Reference(Array(x.elements[part]), epsilon: 1e-5)
        let gradient = expected.inputGradient(
          Array(dBar.elements[part]), gamma: Array(gamma.elements))
        #expect(abs(Double(rstd[row]) / expected.rstd - 1) < 1e-6)
        for j in 0..<n {
          let place = row * n + j
          #expect(abs(Double(hat[place]) - expected.hat[j]) < 2e-6)
          let scaled = expected.hat[j] * Double(gamma[j]) + Double(beta[j])
          #expect(abs(Double(bar[place]) - scaled) < 1e-5)
          #expect(abs(Double(dA[place]) - gradient[j]) < 1e-5 * expected.rstd)
        }
      }
    }
  }

  @Test("A row of equal values is normalized to exactly zero, whatever the values")
  func constantRows() {
    for (value, n) in [(Float(0), 3), (1e-30, 17), (0.1, 100), (1e6 + 0.0625, 1000), (-3e37, 33)] {
      let x = AlignedBuffer(repeatElement(value, count: n))
      let (ones, zeros) = (
        AlignedBuffer<Float>(repeatElement(1, count: n)), AlignedBuffer<Float>(count: n)
      )
      let y = AlignedBuffer<Float>(repeatElement(7, count: n))
      RowNormalization.normalize(
        x.matrix(rows: 1, columns: n), epsilon: 1e-5, gamma: ones.base, beta: zeros.base,
        normalized: y.base, scaled: y.base, reciprocalDeviation: nil)
      #expect(y.elements.allSatisfy { $0 == 0 }, "\(value)")
    }
  }

  @Test("A row with NaN, infinity or a variance that overflows is NaN, and no other row is")
  func notFinite() {
    for value in [Float.nan, .infinity, -.infinity, 3e38] {
      let x = AlignedBuffer<Float>([1, 2, 3, 4, -value, value, 0, 1, 1, 2, 4, 3])
      let (ones, zeros) = (
        AlignedBuffer<Float>(repeatElement(1, count: 4)), AlignedBuffer<Float>(count: 4)
      )
      let y = AlignedBuffer<Float>(count: 12)
      RowNormalization.normalize(
        x.matrix(rows: 3, columns: 4), epsilon: 1e-5, gamma: ones.base, beta: zeros.base,
        normalized: y.base, scaled: y.base, reciprocalDeviation: nil)
      #expect(y.elements[4..<8].allSatisfy { $0.isNaN }, "\(value)")
      #expect((Array(y.elements[0..<4]) + y.elements[8...]).allSatisfy { $0.isFinite })
    }
  }

  @Test("A row's result does not depend on the other rows, nor on its place in memory")
  func independent() {
    let (rows, n) = (5, 37)
    let x = random(rows * n)
    let (gamma, beta) = (random(n, 1), random(n, 2))
    let (all, one) = (AlignedBuffer<Float>(count: rows * n), AlignedBuffer<Float>(count: n + 3))
    func normalize(_ x: MatrixView, _ y: UnsafeMutablePointer<Float>) {
      RowNormalization.normalize(
        x, epsilon: 1e-5, gamma: gamma.base, beta: beta.base, normalized: y, scaled: y,
        reciprocalDeviation: nil)
    }
    withExtendedLifetime((x, gamma, beta)) {
      normalize(x.matrix(rows: rows, columns: n), all.base)
      for row in 0..<rows {
        normalize(x.matrix(rows: rows, columns: n).rows(row..<row + 1), one.base + 3)
        #expect(one.elements[3...].elementsEqual(all.elements[row * n..<(row + 1) * n]))
      }
    }
  }
}
