// SPDX-License-Identifier: Apache-2.0
public import Failures

/// Something about a job's hosts that should be otherwise.
public struct Finding: Codable, Hashable, Sendable {
  /// The status that training would end with; 0 if it would go on.
  public let status: Int32
  /// What is found, where, and what to do about it.
  public let message: String

  /// A finding with its words.
  public init(status: Int32 = 0, _ message: String) {
    self.status = status
    self.message = message
  }

  /// What ends training.
  public init(_ failure: Failure) {
    self.init(status: failure.status.rawValue, failure.message)
  }
}
