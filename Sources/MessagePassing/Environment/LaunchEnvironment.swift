// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// What the launcher's variables say about this process, known before MPI is initialized.
///
/// A usage error is printed once if only the first rank prints it:
/// ```swift
/// if LaunchEnvironment.current.isFirst { print(usage) }
/// ```
///
/// The launcher nearest to the process wins: `mpirun` inside a Slurm step leaves the step's
/// variables in place. A plain `SLURM_NTASKS`, as in a shell of `salloc`, starts nothing and says
/// nothing.
public struct LaunchEnvironment: Equatable, Sendable {
  /// Who started this process.
  public enum Launcher: Equatable, Sendable {
    /// Open MPI's `mpirun`.
    case openMPI
    /// A launcher that speaks PMI: `srun --mpi=pmi2`, or the `mpirun` of MPICH and its kin.
    case pmi
    /// A launcher that speaks PMIx, such as `srun --mpi=pmix` or `prun`.
    case pmix
    /// Slurm's `srun` without any PMI.
    case slurmStep
  }

  /// Who started this process; `nil` if it was started by itself.
  public let launcher: Launcher?
  /// This process's rank as told by the launcher.
  public let rank: Int?
  /// The number of processes as told by the launcher.
  public let size: Int?
  /// The variable that holds the size.
  public let sizeVariable: String?
  /// Whether the launcher says that ranks outnumber cores, so that waiting ranks had better yield.
  public let sharesCores: Bool

  /// Reads the variables of a process's environment.
  public init(_ variables: [String: String]) {
    func number(_ name: String) -> Int? { variables[name].flatMap { Int($0) } }
    func isSet(_ name: String) -> Bool { number(name) != nil }

    let rankVariable: String?
    let sizeCandidates: [String]
    if isSet("OMPI_COMM_WORLD_RANK") || isSet("OMPI_COMM_WORLD_SIZE") {
      (launcher, rankVariable) = (.openMPI, "OMPI_COMM_WORLD_RANK")
      sizeCandidates = ["OMPI_COMM_WORLD_SIZE"]
    } else if isSet("PMI_RANK") || isSet("PMI_SIZE") {
      (launcher, rankVariable) = (.pmi, "PMI_RANK")
      sizeCandidates = ["PMI_SIZE", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"]
    } else if isSet("PMIX_RANK") {
      (launcher, rankVariable) = (.pmix, "PMIX_RANK")
      sizeCandidates = ["SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"]
    } else if isSet("SLURM_PROCID"), isSet("SLURM_STEP_ID"), isSet("SLURM_STEP_NUM_TASKS") {
      (launcher, rankVariable) = (.slurmStep, "SLURM_PROCID")
      sizeCandidates = ["SLURM_STEP_NUM_TASKS"]
    } else {
      (launcher, rankVariable) = (nil, nil)
      sizeCandidates = []
    }
    rank = rankVariable.flatMap(number)
    sharesCores = variables["OMPI_MCA_mpi_yield_when_idle"].map { $0 != "0" } ?? false
    sizeVariable = sizeCandidates.first(where: isSet)
    size = sizeVariable.flatMap(number)
  }

  /// What the variables of this process say, as long as MPI is not initialized.
  ///
  /// Open MPI sets PMIx variables itself when it starts without a launcher; ask
  /// ``MPIEnvironment/launch`` from then on.
  public static var current: LaunchEnvironment {
    LaunchEnvironment(ProcessInfo.processInfo.environment)
  }

  /// Whether this process is rank 0, or was started by itself.
  public var isFirst: Bool { (rank ?? 0) == 0 }
}
