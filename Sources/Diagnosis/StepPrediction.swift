// SPDX-License-Identifier: Apache-2.0
internal import DataParallel

/// What messages cost on a link, in seconds and bytes per second.
public struct LinkModel: Hashable, Sendable {
  /// Seconds from sending a small message to receiving it.
  public let latency: Double
  /// Seconds for each additional message.
  public let gap: Double
  /// Bytes per second in each direction.
  public let bandwidth: Double

  /// A link with given parameters.
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

  /// Seconds that a host's interface is busy with a load.
  func busy(_ load: StepTraffic.Load) -> Double {
    Double(Swift.max(load.messages - 1, 0)) * gap + Double(load.bytes) / bandwidth
  }
}

/// The predicted duration of a step: a simulation of its requests with one clock for a host's
/// computing and one for its network interface.
///
/// Messages leave the interface one after another; what is sent while it is busy is queued. Gradients
/// travel while the backward pass continues; the host waits for partial results, and at the end of
/// the step.
public struct StepPrediction: Hashable, Sendable {
  /// Seconds of the whole step.
  public let seconds: Double
  /// Seconds of the step that a host waits for messages.
  public let wait: Double

  /// Simulates a step.
  ///
  /// - Parameters:
  ///   - compute: seconds of a host's computing, all but the update.
  ///   - update: seconds of a host's share of the update.
  public init(
    _ schedule: StepSchedule, _ traffic: StepTraffic, _ link: LinkModel, compute: Double,
    update: Double
  ) {
    var clocks = Clocks(link: link)
    var computed = 0.0
    var readiness = BucketReadiness(traffic.buckets.map(\.elements))
    for event in schedule.events {
      clocks.now += (event.computed - computed) * compute
      computed = event.computed
      switch event.request {
      case .partials(let width): clocks.waitFor(traffic.partials[width] ?? .init())
      case .gradients(let span):
        readiness.markFinal(span.lowerBound..<Int.max) { clocks.start(traffic.buckets[$0].stages) }
      case .part(let span):
        readiness.markFinal(span) { clocks.start(traffic.buckets[$0].stages) }
      case .update:
        clocks.finish()
        clocks.waitFor(traffic.norm)
        let count = Double(Swift.max(schedule.parameterCount, 1))
        for bucket in traffic.buckets {
          clocks.now += update * Double(bucket.elements.count) / count
          clocks.start([bucket.parameters])
        }
        clocks.finish()
      }
    }
    seconds = clocks.now
    wait = clocks.now - compute - update
  }

  /// The two clocks.
  private struct Clocks {
    let link: LinkModel
    var now = 0.0
    /// When the interface is next free.
    private var free = 0.0
    /// When the last message has arrived.
    private var arrived = 0.0

    init(link: LinkModel) { self.link = link }

    /// Sends messages stage by stage, each once those of the stage before have arrived.
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
