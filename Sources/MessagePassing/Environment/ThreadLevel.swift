// SPDX-License-Identifier: Apache-2.0

/// Which threads of a process may call MPI; a higher level allows all that a lower one does.
///
/// MPI 3.1, section 12.4.3.
public enum ThreadLevel: Int32, Comparable, Sendable {
  /// The process has one thread.
  case single = 0
  /// Only the thread that initialized MPI calls it.
  case funneled = 1
  /// Any thread calls MPI, one at a time.
  case serialized = 2
  /// Any thread calls MPI at any time.
  case multiple = 3

  /// Orders the levels by what they allow.
  public static func < (left: ThreadLevel, right: ThreadLevel) -> Bool {
    left.rawValue < right.rawValue
  }
}
