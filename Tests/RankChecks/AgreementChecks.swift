// SPDX-License-Identifier: Apache-2.0
import Coordination
import DataParallel
import Failures
import Machine
import MessagePassing
import NeuralCore

/// What ranks exchange and compare as a process group.
let agreementChecks: [String: RankCheck] = [
  "agreement": AgreementChecks.agree, "drift": AgreementChecks.drift,
]

enum AgreementChecks {
  static func agree(_ environment: MPIEnvironment) throws {
    let group = try MPIProcessGroup(
      environment.world.duplicate(), host: "host\(environment.world.rank)")
    let last = group.size - 1
    try requireEqual(group.hosts, (0...last).map { "host\($0)" })
    try requireEqual(try group.agree { group.rank }, group.rank)
    let place = last == 0 ? "" : "rank \(last) (host\(last)): "
    do {
      try group.agree {
        if group.rank == last { throw Failure(.missingInput, "no such file") }
      }
      throw CheckFailure(what: "no rank threw the failure of one rank", place: "agree")
    } catch let failure as Failure {
      try requireEqual(failure, Failure(.missingInput, "\(place)no such file"))
    }
    try requireEqual(try group.minimum(10 - group.rank), 10 - last)
    try requireEqual(try group.broadcast(bytes: [UInt8(group.rank), 7]), [0, 7])
    let equal = [Invariant("a", "1"), Invariant("b", "")]
    try requireEqual(try group.firstMismatch(in: equal), nil)
    let invariants = [Invariant("a", "1"), Invariant("the seed", "\(group.rank == last ? 5 : 4)")]
    let failure = try group.firstMismatch(in: invariants)
    try requireEqual(failure?.status, last == 0 ? nil : .mismatch)
    if last > 0 {
      try requireEqual(
        failure?.message,
        "ranks disagree on the seed: rank 0 (host0) has 4, rank \(last) (host\(last)) has 5; "
          + "start every rank with the same")
    }
  }

  /// One flipped bit in the weights of the last rank is reported with its rank, step and tensor.
  static func drift(_ environment: MPIEnvironment) throws {
    let group = try MPIProcessGroup(environment.world.duplicate(), host: Host.name)
    let network = try NeuralNetwork(
      layers: [
        FullyConnectedLayer(inputs: 5, outputs: 4, activation: Relu()),
        FullyConnectedLayer(inputs: 4, outputs: 3, activation: Identity()),
      ], loss: CrossEntropy(), optimizer: AdamOptimizer(), seed: 1)
    let digest = try group.agreedDigest(of: network.store, step: 6)
    try requireEqual(digest, network.store.digest())
    guard group.size > 1 else { return }
    let entry = network.store.table.entries[7]
    if group.rank == group.size - 1 {
      let value = network.store.elements(of: entry)[1]
      network.store.elements(of: entry)[1] = Float(bitPattern: value.bitPattern ^ 1)
    }
    do {
      _ = try group.agreedDigest(of: network.store, step: 7)
    } catch let failure as Failure {
      try requireEqual(failure.status, .mismatch)
      for part in ["rank \(group.size - 1) (", "step 7", "layer 1", "layers.1.bias"] {
        try require(failure.message.contains(part), "no \(part) in: \(failure.message)")
      }
      return
    }
    throw CheckFailure(what: "a flipped bit was not detected", place: "drift")
  }
}
