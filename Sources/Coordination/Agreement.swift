// SPDX-License-Identifier: Apache-2.0
public import Failures
internal import Foundation
public import NeuralCore

/// Decisions that all ranks make alike, since they all see the same values.
extension ProcessGroup {
  /// Runs `body`, which may fail on some ranks only, and throws the same failure on all ranks if it
  /// fails on any: that of the lowest such rank; all ranks.
  ///
  /// - Throws: `Failure`; a `CommunicationError` of `body` unchanged, since it can't be sent to
  ///   the other ranks.
  @discardableResult
  public func agree<Success>(_ body: () throws -> Success) throws -> Success {
    let outcome = Result { try body() }
    var own: Failure?
    if case .failure(let error) = outcome {
      if error is any CommunicationError { throw error }
      own = Failure(error)
    }
    // The common case, nobody failed, costs an exchange of no bytes.
    let failures = try allGather(own.map { try encoded($0) } ?? [])
    guard let rank = failures.firstIndex(where: { !$0.isEmpty }) else { return try outcome.get() }
    let failure: Failure = try decoded(failures[rank])
    // A failure of rank 0 most likely concerns all; one of another rank is specific to its host.
    let prefix = rank == 0 ? "" : "\(name(ofRank: rank)): "
    throw Failure(failure.status, prefix + failure.message)
  }

  /// Every rank's value, in rank order; all ranks.
  public func allGather<Value: Codable>(values value: Value) throws -> [Value] {
    try allGather(encoded(value)).map { try decoded($0) }
  }

  /// Rank 0's value, on every rank; all ranks.
  ///
  /// - Parameter value: called on rank 0 only.
  public func broadcast<Value: Codable>(_ value: () throws -> Value) throws -> Value {
    try decoded(broadcast(bytes: rank == 0 ? try encoded(value()) : []))
  }

  /// Rank 0's bytes, on every rank; all ranks.
  public func broadcast(bytes: [UInt8]) throws -> [UInt8] {
    try allGather(rank == 0 ? bytes : []).first ?? bytes
  }

  /// The smallest of the ranks' numbers; all ranks.
  public func minimum(_ value: Int) throws -> Int {
    try allGather(values: value).min() ?? value
  }

  /// Returns once all ranks have called it.
  public func barrier() throws {
    _ = try allGather([])
  }

  /// A rank's name in messages: its number and its host.
  public func name(ofRank rank: Int) -> String {
    hosts.indices.contains(rank) ? "rank \(rank) (\(hosts[rank]))" : "rank \(rank)"
  }

  private func encoded(_ value: some Encodable) throws -> [UInt8] {
    Array(try JSONEncoder().encode(value))
  }

  private func decoded<Value: Decodable>(_ bytes: [UInt8]) throws -> Value {
    try JSONDecoder().decode(Value.self, from: Data(bytes))
  }
}

/// Something that must be equal on all ranks: its name, its value, and what to do if it isn't.
public struct Invariant: Hashable, Sendable, Codable {
  /// What must be equal, such as `the seed`.
  public let name: String
  /// This rank's value.
  public let value: String
  /// What to do when ranks differ.
  public let advice: String

  /// An invariant with its value on this rank.
  public init(
    _ name: String, _ value: String, advice: String = "start every rank with the same"
  ) {
    self.name = name
    self.value = value
    self.advice = advice
  }
}

extension ProcessGroup {
  /// Compares what must be equal on all ranks; all ranks.
  ///
  /// - Returns: nil if all agree; otherwise a failure of status 76, the same on every rank, that
  ///   names the first difference and the ranks that differ.
  public func firstMismatch(in invariants: [Invariant]) throws -> Failure? {
    let all = try allGather(values: invariants)
    for (index, first) in all[0].enumerated() {
      let values = all.map { $0.indices.contains(index) ? $0[index] : nil }
      let others = values.indices.filter {
        values[$0]?.name != first.name || values[$0]?.value != first.value
      }
      guard let other = others.first else { continue }
      let names = others.prefix(4).map(name(ofRank:)).joined(separator: ", ")
      let more = others.count > 4 ? " and \(others.count - 4) more" : ""
      return Failure(
        .mismatch,
        "ranks disagree on \(first.name): \(name(ofRank: 0)) has \(first.value), \(names)\(more) "
          + "\(others.count == 1 ? "has" : "have") \(values[other]?.value ?? "nothing"); "
          + first.advice)
    }
    return nil
  }

  /// The digest of a network's parameters and statistics, which must be the same on all ranks; all
  /// ranks.
  ///
  /// Costs a pass over the parameters and one exchange of 32 bytes per rank.
  ///
  /// - Throws: `Failure` of status 76 on every rank, with rank, step and tensor, when the digests
  ///   differ.
  public func agreedDigest(of store: ParameterStore, step: Int) throws -> ContentHash {
    let digest = store.digest()
    let digests = try allGather(Array(digest.description.utf8))
    guard digests.contains(where: { $0 != digests[0] }) else { return digest }
    let tensors = store.table.entries.map { entry in
      Invariant(
        "the weights after step \(step): layer \(entry.layer), tensor \(entry.name)",
        ContentHash(of: UnsafeRawBufferPointer(store.elements(of: entry))).description,
        advice: "a rank's memory or its sums went wrong; restart from the last checkpoint")
    }
    throw try firstMismatch(in: tensors)
      ?? Failure(.mismatch, "ranks disagree on the weights after step \(step)")
  }
}

/// NeuralCore itself knows nothing of exit statuses.
extension NeuralCoreError: ReportableError {
  /// Bad data: its contents don't suit the network.
  public var exitStatus: ExitStatus { .badData }
}
