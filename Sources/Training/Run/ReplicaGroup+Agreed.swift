// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

extension ReplicaGroup {
  /// Does what may fail on some replicas only, and makes all throw the same if it fails on any.
  func agreed<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      let result = try body()
      if let verdict = try agree(nil) { throw AgreedVerdict(verdict: verdict) }
      return result
    } catch let agreed as AgreedVerdict {
      throw agreed.verdict
    } catch {
      let own = Verdict(of: error)
      throw try agree(own) ?? own
    }
  }
}

private struct AgreedVerdict: Error {
  let verdict: Verdict
}
