// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import MessagePassing
internal import NeuralCore

/// How long a rank waits for others before it reports them, and before it aborts.
public struct StallLimits: Hashable, Sendable {
  /// Seconds of waiting after which the missing ranks are reported.
  public var reportAfter: Double
  /// Seconds of waiting after which the job ends.
  public var abortAfter: Double

  /// Limits in seconds.
  public init(reportAfter: Double = 60, abortAfter: Double = 600) {
    self.reportAfter = reportAfter
    self.abortAfter = abortAfter
  }
}

/// What ranks wait for each other in.
enum Phase: Int {
  case startUp
  case forwardStatistics
  case backwardSums
  case gradientExchange
  case gradientNorm
  case trustRatios
  case parameterGather
  case digest
  case evaluation
  case checkpoint

  /// The phase of whatever an activity asks the group for.
  init(_ activity: Activity) {
    self =
      switch activity {
      case .startUp: .startUp
      case .training: .forwardStatistics
      case .digest: .digest
      case .evaluation: .evaluation
      case .checkpoint: .checkpoint
      }
  }

  /// The phase's name in reports, as in "has not reached …".
  var name: String {
    switch self {
    case .startUp: "the end of start-up"
    case .forwardStatistics: "the forward statistics"
    case .backwardSums: "the backward sums"
    case .gradientExchange: "the gradient exchange"
    case .gradientNorm: "the gradient norm"
    case .trustRatios: "the trust ratios"
    case .parameterGather: "the parameter gather"
    case .digest: "the digest"
    case .evaluation: "the evaluation"
    case .checkpoint: "the checkpoint"
    }
  }
}

/// Finds out which ranks others are waiting for, while they wait.
///
/// All ranks go through the same phases in the same order, and each counts them. A rank that has
/// waited for `reportAfter` sends all others the number of its phase, once. Those that wait too do
/// the same, so a moment later each of them knows which ranks have sent nothing: the missing ones. The
/// lowest rank that waits reports them. Besides counting, nothing happens while nobody waits long.
final class StallWatch {
  /// Seconds in which the others' notices arrive.
  private static let grace = 1.5
  /// Seconds after which the other waiting ranks abort too, should the lowest one have failed to.
  private static let patience = 5.0
  /// How many phases apart ranks can be that wait for the same missing one.
  private static let spread = 4

  private let communicator: Communicator
  private let hosts: [String]
  private let limits: StallLimits
  private let report: (String) -> Void

  private var activity = Activity.startUp
  private var step = 0
  private var phase = Phase.startUp
  /// The number of the current phase.
  private var number = 0
  /// The phase in which this rank last sent notices.
  private var notified = -1
  /// The phase in which this rank last reported, and what.
  private var reported: (number: Int, stall: String)?
  /// The number of the last phase in which each rank is known to have waited; -1 for none.
  private var waiting: [Int]

  /// - Parameters:
  ///   - communicator: used for notices alone.
  ///   - report: is called with each report, one sentence.
  init(
    _ communicator: Communicator, hosts: [String], limits: StallLimits,
    report: @escaping (String) -> Void
  ) {
    self.communicator = communicator
    self.hosts = hosts
    self.limits = limits
    self.report = report
    waiting = Array(repeating: -1, count: communicator.size)
    communicator.observeWaits { [weak self] waited throws(MPIError) in
      try self?.check(waited)
    }
  }

  /// Sets the current activity and step.
  func begin(_ activity: Activity, step: Int) {
    self.activity = activity
    self.step = step
  }

  /// Enters a phase; all ranks, in the same order.
  func enter(_ phase: Phase) {
    number &+= 1
    self.phase = activity == .training ? phase : Phase(activity)
    if reported != nil { reportEnd() }
  }

  /// Enters the phase of whatever the current activity asks the group for.
  func enterActivity() {
    enter(Phase(activity))
  }

  private func reportEnd() {
    guard let ended = reported, ended.number < number else { return }
    reported = nil
    report("\(ended.stall): all ranks have now arrived")
  }

  /// Called a few times a second while this rank waits.
  private func check(_ waited: Double) throws(MPIError) {
    guard waited >= limits.reportAfter else { return }
    if notified != number { try notify() }
    while let notice = try communicator.takeNotice() {
      waiting[notice.source] = max(waiting[notice.source], notice.number)
    }
    guard waited >= limits.reportAfter + Self.grace else { return }
    let known = waiting.indices.filter { isWaiting($0) }
    if known.first == communicator.rank, reported?.number != number {
      let stall = stall(known)
      reported = (number, stall)
      report(
        "\(stall) after \(Int(limits.reportAfter)) s; the job ends after \(Int(limits.abortAfter)) s"
      )
    }
    let limit =
      limits.abortAfter + (known.first == communicator.rank ? 0 : Self.patience)
    guard waited >= limit else { return }
    throw .waitAbandoned(reason: "\(stall(known)) after \(Int(limits.abortAfter)) s: giving up")
  }

  private func notify() throws(MPIError) {
    notified = number
    waiting[communicator.rank] = number
    for peer in 0..<communicator.size where peer != communicator.rank {
      try communicator.postNotice(number, to: peer)
    }
  }

  /// Whether a rank is known to wait, in this phase or in one nearby.
  private func isWaiting(_ rank: Int) -> Bool {
    waiting[rank] >= 0 && waiting[rank] >= number - Self.spread
  }

  /// Which ranks are missing, and where: those that sent no notice, else those that are behind.
  private func stall(_ known: [Int]) -> String {
    let place = phase.name + (step > 0 ? " of step \(step)" : "")
    let silent = waiting.indices.filter { !known.contains($0) }
    let last = known.map { waiting[$0] }.max() ?? number
    let behind = known.filter { waiting[$0] < last }
    let missing = silent.isEmpty ? behind : silent
    guard !missing.isEmpty else {
      return "messages between all ranks have not arrived in \(place)"
    }
    let shown = missing.prefix(8).map { "rank \($0) (\(hosts[$0]))" }.joined(separator: ", ")
    let more = missing.count > 8 ? " and \(missing.count - 8) more" : ""
    return "\(shown)\(more) \(missing.count == 1 ? "has" : "have") not reached \(place)"
  }
}
