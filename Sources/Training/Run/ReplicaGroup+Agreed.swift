// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

extension ReplicaGroup {
  /// Does what may fail on some replicas only, and makes all throw the same if it fails on any.
  func agreed<Success>(_ body: () throws -> Success) throws -> Success {
    let outcome = Result { try body() }
    var own: Verdict?
    if case .failure(let error) = outcome { own = Verdict(of: error) }
    if let verdict = try agree(own) { throw verdict }
    return try outcome.get()
  }
}
