// SPDX-License-Identifier: Apache-2.0
import GoldenSupport
import NeuralCore
import Testing

/// The mask of some rows as the definition has it, word by word.
private func referenceMask(
  seed: UInt64, firstRow: Int, rows: Int, update: Int, layer: UInt32, units: Int,
  probability: Double
) -> [Bool] {
  let philox = Philox(seed: seed)
  let threshold = (probability * 0x1p32).rounded()
  return (firstRow..<firstRow + rows).flatMap { row in
    (0..<units).map { unit in
      let counter = SIMD4(UInt32(unit / 4), UInt32(row), UInt32(update), 5 | layer << 8)
      return Double(philox.block(at: counter)[unit % 4]) >= threshold
    }
  }
}

/// The mask of some rows as the kernel computes it.
private func mask(
  seed: UInt64 = 0, firstRow: Int = 0, rows: Int, update: Int = 1, layerNumber: UInt64 = 0,
  units: Int, probability: Double
) -> [Bool] {
  let stride = DropoutMask.stride(units: units)
  let bits = AlignedBuffer<UInt32>(count: rows * stride)
  DropoutMask(
    seed: seed, firstRow: firstRow, update: update, layerNumber: layerNumber,
    probability: probability
  ).fill(bits.base, rows: rows, units: units)
  return (0..<rows).flatMap { row in
    (0..<units).map { bits[row * stride + $0 / 32] >> UInt32($0 % 32) & 1 == 1 }
  }
}

@Suite("Dropout")
struct DropoutTests {
  @Test(
    "The mask is the one that counter and threshold define, for any number of units",
    arguments: [1, 3, 4, 15, 16, 17, 31, 32, 33, 64, 100, 1000])
  func definition(units: Int) {
    for (seed, row, update, layer, probability) in [
      (0, 0, 1, 0, 0.5), (UInt64.max, 1 << 29, 1 << 30, 4096, 0.2), (3, 5, 7, 1 << 24 - 1, 0.999),
    ] {
      #expect(
        mask(
          seed: seed, firstRow: row, rows: 3, update: update, layerNumber: UInt64(layer),
          units: units, probability: probability)
          == referenceMask(
            seed: seed, firstRow: row, rows: 3, update: update, layer: UInt32(layer), units: units,
            probability: probability))
    }
  }

  @Test("The masks are those of an independent program, also in deeply nested layers")
  func references() throws {
    let file = try LayerGoldenFile.load(resource("layers.json"))
    #expect(file.masks.count >= 5)
    for expected in file.masks {
      let found = mask(
        seed: expected.seed, firstRow: expected.firstRow, rows: expected.kept.count,
        update: expected.update, layerNumber: expected.layerNumber, units: expected.units,
        probability: expected.probability)
      #expect(found == expected.kept.flatMap { $0.map { $0 == "1" } })
    }
  }

  @Test(
    "The share of kept units is 1 - p, and units, rows, steps, layers and seeds are independent",
    arguments: [0.1, 0.5, 0.8])
  func statistics(probability: Double) {
    let (rows, units) = (500, 200)
    let count = Double(rows * units)
    let deviation = (probability * (1 - probability)).squareRoot()
    let first = mask(rows: rows, units: units, probability: probability)
    let share = Double(first.count { $0 }) / count
    #expect(abs(share - (1 - probability)) < 5 * deviation / count.squareRoot())
    /// The correlation of the mask with another one.
    func correlation(_ other: [Bool]) -> Double {
      zip(first, other).reduce(0.0) {
        $0 + (($1.0 ? 1 : 0) - 1 + probability) * (($1.1 ? 1 : 0) - 1 + probability)
      } / (count * deviation * deviation)
    }
    let next = Array(first[1...]) + [true]
    let others = [
      next, Array(first[4...]), Array(first[units...]),
      mask(rows: rows, update: 2, units: units, probability: probability),
      mask(rows: rows, layerNumber: 1, units: units, probability: probability),
      mask(rows: rows, layerNumber: 1 << 24, units: units, probability: probability),
      mask(seed: 1, rows: rows, units: units, probability: probability),
    ]
    #expect(abs(correlation(first) - 1) < 0.05)
    for other in others { #expect(abs(correlation(other)) < 5 / count.squareRoot()) }
  }

  @Test("A row has the same mask in whatever part of the batch it is")
  func rows() {
    let whole = mask(seed: 4, rows: 20, update: 3, units: 37, probability: 0.4)
    for parts in [[0..<7, 7..<20], [0..<1, 1..<2, 2..<20], [0..<10, 10..<10, 10..<20]] {
      let joined = parts.flatMap {
        mask(
          seed: 4, firstRow: $0.lowerBound, rows: $0.count, update: 3, units: 37,
          probability: 0.4)
      }
      #expect(joined == whole)
    }
  }

  @Test(
    "Kept elements are scaled by 1 / (1 - p), dropped ones 0, whatever they were; p = 0 changes none"
  )
  func scaling() {
    let x = AlignedBuffer<Float>([1, .nan, -3, .infinity, 5] + (0..<15).map { Float($0) })
    for probability in [0, 0.25, 0.9] {
      let (bits, y) = (AlignedBuffer<UInt32>(count: 4), AlignedBuffer<Float>(count: 20))
      let mask = DropoutMask(
        seed: 1, firstRow: 2, update: 1, layerNumber: 0, probability: probability)
      mask.fill(bits.base, rows: 4, units: 5)
      let scale = Float(1 / (1 - probability))
      DropoutMask.apply(
        bits.base, to: x.matrix(rows: 4, columns: 5), scale: scale,
        into: y.mutableMatrix(rows: 4, columns: 5))
      for i in 0..<20 {
        let isKept = bits[i / 5] >> UInt32(i % 5) & 1 == 1
        #expect(isKept || probability > 0)
        #expect(y[i].bitPattern == (isKept ? x[i] * scale : 0).bitPattern)
      }
    }
  }

  /// A network that is nothing but dropout, with a bias behind it to train.
  private func network(_ probability: Double) throws -> NeuralNetwork {
    try NeuralNetwork(
      layers: [
        Dropout(features: 50, probability: probability),
        FullyConnectedLayer(inputs: 50, outputs: 2, activation: Identity(), normalization: nil),
      ], loss: MeanSquaredError(), optimizer: VanillaSGDOptimizer(), seed: 8)
  }

  @Test(
    "Training drops other elements in each step, and the same again when it is resumed at a step")
  func steps() throws {
    let x = AlignedBuffer<Float>(repeatElement(1, count: 4 * 50))
    let y = AlignedBuffer<Float>(count: 4 * 2)
    let batch = Batch(
      inputs: x.matrix(rows: 4, columns: 50), targets: .values(y.matrix(rows: 4, columns: 2)))
    try withExtendedLifetime((x, y)) {
      let run = try network(0.5)
      var losses: [Double] = []
      for _ in 0..<3 { losses.append(try run.train(batch).loss) }
      #expect(Set(losses).count == 3)
      let resumed = try network(0.5)
      _ = try resumed.train(batch)
      let weights = Array(resumed.store.parameters.elements)
      let other = try network(0.5)
      other.store.parameters.base.update(from: weights, count: weights.count)
      other.stepsDone = 1
      #expect(try other.train(batch).loss == losses[1])
    }
  }

  @Test("Inference leaves the inputs of dropout unchanged")
  func inference() throws {
    let x = AlignedBuffer((0..<100).map { Float($0) / 7 })
    let (dropped, plain) = (try network(0.5), try network(0))
    try withExtendedLifetime(x) {
      let rows = x.matrix(rows: 2, columns: 50)
      let expected = Array(try plain.infer(rows).elements)
      let found = Array(try dropped.infer(rows).elements)
      #expect(found == expected)
    }
  }
}
