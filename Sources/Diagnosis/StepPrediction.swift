// SPDX-License-Identifier: Apache-2.0
internal import DataParallel

/// What a link does with messages, in seconds and bytes a second.
public struct LinkModel: Hashable, Sendable {
  /// Seconds from sending a small message to having it.
  public let latency: Double
  /// Seconds that each more of several messages takes.
  public let gap: Double
  /// Bytes a second, each way.
  public let bandwidth: Double

  /// A link with its numbers.
  public init(latency: Double, gap: Double, bandwidth: Double) {
    self.latency = latency
    self.gap = gap
    self.bandwidth = bandwidth
  }

  /// The medians over the links between hosts; nil if there are none.
  public init?(_ links: [LinkMeasurement]) {
    let between = links.filter(\.isBetweenHosts)
    guard !between.isEmpty else { return nil }
    latency = LinkFindings.median(between.map(\.latencyUs)) / 1e6
    gap = LinkFindings.median(between.map(\.gapUs)) / 1e6
    bandwidth = LinkFindings.median(between.map(\.megabytesPerS)) * 1e6
  }

  /// Seconds that a host's interface is busy with some messages.
  func busy(_ load: StepTraffic.Load) -> Double {
    Double(Swift.max(load.messages - 1, 0)) * gap + Double(load.bytes) / bandwidth
  }
}

/// How long a step takes: a walk through its requests with one clock for a host's computing and one
/// for its network interface.
///
/// Messages leave the interface one after another; what is sent while it is busy waits. Gradients
/// travel while backward goes on; partial results, and the end of the step, are waited for.
public struct StepPrediction: Hashable, Sendable {
  /// Seconds of the whole step.
  public let seconds: Double
  /// Seconds of it that a host waits for messages.
  public let wait: Double

  /// Walks through a step.
  ///
  /// - Parameters:
  ///   - compute: seconds of a host's computing, all but the update.
  ///   - update: seconds of a host's share of the update.
  public init(
    _ schedule: StepSchedule, _ traffic: StepTraffic, _ link: LinkModel, compute: Double,
    update: Double
  ) {
    var walk = Walk(link: link)
    var computed = 0.0
    var readiness = BucketReadiness(traffic.buckets.map(\.elements))
    for event in schedule.events {
      walk.now += (event.computed - computed) * compute
      computed = event.computed
      switch event.request {
      case .partials(let width): walk.waitFor(traffic.partials[width] ?? .init())
      case .gradients(let span):
        readiness.take(span.lowerBound..<Int.max) { walk.start(traffic.buckets[$0].stages) }
      case .part(let span):
        readiness.take(span) { walk.start(traffic.buckets[$0].stages) }
      case .update:
        walk.finish()
        walk.waitFor(traffic.norm)
        let count = Double(Swift.max(schedule.parameterCount, 1))
        for bucket in traffic.buckets {
          walk.now += update * Double(bucket.elements.count) / count
          walk.start([bucket.parameters])
        }
        walk.finish()
      }
    }
    seconds = walk.now
    wait = walk.now - compute - update
  }

  /// Where the two clocks stand.
  private struct Walk {
    let link: LinkModel
    var now = 0.0
    /// When the interface is free.
    private var free = 0.0
    /// When the last message is there.
    private var arrived = 0.0

    init(link: LinkModel) { self.link = link }

    /// Sends messages stage after stage, each once the one before has arrived.
    mutating func start(_ stages: [StepTraffic.Load]) {
      var ready = now
      for stage in stages where stage.messages > 0 || stage.bytes > 0 {
        free = Swift.max(free, ready) + link.busy(stage)
        ready = free + link.latency
      }
      arrived = Swift.max(arrived, ready)
    }

    mutating func finish() { now = Swift.max(now, arrived) }

    mutating func waitFor(_ load: StepTraffic.Load) {
      guard load.messages > 0 else { return }
      free = Swift.max(free, now) + link.busy(load)
      now = free + link.latency
    }
  }
}
