// SPDX-License-Identifier: Apache-2.0

/// What training needs to know about a host, as one of its ranks sees it.
public struct HostReport: Codable, Hashable, Sendable {
  /// The host's name.
  public let host: String
  /// The ranks on it.
  public let ranks: [Int]
  /// MPI's name and version.
  public let mpi: String
  /// The version of oneDNN.
  public let onednn: String
  /// The instruction set that oneDNN uses.
  public let instructionSet: String
  /// The hash of the program's file.
  public let build: String
  /// The processor's name.
  public let processor: String
  /// Cores that ranks may use.
  public let cores: Int
  /// Bytes of memory, and those that are free.
  public let memory: Room
  /// Bytes of /dev/shm, and those that are free; nil if there is none.
  public let sharedMemory: Room?
  /// What the kernel tells time by, such as `tsc`.
  public let clockSource: String
  /// Seconds that its time of day is ahead of that of rank 0's host.
  public let clockOffsetS: Double
  /// The interfaces and addresses that its ranks reach other hosts by.
  public let addresses: [String]

  /// Bytes there are, and bytes that are free.
  public struct Room: Codable, Hashable, Sendable {
    /// Bytes in all.
    public let bytes: Int
    /// Bytes that are free.
    public let freeBytes: Int

    /// So many bytes, of which so many are free.
    public init(bytes: Int, freeBytes: Int) {
      self.bytes = bytes
      self.freeBytes = freeBytes
    }
  }

  /// What the program knows about itself, and can't be read from the system.
  public struct Program: Sendable {
    /// MPI's name and version.
    public let mpi: String
    /// The version of oneDNN.
    public let onednn: String
    /// The instruction set that oneDNN uses.
    public let instructionSet: String
    /// The hash of the program's file.
    public let build: String
    /// Bytes that this process may still take.
    public let freeBytes: Int

    /// Takes what the program knows.
    public init(mpi: String, onednn: String, instructionSet: String, build: String, freeBytes: Int)
    {
      self.mpi = mpi
      self.onednn = onednn
      self.instructionSet = instructionSet
      self.build = build
      self.freeBytes = freeBytes
    }
  }

  /// A report with all its invariants.
  public init(
    host: String, ranks: [Int], program: Program, processor: String, cores: Int, memoryBytes: Int,
    sharedMemory: Room?, clockSource: String, clockOffsetS: Double, addresses: [String]
  ) {
    self.host = host
    self.ranks = ranks
    mpi = program.mpi
    onednn = program.onednn
    instructionSet = program.instructionSet
    build = program.build
    self.processor = processor
    self.cores = cores
    memory = Room(bytes: memoryBytes, freeBytes: Swift.min(program.freeBytes, memoryBytes))
    self.sharedMemory = sharedMemory
    self.clockSource = clockSource
    self.clockOffsetS = clockOffsetS
    self.addresses = addresses
  }
}
