// SPDX-License-Identifier: Apache-2.0
internal import CSignals

/// The signals that ask this process to stop.
enum StopSignals {
  /// From now on SIGTERM and SIGINT are wishes, to be heard at the end of a step; a second one ends
  /// the process.
  static func watch() { clockstep_catch_stop_signals() }

  /// SIGTERM or SIGINT if one has come, otherwise 0.
  static var pending: Int32 { clockstep_stop_signal() }

  /// Lets this process die with the one that started it, as no rank may outlive its launcher.
  static func dieWithParent() { clockstep_die_with_parent() }

  /// Ends this process after that many seconds, wherever it hangs then; 0 calls it off.
  static func exit(afterSeconds seconds: UInt32, status: Int32) {
    clockstep_exit_after(seconds, status)
  }
}
