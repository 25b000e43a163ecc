// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import MessagePassing
internal import NeuralCore

/// Finds out which ranks others are waiting for, while they wait.
///
/// All ranks go through the same phases in the same order, and each counts them. A rank that has waited
/// for `reportAfter` tells all others the number of its phase, once. Those that wait too do the same;
/// so, a moment later, each of them knows whom nobody has heard of: the missing ones. The lowest rank
/// that waits reports them. Beside the count nothing happens while nobody waits long.
final class StallWatch {
  /// Seconds in which the others' notices come.
  private static let grace = 1.5
  /// Seconds after which the other waiting ranks give up too, should the lowest one have failed to.
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
  /// The number of the phase in hand.
  private var number = 0
  /// The phases in which this rank has told the others, and reported, last.
  private var announced = -1
  private var reported: (number: Int, words: String)?
  /// The number of the last phase in which each rank said that it waits; -1 for none.
  private var waiting: [Int]

  /// - Parameters:
  ///   - communicator: used for notices alone.
  ///   - report: is given each report, one sentence.
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
      try self?.look(waited)
    }
  }

  /// Takes note of what begins, and in which step.
  func begin(_ activity: Activity, step: Int) {
    self.activity = activity
    self.step = step
  }

  /// Takes note that this rank comes to a phase; all ranks, in the same order.
  func enter(_ phase: Phase) {
    number &+= 1
    self.phase = activity == .training ? phase : Phase(activity)
    if reported != nil { noteEnd() }
  }

  /// Takes note that this rank comes to what the activity asks the group for.
  func enterActivity() {
    enter(Phase(activity))
  }

  private func noteEnd() {
    guard let ended = reported, ended.number < number else { return }
    reported = nil
    report("\(ended.words): all have come now")
  }

  /// Called a few times a second while this rank waits.
  private func look(_ waited: Double) throws(MPIError) {
    guard waited >= limits.reportAfter else { return }
    if announced != number { try announce() }
    while let notice = try communicator.takeNotice() {
      waiting[notice.source] = max(waiting[notice.source], notice.number)
    }
    guard waited >= limits.reportAfter + Self.grace else { return }
    let known = waiting.indices.filter { isWaiting($0) }
    if known.first == communicator.rank, reported?.number != number {
      let words = "\(missing(known)) \(place)"
      reported = (number, words)
      report(
        "\(words) for \(Int(limits.reportAfter)) s; after \(Int(limits.abortAfter)) s the job ends")
    }
    let limit =
      limits.abortAfter + (known.first == communicator.rank ? 0 : Self.patience)
    guard waited >= limit else { return }
    throw .waitAbandoned(
      reason: "\(missing(known)) \(place) for \(Int(limits.abortAfter)) s: giving up")
  }

  private func announce() throws(MPIError) {
    announced = number
    waiting[communicator.rank] = number
    for peer in 0..<communicator.size where peer != communicator.rank {
      try communicator.postNotice(number, to: peer)
    }
  }

  /// Whether a rank is known to wait, in this phase or in one nearby.
  private func isWaiting(_ rank: Int) -> Bool {
    waiting[rank] >= 0 && waiting[rank] >= number - Self.spread
  }

  /// Who has not come: the ranks of which nothing was heard, else those that are behind.
  private func missing(_ known: [Int]) -> String {
    let silent = waiting.indices.filter { !known.contains($0) }
    let last = known.map { waiting[$0] }.max() ?? number
    let behind = known.filter { waiting[$0] < last }
    let names = silent.isEmpty ? behind : silent
    guard !names.isEmpty else { return "all ranks wait for messages that don't come" }
    let shown = names.prefix(8).map { "rank \($0) (\(hosts[$0]))" }.joined(separator: ", ")
    let more = names.count > 8 ? " and \(names.count - 8) more" : ""
    return "\(shown)\(more) \(names.count == 1 ? "has" : "have") not come"
  }

  private var place: String {
    "in \(phase.words)" + (step > 0 ? " of step \(step)" : "")
  }
}
