// SPDX-License-Identifier: Apache-2.0

/// Decisions that all replicas take alike, since they all see the same answers.
extension ProcessGroup {
  /// The first failure that any replica gives, lowest rank first; nil if none has a failure.
  public func agree(_ failure: Failure?) throws -> Failure? {
    let words = failure.map { "\($0.status) \($0.message)" } ?? ""
    let answers = try allGather(Array(words.utf8))
    for (rank, answer) in answers.enumerated() where !answer.isEmpty {
      let parts = String(decoding: answer, as: UTF8.self).split(separator: " ", maxSplits: 1)
      // What rank 0 finds concerns all; what only others find, their host must be named for.
      let place = rank == 0 ? "" : "\(name(ofRank: rank)): "
      return Failure(
        status: parts.first.flatMap { Int32($0) } ?? 70, message: place + (parts.last ?? ""))
    }
    return nil
  }

  /// Does what may fail on some replicas only, and makes all throw the same if it fails on any.
  ///
  /// - Parameter failure: what an error means to all; nil if it is thrown here alone, since there is
  ///   nobody to agree with.
  public func agreed<Success>(
    _ failure: (any Error) -> Failure?, _ body: () throws -> Success
  ) throws -> Success {
    let outcome = Result { try body() }
    var own: Failure?
    if case .failure(let error) = outcome {
      own = failure(error)
      if own == nil { throw error }
    }
    if let failure = try agree(own) { throw failure }
    return try outcome.get()
  }

  /// The smallest of the replicas' numbers.
  public func minimum(_ value: Int) throws -> Int {
    let answers = try allGather(Array("\(value)".utf8))
    return answers.compactMap { Int(String(decoding: $0, as: UTF8.self)) }.min() ?? value
  }

  /// Rank 0's bytes, on every replica.
  public func broadcast(_ bytes: [UInt8]) throws -> [UInt8] {
    try allGather(rank == 0 ? bytes : []).first ?? bytes
  }

  /// How a rank is named to a person: its number and its host.
  public func name(ofRank rank: Int) -> String {
    hosts.indices.contains(rank) ? "rank \(rank) (\(hosts[rank]))" : "rank \(rank)"
  }

  /// Compares what must be equal on all replicas.
  ///
  /// - Returns: nil if all agree; otherwise a failure of status 76, the same on every replica, that
  ///   names the first difference and the ranks on either side of it.
  public func disagreement(on invariants: [Invariant]) throws -> Failure? {
    let own = invariants.map { "\($0.name)\u{0}\($0.value)" }.joined(separator: "\u{1}")
    let answers = try allGather(Array(own.utf8)).map { answer in
      String(decoding: answer, as: UTF8.self).split(separator: "\u{1}").map { fact in
        let parts = fact.split(
          separator: "\u{0}", maxSplits: 1, omittingEmptySubsequences: false)
        return [String(parts[0]), String(parts.last ?? "")]
      }
    }
    for (index, first) in (answers.first ?? []).enumerated() {
      let others = answers.indices.filter {
        !answers[$0].indices.contains(index) || answers[$0][index] != first
      }
      guard let other = others.first else { continue }
      let found = answers[other].indices.contains(index) ? answers[other][index][1] : "nothing"
      let advice = invariants.indices.contains(index) ? invariants[index].advice : "check both hosts"
      let names = others.prefix(4).map(name(ofRank:)).joined(separator: ", ")
      let more = others.count > 4 ? " and \(others.count - 4) more" : ""
      return Failure(
        status: 76,
        message: "ranks disagree on \(first[0]): \(name(ofRank: 0)) has \(first[1]), "
          + "\(names)\(more) \(others.count == 1 ? "has" : "have") \(found); \(advice)")
    }
    return nil
  }

  /// The digest of a network's parameters and statistics, once all replicas have the same.
  ///
  /// Costs a pass over the parameters and one exchange of 16 bytes a rank.
  ///
  /// - Throws: ``Failure`` of status 76 on every replica, with rank, step and tensor, when the
  ///   digests differ.
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
      ?? Failure(status: 76, message: "ranks disagree on the weights after step \(step)")
  }
}

/// Something that must be equal on all replicas: its name, its value, and what to do if it isn't.
public struct Invariant: Hashable, Sendable {
  /// What it is.
  public let name: String
  /// This replica's value.
  public let value: String
  /// What to do when replicas differ.
  public let advice: String

  /// A fact with its value on this replica.
  public init(
    _ name: String, _ value: String, advice: String = "start every rank with the same"
  ) {
    self.name = name
    self.value = value
    self.advice = advice
  }
}
