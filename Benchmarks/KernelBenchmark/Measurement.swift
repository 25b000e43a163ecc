// SPDX-License-Identifier: Apache-2.0
import CVectorMath
import NeuralCore
import Tracing

/// The duration of a kernel, and its duration at the machine's limit (roofline model).
struct Measurement: Encodable {
  let network: String
  let kernel: String
  let shape: String
  let seconds: Double
  /// The maximum of the time of its arithmetic at peak, and of its memory traffic at full
  /// bandwidth.
  let limitSeconds: Double
  /// Which of the two is the limit: `peak` or `bandwidth`.
  let limit: String
  /// limitSeconds / seconds: 1 at the limit.
  let fraction: Double

  init(
    network: String, kernel: String, shape: String, seconds: Double, operations: Double,
    bytes: Int, limits: MachineLimits
  ) {
    let atPeak = operations / limits.peak
    let atBandwidth = Double(bytes) / limits.bandwidth(bytes: bytes)
    self.network = network
    self.kernel = kernel
    self.shape = shape
    self.seconds = seconds
    limitSeconds = Swift.max(atPeak, atBandwidth)
    limit = atPeak > atBandwidth ? "peak" : "bandwidth"
    fraction = limitSeconds / seconds
  }
}

/// The results of a benchmark run.
struct Report: Encodable {
  let peakGflops: Double
  let triadGigabytesPerSecond: Double
  let measurements: [Measurement]

  /// A Markdown table, after a line with the machine's limits.
  var table: String {
    var lines = [
      "Peak \(text(peakGflops)) GFLOP/s, triad in memory \(text(triadGigabytesPerSecond)) GB/s, one core.",
      "", "| network | kernel | shape | µs | limit, µs | limited by | of the limit |",
      "|---|---|---|---|---|---|---|",
    ]
    for one in measurements {
      let cells = [
        one.network, one.kernel, one.shape, text(one.seconds * 1e6), text(one.limitSeconds * 1e6),
        one.limit, "\((one.fraction * 100).rounded() / 100)",
      ]
      lines.append("| \(cells.joined(separator: " | ")) |")
    }
    return lines.joined(separator: "\n")
  }

  /// Three significant digits.
  private func text(_ value: Double) -> String {
    guard value < 100 else { return "\(Int(value.rounded()))" }
    let scale = value < 1 ? 1000.0 : value < 10 ? 100 : 10
    return "\((value * scale).rounded() / scale)"
  }
}

/// Measures the duration of short calls.
enum Clock {
  /// The minimum duration of a sample, in seconds.
  private static let sample = 0.01
  private static let samples = 5

  /// The duration of a call in seconds: the minimum of a few samples, after a warm-up.
  ///
  /// The minimum, since other work on the machine can only add time.
  static func seconds(_ body: () throws -> Void) rethrows -> Double {
    var calls = 1
    var elapsed = try time(calls, body)
    while elapsed < sample {
      calls = Int(Double(calls) * Swift.min(1.2 * sample / Swift.max(elapsed, 1e-9), 100)) + 1
      elapsed = try time(calls, body)
    }
    var best = elapsed
    for _ in 1..<samples { best = Swift.min(best, try time(calls, body)) }
    return best / Double(calls)
  }

  private static func time(_ calls: Int, _ body: () throws -> Void) rethrows -> Double {
    let start = MonotonicClock.seconds
    for _ in 0..<calls { try body() }
    return MonotonicClock.seconds - start
  }
}

/// The measured peak performance and memory bandwidth of one core.
final class MachineLimits {
  /// Floating-point operations per second of fused multiply-adds in registers.
  let peak: Double
  private var bandwidths: [Int: Double] = [:]

  init() {
    peak = Self.measurePeak()
  }

  /// Bytes per second of an in-place triad, a += s * b, that reads and writes `bytes` bytes.
  ///
  /// In place, since memory that is only written is fetched all the same.
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
    // With narrow registers 16 floats are two vectors, and fewer chains fit.
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

  /// Twelve independent chains of fused multiply-adds, which hide their latency.
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

  /// Six chains, for 16 narrow registers.
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
