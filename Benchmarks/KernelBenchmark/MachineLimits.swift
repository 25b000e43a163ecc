// SPDX-License-Identifier: Apache-2.0
import CVectorMath
import NeuralCore

/// What one core of this machine can do at most, measured now.
final class MachineLimits {
  /// Multiplications and additions a second, fused, in registers.
  let peak: Double
  private var bandwidths: [Int: Double] = [:]

  init() {
    peak = Self.measurePeak()
  }

  /// Bytes a second of a triad, a += s * b, that reads and writes so many bytes.
  ///
  /// In place, since a row that is written without being read is fetched all the same.
  func bandwidth(bytes: Int) -> Double {
    let vectors = Swift.max(bytes / (3 * 64), 4)
    if let known = bandwidths[vectors] { return known }
    let (a, b) = (
      AlignedBuffer<Float>(count: 16 * vectors), AlignedBuffer<Float>(count: 16 * vectors)
    )
    let seconds = Clock.seconds { triad(a.base, b.base, vectors) }
    let measured = Double(3 * 64 * vectors) / seconds
    bandwidths[vectors] = measured
    return measured
  }

  @inline(never)
  private func triad(
    _ a: UnsafeMutablePointer<Float>, _ b: UnsafePointer<Float>, _ vectors: Int
  ) {
    let scale = SIMD16<Float>(repeating: 1.5)
    let (a, b) = (UnsafeMutableRawPointer(a), UnsafeRawPointer(b))
    for place in stride(from: 0, to: 64 * vectors, by: 64) {
      let x = a.loadUnaligned(fromByteOffset: place, as: SIMD16<Float>.self)
      let y = b.loadUnaligned(fromByteOffset: place, as: SIMD16<Float>.self)
      a.storeBytes(
        of: clockstep_multiply_add(scale, y, x), toByteOffset: place, as: SIMD16<Float>.self)
    }
  }

  private static func measurePeak() -> Double {
    let rounds = 100_000
    let result = AlignedBuffer<Float>(count: 16)
    // On narrow registers 16 numbers are two vectors, and fewer chains fit.
    let seconds = Clock.seconds {
      if Vectors.hasWideRegisters {
        chains12(rounds, into: result.base)
      } else {
        chains6(rounds, into: result.base)
      }
    }
    let chains = Vectors.hasWideRegisters ? 12 : 6
    return Double(chains * 16 * 2 * rounds) / seconds
  }

  /// As many independent chains of fused operations as hide their latency.
  @inline(never)
  private static func chains12(_ rounds: Int, into result: UnsafeMutablePointer<Float>) {
    let (x, y) = (SIMD16<Float>(repeating: 0.999), SIMD16<Float>(repeating: 0.001))
    var (a, b, c, d, e, f) = (y, y, y, y, y, y)
    var (g, h, i, j, k, l) = (y, y, y, y, y, y)
    for _ in 0..<rounds {
      a = clockstep_multiply_add(a, x, y)
      b = clockstep_multiply_add(b, x, y)
      c = clockstep_multiply_add(c, x, y)
      d = clockstep_multiply_add(d, x, y)
      e = clockstep_multiply_add(e, x, y)
      f = clockstep_multiply_add(f, x, y)
      g = clockstep_multiply_add(g, x, y)
      h = clockstep_multiply_add(h, x, y)
      i = clockstep_multiply_add(i, x, y)
      j = clockstep_multiply_add(j, x, y)
      k = clockstep_multiply_add(k, x, y)
      l = clockstep_multiply_add(l, x, y)
    }
    let sum = (a + b + c) + (d + e + f) + (g + h + i) + (j + k + l)
    UnsafeMutableRawPointer(result).storeBytes(of: sum, as: SIMD16<Float>.self)
  }

  @inline(never)
  private static func chains6(_ rounds: Int, into result: UnsafeMutablePointer<Float>) {
    let (x, y) = (SIMD16<Float>(repeating: 0.999), SIMD16<Float>(repeating: 0.001))
    var (a, b, c, d, e, f) = (y, y, y, y, y, y)
    for _ in 0..<rounds {
      a = clockstep_multiply_add(a, x, y)
      b = clockstep_multiply_add(b, x, y)
      c = clockstep_multiply_add(c, x, y)
      d = clockstep_multiply_add(d, x, y)
      e = clockstep_multiply_add(e, x, y)
      f = clockstep_multiply_add(f, x, y)
    }
    let sum = (a + b + c) + (d + e + f)
    UnsafeMutableRawPointer(result).storeBytes(of: sum, as: SIMD16<Float>.self)
  }
}
