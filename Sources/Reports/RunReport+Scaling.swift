// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import RunRecords

/// How time, traffic and convergence depend on the size.
extension RunReport {
  var scalingSections: [ReportSection] {
    [
      ReportSection(
        "Scaling", [.text(scalingText), .table(scalingTable), .figures(scalingFigures)]),
      ReportSection("Time breakdown", [.table(sharesTable), .figures([sharesFigure])]),
      ReportSection("Traffic", [.text(Self.trafficText), .table(trafficTable)]),
      ReportSection("Convergence", [.table(convergenceTable)]),
    ]
  }

  private var scalingText: String {
    let kind =
      switch study.kind {
      case .strong: "Strong scaling: the batch size is fixed."
      case .weak: "Weak scaling: the batch size is proportional to the number of ranks."
      case .mixed: "The batch size is neither fixed nor proportional to the number of ranks."
      }
    return kind + " Speed-up is the samples per second divided by those of the smallest size; "
      + "efficiency is the speed-up divided by the ratio of the ranks. Step is the mean time per step "
      + "after the first logged step. Several runs of a size: median (minimum to maximum)."
  }

  private static let trafficText =
    "Average bytes that each participant sends per step, without message headers. A participant is a "
    + "host whose ranks share memory, or otherwise a rank. With P participants, an all-reduce has a "
    + "lower bound of 2 (P - 1) / P of the size of the parameters. More is sent if a participant's "
    + "slices form several subtrees of the sum, each of which is sent separately."

  private var scalingTable: ReportTable {
    ReportTable(
      "scaling",
      columns: [
        "Size", "Runs", "Cores", "Batch", "Slices", "Time", "Step", "Samples/s", "Speed-up",
        "Efficiency",
      ],
      rows: study.sizes.map { size in
        [
          "\(size.key.label)", "\(size.runs.count)", .known(size.cores) { $0 },
          .known(size.key.batch, Readable.count), "\(Readable.count(size.key.slices))",
          .spread(size.seconds, Readable.duration), .spread(size.stepSeconds, Readable.duration),
          .spread(size.samplesPerSecond, Readable.rate), .known(size.speedUp, Readable.factor),
          .known(size.efficiency, Readable.percentage),
        ]
      })
  }

  private var sharesTable: ReportTable {
    ReportTable(
      "shares", columns: ["Time of rank 0"] + Self.phases,
      rows: study.sizes.map { size in
        ["\(size.key.label)"]
          + [\PhaseSeconds.compute, \.wait, \.exchange, \.update].map { phase in
            .known(size.shares?[keyPath: phase], Readable.percentage)
          }
      })
  }

  private static let phases = ["Compute", "Wait", "Exchange", "Update"]

  private var trafficTable: ReportTable {
    ReportTable(
      "traffic",
      columns: [
        "Size", "Participants", "Gradients and weights", "Lower bound", "Ratio",
        "Statistics and sums", "Read from shared memory",
      ],
      rows: study.sizes.map { size in
        let traffic = size.traffic
        let ratio = traffic.flatMap { traffic in
          traffic.lowerBound.flatMap { $0 > 0 ? traffic.sent / $0 : nil }
        }
        return [
          "\(size.key.label)", .known(traffic?.participants) { "\($0)" },
          .known(traffic?.sent, Readable.bytes), .known(traffic?.lowerBound, Readable.bytes),
          .known(ratio, Readable.factor), .known(traffic?.statistics, Readable.bytes),
          .known(traffic?.shared, Readable.bytes),
        ]
      })
  }

  private var convergenceTable: ReportTable {
    ReportTable(
      "convergence",
      columns: [
        "Size", "Digest", "Compared with baseline", "Steps", "Training loss", "Held-out loss",
        "Held-out accuracy",
      ],
      rows: study.sizes.enumerated().map { index, size in
        let summary = size.runs[0].summary
        let isBase = index == 0 || study.sizes[index - 1].key.series != size.key.series
        return [
          "\(size.key.label)", ReportTable.Cell(digests(size), isCode: true),
          "\(isBase && size.runs.count == 1 ? "baseline" : size.agreement.text)",
          .known(summary?.steps, Readable.count), .known(summary?.finalLoss, Readable.loss),
          .known(summary?.testLoss, Readable.loss),
          .known(summary?.testAccuracy, Readable.percentage),
        ]
      }, textColumns: 3)
  }

  private func digests(_ size: ScalingSize) -> String {
    var digests: [String] = []
    for run in size.runs where !digests.contains(run.digest ?? "–") {
      digests.append(run.digest ?? "–")
    }
    return digests.joined(separator: ", ")
  }

  private var scalingFigures: [ReportFigure] {
    let ticks = Array(Set(study.sizes.map { Double($0.key.ranks) })).sorted()
    var speed = LineChart("Speed-up", xLabel: "ranks", curves: curves(\.speedUp))
    if let first = ticks.first, let last = ticks.last {
      speed.curves.append(
        LineChart.Curve(
          "ideal", [.init(x: first, y: 1), .init(x: last, y: last / first)], isReference: true))
    }
    var efficiency = LineChart("Efficiency", xLabel: "ranks", curves: curves(\.efficiency))
    efficiency.isPercentage = true
    (speed.startsAtZero, efficiency.startsAtZero) = (true, true)
    (speed.xTicks, efficiency.xTicks) = (ticks, ticks)
    return [.lines(speed), .lines(efficiency)]
  }

  private var sharesFigure: ReportFigure {
    let bars = study.sizes.compactMap { size in
      size.shares.map {
        ShareChart.Bar(size.key.label, [$0.compute, $0.wait, $0.exchange, $0.update])
      }
    }
    return .shares(ShareChart("Shares of rank 0's time", parts: Self.phases, bars: bars))
  }

  /// A curve for each series.
  private func curves(_ value: KeyPath<ScalingSize, Double?>) -> [LineChart.Curve] {
    var curves: [LineChart.Curve] = []
    for size in study.sizes {
      let name = size.key.series.isEmpty ? "measured" : size.key.series
      if curves.last?.name != name { curves.append(LineChart.Curve(name, [])) }
      curves[curves.count - 1].points.append(
        LineChart.Point(x: Double(size.key.ranks), y: size[keyPath: value] ?? .nan))
    }
    return curves
  }
}

extension ReportTable.Cell {
  /// The text of a value, or a dash for nil.
  static func known<Value>(_ value: Value?, _ text: (Value) -> String) -> Self {
    Self(value.map(text) ?? "–")
  }

  /// A median, with its range where there are different values.
  fileprivate static func spread(_ spread: Spread?, _ text: (Double) -> String) -> Self {
    guard let spread else { return "–" }
    let range = "\(text(spread.minimum)) to \(text(spread.maximum))"
    return Self(text(spread.median), detail: spread.minimum == spread.maximum ? "" : range)
  }
}

// MARK: - JSON

extension RunReport {
  /// The sizes with their runs and numbers as JSON; unknown values are left out.
  ///
  /// - Throws: `EncodingError`, which no run can cause.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let document = Document(
      kind: study.comparesSizes ? study.kind.rawValue : nil, sizes: study.sizes.map(Size.init))
    return String(decoding: try encoder.encode(document), as: UTF8.self) + "\n"
  }

  private struct Document: Encodable {
    /// `strong`, `weak` or `mixed`, where sizes are compared.
    let kind: String?
    let sizes: [Size]
  }

  private struct Size: Encodable {
    let series: String
    let hosts, ranks, slices: Int
    let batch: Int?
    let runs: [String]
    let seconds, stepSeconds, samplesPerSecond: Spread?
    let speedUp, efficiency: Double?
    let shares: [String: Double]?
    let parties: Int?
    let sentBytesPerStep, leastBytesPerStep, statisticsBytesPerStep: Double?
    let sharedBytesPerStep: Double?
    let digests: [String?]
    let agreement: String
    let isIdentical: Bool?

    init(_ size: ScalingSize) {
      series = size.key.series
      (hosts, ranks, slices) = (size.key.hosts, size.key.ranks, size.key.slices)
      batch = size.key.batch
      runs = size.runs.map(\.path)
      (seconds, stepSeconds) = (size.seconds, size.stepSeconds)
      samplesPerSecond = size.samplesPerSecond
      (speedUp, efficiency) = (size.speedUp?.ifFinite, size.efficiency?.ifFinite)
      shares = size.shares.map {
        ["compute": $0.compute, "wait": $0.wait, "exchange": $0.exchange, "update": $0.update]
          .filter(\.value.isFinite)
      }
      parties = size.traffic?.participants
      sentBytesPerStep = size.traffic?.sent.ifFinite
      leastBytesPerStep = size.traffic?.lowerBound?.ifFinite
      statisticsBytesPerStep = size.traffic?.statistics.ifFinite
      sharedBytesPerStep = size.traffic?.shared.ifFinite
      digests = size.runs.map(\.digest)
      agreement = size.agreement.text
      isIdentical =
        size.agreement == .identical ? true : size.agreement.isDifference ? false : nil
    }
  }
}
