// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The outcome of a command that has ended.
package struct CommandResult: Sendable {
  /// The exit status; 128 plus the signal's number if a signal ended the command.
  package let status: Int32
  /// All of standard output, with invalid UTF-8 replaced.
  package let standardOutput: String
  /// All of standard error, with invalid UTF-8 replaced.
  package let standardError: String
}

/// Why a command has no result.
package enum CommandError: Error, CustomStringConvertible {
  /// The command was still running after `seconds`, and was killed with all its descendants.
  case timedOut(
    command: String, seconds: Double, standardOutput: String, standardError: String)
  /// No file for the command's output could be created.
  case noOutputFile(template: String, code: Int32)

  package var description: String {
    switch self {
    case .timedOut(let command, let seconds, let output, let error):
      "killed after \(seconds) s: \(command)\nstandard output:\n\(output)\n"
        + "standard error:\n\(error)"
    case .noOutputFile(let template, let code):
      "can't create \(template): \(String(cString: strerror(code)))"
    }
  }
}

/// Seconds after which a command is taken to hang.
///
/// No test may depend on how fast a command is: this only keeps a hang from blocking the suite, and
/// is far more than any command takes on a busy machine.
package let hangLimit = 600.0

/// Starts `ranks` copies of a program with `mpirun` on this machine and waits until they end.
///
/// It works as root, on fewer cores than ranks, and beside other jobs: idle ranks yield.
///
/// - Parameters:
///   - ranks: The size of the world.
///   - executable: The program's path.
///   - arguments: The program's arguments.
///   - environment: Variables that every rank gets in addition to the inherited ones.
///   - options: More of `mpirun`'s own options, before the program.
///   - currentDirectory: Where the ranks run; the caller's folder if `nil`.
///   - seconds: The limit after which the job is killed.
/// - Throws: ``CommandError``, or Foundation's error if `mpirun` can't be started.
package func mpirun(
  ranks: Int, _ executable: String, _ arguments: [String], environment: [String: String] = [:],
  options: [String] = [], currentDirectory: String? = nil, timeout seconds: Double = hangLimit
) throws -> CommandResult {
  let variables = environment.sorted { $0.key < $1.key }.flatMap {
    ["-x", "\($0.key)=\($0.value)"]
  }
  let launch = [
    "--allow-run-as-root", "--oversubscribe", "--bind-to", "none",
    "--mca", "mpi_yield_when_idle", "1", "-n", "\(ranks)",
  ]
  return try run(
    "mpirun", launch + variables + options + [executable] + arguments,
    currentDirectory: currentDirectory, timeout: seconds)
}

/// Runs a command until it ends, with `/dev/null` as its standard input.
///
/// Output goes to unlinked temporary files, not pipes: nothing can fill up, and a grandchild that
/// outlives the command can't block this call.
///
/// - Parameters:
///   - executable: A path, or a name that is looked up on `PATH`.
///   - arguments: Passed as they are, without a shell.
///   - environment: Added to the inherited variables.
///   - currentDirectory: Where the command runs; the caller's folder if `nil`.
///   - seconds: The limit after which the command and all its descendants are killed.
/// - Throws: ``CommandError``, or Foundation's error if the command can't be started.
package func run(
  _ executable: String, _ arguments: [String], environment: [String: String] = [:],
  currentDirectory: String? = nil, timeout seconds: Double = hangLimit
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

/// The process's exit status, or 128 plus its signal; `nil` after the limit.
private func wait(
  for process: Process, ended: DispatchSemaphore, atMost seconds: Double
) -> Int32? {
  let deadline = DispatchTime.now() + seconds
  while DispatchTime.now() < deadline {
    if ended.wait(timeout: .now() + 0.005) == .success {
      let signaled = process.terminationReason == .uncaughtSignal
      return process.terminationStatus + (signaled ? 128 : 0)
    }
    // Foundation learns of the end from a socket that grandchildren inherit, so an orphan would
    // delay it.
    var info = siginfo_t()
    let options = WEXITED | WNOHANG | WNOWAIT
    if waitid(P_PID, id_t(process.processIdentifier), &info, options) == 0, info.si_signo != 0 {
      return info._sifields._sigchld.si_status + (info.si_code == Int32(CLD_EXITED) ? 0 : 128)
    }
  }
  return nil
}

/// Ends a process, its process group and all its descendants.
///
/// SIGTERM comes first: `mpirun` then ends its ranks, also those that left its process group. What
/// is still there two seconds later is killed.
///
/// - Parameters:
///   - process: The process that was started.
///   - ended: Signaled when `process` has ended.
private func endTree(of process: pid_t, ended: DispatchSemaphore) {
  let before = descendants(of: process)
  send(SIGTERM, to: process, and: before)
  _ = ended.wait(timeout: .now() + 2)
  send(SIGKILL, to: process, and: before + descendants(of: process))
  _ = ended.wait(timeout: .now() + 2)
}

private func send(_ signal: Int32, to process: pid_t, and others: [pid_t]) {
  // The group is the process's own unless it never got one; the test runner must not be hit.
  if getpgid(process) == process { kill(-process, signal) }
  for one in [process] + others where parent(of: one) != nil { kill(one, signal) }
}

/// Every process below `root`, nearest first.
private func descendants(of root: pid_t) -> [pid_t] {
  let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
  var children: [pid_t: [pid_t]] = [:]
  for process in names.compactMap({ pid_t($0) }) {
    if let parent = parent(of: process) { children[parent, default: []].append(process) }
  }
  var found: [pid_t] = []
  var next = [root]
  while let process = next.popLast() {
    let below = children[process] ?? []
    found += below
    next += below
  }
  return found
}

private func parent(of process: pid_t) -> pid_t? {
  // proc(5): "pid (name) state parent …", and the name may contain spaces and parentheses.
  guard let line = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
    let name = line.range(of: ")", options: .backwards)
  else { return nil }
  let fields = line[name.upperBound...].split(separator: " ")
  return fields.count > 1 ? pid_t(fields[1]) : nil
}
