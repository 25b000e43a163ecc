// SPDX-License-Identifier: Apache-2.0
import NeuralCore
import Testing

@Suite("The Philox generator")
struct PhiloxTests {
  @Test("Philox returns the words published by its authors")
  func knownAnswers() {
    // Random123's kat_vectors, philox4x32 10.
    #expect(
      Philox(seed: 0).block(at: SIMD4(repeating: 0))
        == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    #expect(
      Philox(seed: .max).block(at: SIMD4(repeating: .max))
        == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    #expect(
      Philox(seed: 0x299f_31d0_a409_3822)
        .block(at: SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344))
        == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  @Test("normal samples have mean 0 and the given standard deviation, uniform ones the given limit")
  func distributions() {
    let values = AlignedBuffer<Float>(count: 100_000)
    let stream = PhiloxStream(seed: 7, purpose: .initialWeights)
    stream.fillNormal(values.mutableElements, standardDeviation: 0.5)
    let mean = values.elements.reduce(0.0) { $0 + Double($1) } / 100_000
    let variance = values.elements.reduce(0.0) { $0 + Double($1) * Double($1) } / 100_000
    #expect(abs(mean) < 4 * 0.5 / 316)
    #expect(abs(variance / 0.25 - 1) < 4 * 0.0045)
    stream.fillUniform(values.mutableElements, limit: 0.25)
    let square = values.elements.reduce(0.0) { $0 + Double($1) * Double($1) } / 100_000
    #expect(values.elements.allSatisfy { abs($0) <= 0.25 })
    #expect(abs(square / (0.0625 / 3) - 1) < 0.02)
  }

  @Test("a random element does not depend on the number of elements")
  func prefix() {
    let stream = PhiloxStream(seed: 3, purpose: .initialWeights, subject: 2)
    let (long, short) = (AlignedBuffer<Float>(count: 37), AlignedBuffer<Float>(count: 10))
    stream.fillNormal(long.mutableElements, standardDeviation: 1)
    stream.fillNormal(short.mutableElements, standardDeviation: 1)
    #expect(Array(long.elements.prefix(10)) == Array(short.elements))
  }

  @Test("bounded random numbers are about equally frequent")
  func bounded() {
    var stream = PhiloxStream(seed: 1, purpose: .epochOrder)
    var counts = [Int](repeating: 0, count: 6)
    for _ in 0..<60_000 { counts[Int(stream.next(below: 6))] += 1 }
    #expect(counts.allSatisfy { abs($0 - 10_000) < 500 })
  }
}
