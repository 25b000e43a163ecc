// SPDX-License-Identifier: Apache-2.0

/// What every communicator of a process shares: whether MPI is still there, its limits, and how to wait.
final class EnvironmentState {
  let worldRank: Int
  let greatestTag: Int
  /// How often a wait spins before it yields.
  let spins: Int
  var isFinalized = false
  /// What this process has sent, as ``Communicator/bytesSent`` counts it.
  var bytesSent = 0
  /// Is told how many seconds a wait has lasted.
  var waitObserver: ((Double) throws(MPIError) -> Void)?

  init(worldRank: Int, greatestTag: Int, spins: Int) {
    self.worldRank = worldRank
    self.greatestTag = greatestTag
    self.spins = spins
  }
}
