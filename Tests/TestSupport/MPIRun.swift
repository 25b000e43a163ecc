// SPDX-License-Identifier: Apache-2.0

/// Starts `ranks` copies of a program with `mpirun` on this machine and waits for their end.
///
/// It works as root, on fewer cores than ranks, and next to other jobs: idle ranks yield.
///
/// - Parameters:
///   - ranks: The size of the world.
///   - executable: The program's path.
///   - arguments: The program's arguments.
///   - environment: Variables that every rank gets besides the inherited ones.
///   - options: More of `mpirun`'s own options, before the program.
///   - currentDirectory: Where the ranks run; the caller's folder if `nil`.
///   - seconds: The limit after which the job is killed.
/// - Throws: ``CommandError``, or Foundation's error if `mpirun` can't be started.
package func mpirun(
  ranks: Int, _ executable: String, _ arguments: [String], environment: [String: String] = [:],
  options: [String] = [], currentDirectory: String? = nil, timeout seconds: Double = 300
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
