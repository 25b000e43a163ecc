// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What a finished command left behind.
package struct CommandResult: Sendable {
  /// The exit status; 128 plus the signal's number where a signal ended the command.
  package let status: Int32
  /// All of standard output, invalid UTF-8 replaced.
  package let standardOutput: String
  /// All of standard error, invalid UTF-8 replaced.
  package let standardError: String
}

/// Why a command has no result.
package enum CommandError: Error, CustomStringConvertible {
  /// The command was still running after `seconds`, and was killed with all it had started.
  case timedOut(
    command: String, seconds: Double, standardOutput: String, standardError: String)
  /// No file for the command's output could be made.
  case noOutputFile(template: String, code: Int32)

  package var description: String {
    switch self {
    case .timedOut(let command, let seconds, let output, let error):
      "killed after \(seconds) s: \(command)\nits output:\n\(output)\nits errors:\n\(error)"
    case .noOutputFile(let template, let code):
      "can't make \(template): \(String(cString: strerror(code)))"
    }
  }
}

/// Runs a command to its end, with `/dev/null` as its standard input.
///
/// Output goes to unlinked temporary files, not pipes: nothing can fill up, and a grandchild that
/// outlives the command can't hold this call.
///
/// - Parameters:
///   - executable: A path, or a name that is looked up on `PATH`.
///   - arguments: Passed as they are; no shell reads them.
///   - environment: Added to the inherited variables.
///   - currentDirectory: Where the command runs; the caller's folder if `nil`.
///   - seconds: The limit after which the command and all its descendants are killed.
/// - Throws: ``CommandError``, or Foundation's error if the command can't be started.
package func run(
  _ executable: String, _ arguments: [String], environment: [String: String] = [:],
  currentDirectory: String? = nil, timeout seconds: Double = 300
) throws -> CommandResult {
  let process = Process()
  let isPath = executable.contains("/")
  process.executableURL = URL(fileURLWithPath: isPath ? executable : "/usr/bin/env")
  process.arguments = isPath ? arguments : [executable] + arguments
  process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
  if let currentDirectory {
    process.currentDirectoryURL = URL(fileURLWithPath: currentDirectory, isDirectory: true)
  }
  let output = try unlinkedTemporaryFile()
  let errors = try unlinkedTemporaryFile()
  process.standardInput = FileHandle.nullDevice
  process.standardOutput = output
  process.standardError = errors

  let ended = DispatchSemaphore(value: 0)
  process.terminationHandler = { _ in ended.signal() }
  // Threads of the test runner block signals, and a command would inherit that.
  var (none, before) = (sigset_t(), sigset_t())
  sigemptyset(&none)
  pthread_sigmask(SIG_SETMASK, &none, &before)
  defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
  try process.run()
  guard let status = wait(for: process, ended: ended, atMost: seconds) else {
    endTree(of: process.processIdentifier, ended: ended)
    throw CommandError.timedOut(
      command: ([executable] + arguments).joined(separator: " "), seconds: seconds,
      standardOutput: try text(of: output), standardError: try text(of: errors))
  }
  return CommandResult(
    status: status, standardOutput: try text(of: output), standardError: try text(of: errors))
}

/// The process's exit status, or 128 plus its signal; `nil` after the limit.
private func wait(
  for process: Process, ended: DispatchSemaphore, atMost seconds: Double
) -> Int32? {
  let deadline = DispatchTime.now() + seconds
  while DispatchTime.now() < deadline {
    if ended.wait(timeout: .now() + 0.005) == .success {
      let signalled = process.terminationReason == .uncaughtSignal
      return process.terminationStatus + (signalled ? 128 : 0)
    }
    // Foundation learns of the end by a socket that grandchildren inherit, so an orphan would
    // delay it.
    var info = siginfo_t()
    let options = WEXITED | WNOHANG | WNOWAIT
    if waitid(P_PID, id_t(process.processIdentifier), &info, options) == 0, info.si_signo != 0 {
      return info._sifields._sigchld.si_status + (info.si_code == Int32(CLD_EXITED) ? 0 : 128)
    }
  }
  return nil
}

private func unlinkedTemporaryFile() throws -> FileHandle {
  let folder = FileManager.default.temporaryDirectory
  let template = folder.appendingPathComponent("lockstep-output-XXXXXX").path
  var path = Array(template.utf8CString)
  let descriptor = mkstemp(&path)
  guard descriptor >= 0 else {
    throw CommandError.noOutputFile(template: template, code: errno)
  }
  unlink(path)
  return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
}

private func text(of file: FileHandle) throws -> String {
  try file.seek(toOffset: 0)
  return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
}
