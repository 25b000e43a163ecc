// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

extension ProcessGroup {
  /// Does what may fail on some replicas only, and makes all throw the same if it fails on any.
  func agreed<Success>(_ body: () throws -> Success) throws -> Success {
    try agreed({ Failure(of: $0) }, body)
  }
}
