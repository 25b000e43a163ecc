// SPDX-License-Identifier: Apache-2.0
import MessagePassing
import Testing

@Suite("LaunchEnvironment")
struct LaunchEnvironmentTests {
  @Test("a process started without a launcher has no rank or size, and is the first")
  func alone() {
    let launch = LaunchEnvironment(["PATH": "/bin"])
    #expect(launch.launcher == nil)
    #expect(launch.rank == nil && launch.size == nil && launch.sizeVariable == nil)
    #expect(launch.isFirst)
  }

  @Test(
    "rank and size are read from the variables of each launcher",
    arguments: [
      (["OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"], .openMPI, 2, 4),
      (["PMI_RANK": "1", "PMI_SIZE": "3"], .pmi, 1, 3),
      (["PMI_RANK": "1", "SLURM_NTASKS": "3"], .pmi, 1, 3),
      (["PMIX_RANK": "5", "SLURM_STEP_NUM_TASKS": "8", "SLURM_NTASKS": "9"], .pmix, 5, 8),
      (["PMIX_RANK": "5"], .pmix, 5, nil),
      (
        ["SLURM_PROCID": "3", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "6"], .slurmStep, 3, 6
      ),
    ] as [([String: String], LaunchEnvironment.Launcher, Int, Int?)])
  func launchers(
    variables: [String: String], launcher: LaunchEnvironment.Launcher, rank: Int, size: Int?
  ) {
    let launch = LaunchEnvironment(variables)
    #expect(launch.launcher == launcher)
    #expect(launch.rank == rank)
    #expect(launch.size == size)
    #expect(!launch.isFirst)
  }

  @Test("mpirun inside a Slurm step takes precedence over the step")
  func nearest() {
    let launch = LaunchEnvironment([
      "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1", "PMIX_RANK": "0",
      "SLURM_PROCID": "3", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "6", "SLURM_NTASKS": "6",
    ])
    #expect(launch.launcher == .openMPI)
    #expect(launch.size == 1)
    #expect(launch.isFirst)
  }

  @Test(
    "a shell of salloc or sbatch is not a launcher",
    arguments: [
      ["SLURM_NTASKS": "8", "SLURM_JOB_ID": "1"],
      ["SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_JOB_ID": "1"],
    ])
  func allocation(variables: [String: String]) {
    #expect(LaunchEnvironment(variables).launcher == nil)
    #expect(LaunchEnvironment(variables).size == nil)
  }

  @Test("a variable that isn't an integer is ignored")
  func nonsense() {
    let launch = LaunchEnvironment(["OMPI_COMM_WORLD_RANK": "x", "PMI_RANK": "", "PMI_SIZE": "2"])
    #expect(launch.launcher == .pmi)
    #expect(launch.rank == nil)
    #expect(launch.size == 2)
  }
}
