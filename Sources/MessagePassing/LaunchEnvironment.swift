// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// What the launcher's environment variables say about this process, before MPI is initialized.
///
/// For example, only the first rank prints a usage error:
/// ```swift
/// if LaunchEnvironment.current.isFirst { print(usage) }
/// ```
///
/// Variables of several launchers can be set, since `mpirun` inside a Slurm step keeps the step's;
/// the innermost launcher counts. `SLURM_NTASKS` alone, as in a shell of `salloc`, is no launcher.
public struct LaunchEnvironment: Equatable, Sendable {
  /// The kind of launcher that started a process.
  public enum Launcher: Equatable, Sendable {
    /// Open MPI's `mpirun`.
    case openMPI
    /// A launcher that provides PMI: `srun --mpi=pmi2`, or the `mpirun` of MPICH and its
    /// derivatives.
    case pmi
    /// A launcher that provides PMIx, such as `srun --mpi=pmix` or `prun`.
    case pmix
    /// Slurm's `srun` without any PMI.
    case slurmStep
  }

  /// The launcher that started this process, `nil` if there was none.
  public let launcher: Launcher?
  /// The rank of this process, according to the launcher.
  public let rank: Int?
  /// The number of processes, according to the launcher.
  public let size: Int?
  /// The variable that holds the size.
  public let sizeVariable: String?
  /// Whether ranks outnumber cores, according to the launcher, so that waiting ranks should yield.
  public let sharesCores: Bool

  /// Reads the environment variables of a process.
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

  /// The launch environment of this process, valid until MPI is initialized.
  ///
  /// Open MPI sets PMIx variables itself when it is initialized without a launcher; use
  /// ``MPIEnvironment/launch`` from then on.
  public static var current: LaunchEnvironment {
    LaunchEnvironment(ProcessInfo.processInfo.environment)
  }

  /// Whether this process is rank 0, or was started without a launcher.
  public var isFirst: Bool { (rank ?? 0) == 0 }
}
