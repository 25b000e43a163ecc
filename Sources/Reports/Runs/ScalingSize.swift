// SPDX-License-Identifier: Apache-2.0
internal import RunRecords

/// The runs of one size, summed up, beside those of the smallest size of their series.
struct ScalingSize {
  let key: ScalingStudy.Key
  let runs: [ReportedRun]
  /// Seconds of the whole run, from its start to the last step.
  let seconds: Spread?
  /// Seconds of a step.
  let stepSeconds: Spread?
  /// Rows a second.
  let samplesPerSecond: Spread?
  /// Rows a second over those of the smallest size; medians.
  let speedUp: Double?
  /// The speed-up over how many times the ranks there are.
  let efficiency: Double?
  /// What rank 0's time went to; medians of its shares.
  let shares: PhaseSeconds?
  /// Bytes that move in a step.
  let traffic: Traffic?
  /// How the runs of this size have converged, each beside the first run of the smallest size.
  let agreements: [RunAgreement]

  /// Bytes a step, medians over the runs.
  struct Traffic {
    /// Between how many parties gradients and parameters travel.
    let parties: Int
    /// Gradients and parameters that a party sends, on average.
    let sent: Double
    /// What a party has to send at the least, in an exchange that adds up at one place.
    let least: Double?
    /// Statistics and sums that a party sends, on average.
    let statistics: Double
    /// Gradients that all ranks together read from each other's memory.
    let shared: Double
  }

  init(_ key: ScalingStudy.Key, _ runs: [ReportedRun], base: ScalingSize?) {
    self.key = key
    self.runs = runs
    let measures = runs.map { RunMeasures($0) }
    seconds = Spread(runs.map { $0.summary?.seconds })
    stepSeconds = Spread(measures.map(\.stepSeconds))
    samplesPerSecond = Spread(measures.map(\.samplesPerSecond))
    shares = Self.shares(measures.compactMap(\.shares))
    traffic = Self.traffic(runs, measures.compactMap(\.traffic))
    let reference = base?.runs.first ?? runs[0]
    agreements = runs.map { RunAgreement($0, with: reference) }
    let slowest = base == nil ? samplesPerSecond : base?.samplesPerSecond
    if let own = samplesPerSecond?.median, let other = slowest?.median, other > 0 {
      speedUp = own / other
      let growth = Double(key.ranks) / Double(base?.key.ranks ?? key.ranks)
      efficiency = own / other / growth
    } else {
      (speedUp, efficiency) = (nil, nil)
    }
  }

  /// How the runs of this size agree, in one: the first that is not as it should be.
  var agreement: RunAgreement { agreements.first { $0 != .identical } ?? .identical }

  private static func shares(_ shares: [PhaseSeconds]) -> PhaseSeconds? {
    func median(_ phase: KeyPath<PhaseSeconds, Double>) -> Double? {
      Spread(shares.map { $0[keyPath: phase] })?.median
    }
    guard let compute = median(\.compute), let wait = median(\.wait),
      let exchange = median(\.exchange), let update = median(\.update)
    else { return nil }
    return PhaseSeconds(compute: compute, wait: wait, exchange: exchange, update: update)
  }

  private static func traffic(
    _ runs: [ReportedRun], _ measured: [RunMeasures.Traffic]
  ) -> Traffic? {
    guard let parties = runs.first?.timing?.start.placement?.parties,
      let exchange = Spread(measured.map(\.exchange)),
      let statistics = Spread(measured.map(\.statistics)),
      let shared = Spread(measured.map(\.shared))
    else { return nil }
    let count = Double(parties)
    return Traffic(
      parties: parties, sent: exchange.median / count,
      least: runs.compactMap { $0.summary?.parameters }.first.map {
        leastTraffic(parameters: $0, parties: parties)
      }, statistics: statistics.median / count, shared: shared.median)
  }

  /// Bytes that each of some parties must send, so that all have the sum of a Float32 gradient that
  /// each has: 2 (P - 1) / P of it.
  ///
  /// Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for clusters of workstations, 2009.
  static func leastTraffic(parameters: Int, parties: Int) -> Double {
    2 * Double(parties - 1) / Double(parties) * 4 * Double(parameters)
  }
}
