// SPDX-License-Identifier: Apache-2.0

/// What every communicator of a process shares: whether MPI is still there, and its limits.
final class EnvironmentState {
  let worldRank: Int
  let greatestTag: Int
  var isFinalised = false

  init(worldRank: Int, greatestTag: Int) {
    self.worldRank = worldRank
    self.greatestTag = greatestTag
  }
}
