// SPDX-License-Identifier: Apache-2.0
internal import RunRecords

/// How time, traffic and convergence go with the size.
extension RunReport {
  var scalingSections: [ReportSection] {
    [
      ReportSection(
        "Scaling", [.text(scalingWords), .table(scalingTable), .figures(scalingFigures)]),
      ReportSection("Where the time goes", [.table(sharesTable), .figures([sharesFigure])]),
      ReportSection("Traffic", [.text(Self.trafficWords), .table(trafficTable)]),
      ReportSection("Convergence", [.table(convergenceTable)]),
    ]
  }

  private var scalingWords: String {
    let kind =
      switch study.kind {
      case .strong: "Strong scaling: the same batch on more ranks."
      case .weak: "Weak scaling: the batch grows with the ranks."
      case .mixed: "The batch neither stays nor grows with the ranks."
      }
    return kind + " Speed-up is rows a second over those of the smallest size; efficiency is "
      + "speed-up over how many times its ranks there are. A step's time is the mean after the "
      + "first logged step. Several runs of a size: median, and least to most."
  }

  private static let trafficWords =
    "Bytes of a step, without headers, that a party sends on average; a party is a host whose ranks "
    + "share memory, or a rank. At the least it sends 2 (P - 1) / P of the parameters, with P "
    + "parties. More is sent where a party's slices are several nodes of the tree, which are sent each."

  var scalingTable: ReportTable {
    ReportTable(
      "scaling",
      columns: [
        "Size", "Runs", "Machine's cores", "Batch", "Slices", "Time", "Step", "Samples/s",
        "Speed-up", "Efficiency",
      ],
      rows: study.sizes.map { size in
        [
          "\(size.key.label)", "\(size.runs.count)", .known(SizeWarnings.cores(size)) { $0 },
          .known(size.key.batch, Readable.count), "\(Readable.count(size.key.slices))",
          .spread(size.seconds, Readable.duration), .spread(size.stepSeconds, Readable.duration),
          .spread(size.samplesPerSecond, Readable.rate), .known(size.speedUp, Readable.factor),
          .known(size.efficiency, Readable.percentage),
        ]
      })
  }

  var sharesTable: ReportTable {
    ReportTable(
      "shares", columns: ["Rank 0's time"] + Self.phases,
      rows: study.sizes.map { size in
        ["\(size.key.label)"]
          + [\PhaseSeconds.compute, \.wait, \.exchange, \.update].map { phase in
            .known(size.shares?[keyPath: phase], Readable.percentage)
          }
      })
  }

  private static let phases = ["computing", "waiting", "exchanging", "updating"]

  var trafficTable: ReportTable {
    ReportTable(
      "traffic",
      columns: [
        "Size", "Parties", "Gradients and weights", "At the least", "Ratio",
        "Statistics and sums", "Read in shared memory",
      ],
      rows: study.sizes.map { size in
        let traffic = size.traffic
        let ratio = traffic.flatMap { traffic in
          traffic.least.flatMap { $0 > 0 ? traffic.sent / $0 : nil }
        }
        return [
          "\(size.key.label)", .known(traffic?.parties) { "\($0)" },
          .known(traffic?.sent, Readable.bytes), .known(traffic?.least, Readable.bytes),
          .known(ratio, Readable.factor), .known(traffic?.statistics, Readable.bytes),
          .known(traffic?.shared, Readable.bytes),
        ]
      })
  }

  var convergenceTable: ReportTable {
    ReportTable(
      "convergence",
      columns: [
        "Size", "Digest", "Beside the smallest", "Steps", "Training loss", "Held-out loss",
        "Held-out accuracy",
      ],
      rows: study.sizes.enumerated().map { index, size in
        let summary = size.runs[0].summary
        let isBase = index == 0 || study.sizes[index - 1].key.series != size.key.series
        return [
          "\(size.key.label)", ReportTable.Cell(digests(size), isCode: true),
          "\(isBase && size.runs.count == 1 ? "it is the smallest" : size.agreement.words)",
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
          "in proportion", [.init(x: first, y: 1), .init(x: last, y: last / first)],
          isReference: true))
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

  /// A curve a series.
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
  /// A value in words, or a dash for none.
  static func known<Value>(_ value: Value?, _ words: (Value) -> String) -> Self {
    Self(value.map(words) ?? "–")
  }

  /// A median, and its range where there are several values.
  static func spread(_ spread: Spread?, _ words: (Double) -> String) -> Self {
    guard let spread else { return "–" }
    let range = "\(words(spread.least)) to \(words(spread.greatest))"
    return Self(
      words(spread.median), detail: spread.least == spread.greatest ? "" : range)
  }
}
