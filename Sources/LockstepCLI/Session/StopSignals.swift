// SPDX-License-Identifier: Apache-2.0
internal import CSignals

/// The signals that ask this process to stop.
enum StopSignals {
  /// From now on SIGTERM and SIGINT are wishes, to be heard at the end of a step.
  ///
  /// A second one ends the process. A limit on file sizes is an error of the write that meets it.
  static func watch() {
    clockstep_catch_stop_signals()
    clockstep_survive_file_limits()
  }

  /// SIGTERM or SIGINT if one has come, otherwise 0.
  static var pending: Int32 { clockstep_stop_signal() }

  /// Lets this process die with the one that started it, as no rank may outlive its launcher.
  static func dieWithParent() { clockstep_die_with_parent() }

  /// Ends the launcher's daemon on this host if it is still there after that many seconds.
  static func endDaemon(afterSeconds seconds: UInt32) { clockstep_end_daemon_after(seconds) }

  /// Ends this process after that many seconds, wherever it hangs then; 0 calls it off.
  static func exit(afterSeconds seconds: UInt32, status: Int32, saying message: StaticString? = nil)
  {
    // A static string stays, and ends with a zero.
    let text = message.map { UnsafeRawPointer($0.utf8Start).assumingMemoryBound(to: CChar.self) }
    clockstep_exit_after(seconds, status, text)
  }
}
