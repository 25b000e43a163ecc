// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// Moments as people write them.
enum Timestamp {
  /// Now, in ISO 8601, with seconds, in UTC.
  static var now: String { ISO8601DateFormatter().string(from: Date()) }
}
