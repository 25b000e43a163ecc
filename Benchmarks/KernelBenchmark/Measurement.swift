// SPDX-License-Identifier: Apache-2.0

/// How long a kernel takes, and how long it would at the machine's limit.
struct Measurement: Encodable {
  let network: String
  let kernel: String
  let shape: String
  let seconds: Double
  /// The longer of the times that its arithmetic takes at the peak, and its bytes at the bandwidth.
  let limitSeconds: Double
  /// Which of the two that is: `peak` or `bandwidth`.
  let limit: String
  /// The limit's share of the time: 1 at the limit.
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

/// All that was measured.
struct Report: Encodable {
  let peakGflops: Double
  let triadGigabytesPerSecond: Double
  let measurements: [Measurement]

  /// A Markdown table, with the machine's limits above it.
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
