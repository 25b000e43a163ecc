// SPDX-License-Identifier: Apache-2.0
internal import Coordination
public import DataParallel
internal import Foundation
internal import Machine

/// What matters for training about a host, as seen by one of its ranks.
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
  /// The number of cores that ranks may use.
  public let cores: Int
  /// The host's memory.
  public let memory: Capacity
  /// The room in /dev/shm; nil if there is none.
  public let sharedMemory: Capacity?
  /// The kernel's clock source, such as `tsc`.
  public let clockSource: String
  /// Seconds by which its time of day is ahead of that of rank 0's host.
  public let clockOffsetS: Double
  /// The interfaces and addresses by which its ranks are connected to other hosts.
  public let addresses: [String]

  /// A capacity in bytes, and how much of it is free.
  public struct Capacity: Codable, Hashable, Sendable {
    /// Total bytes.
    public let bytes: Int
    /// Free bytes.
    public let freeBytes: Int

    /// `bytes` bytes, of which `freeBytes` are free.
    public init(bytes: Int, freeBytes: Int) {
      self.bytes = bytes
      self.freeBytes = freeBytes
    }
  }

  /// What the program knows about itself and the system can't tell.
  public struct Program: Sendable {
    /// MPI's name and version.
    public let mpi: String
    /// The version of oneDNN.
    public let onednn: String
    /// The instruction set that oneDNN uses.
    public let instructionSet: String
    /// The hash of the program's file.
    public let build: String
    /// Bytes that this process can still allocate.
    public let freeBytes: Int

    /// A description of the program.
    public init(mpi: String, onednn: String, instructionSet: String, build: String, freeBytes: Int)
    {
      self.mpi = mpi
      self.onednn = onednn
      self.instructionSet = instructionSet
      self.build = build
      self.freeBytes = freeBytes
    }
  }

  /// A report with all its fields.
  public init(
    host: String, ranks: [Int], program: Program, processor: String, cores: Int, memoryBytes: Int,
    sharedMemory: Capacity?, clockSource: String, clockOffsetS: Double, addresses: [String]
  ) {
    self.host = host
    self.ranks = ranks
    mpi = program.mpi
    onednn = program.onednn
    instructionSet = program.instructionSet
    build = program.build
    self.processor = processor
    self.cores = cores
    memory = Capacity(bytes: memoryBytes, freeBytes: Swift.min(program.freeBytes, memoryBytes))
    self.sharedMemory = sharedMemory
    self.clockSource = clockSource
    self.clockOffsetS = clockOffsetS
    self.addresses = addresses
  }
}

extension MPIProcessGroup {
  /// The report of each host, ordered by its first rank, the same on all ranks; all ranks.
  ///
  /// Call it after ``measureLinks(within:)``: connections exist once something has been sent.
  ///
  /// - Parameters:
  ///   - program: this rank's program.
  ///   - clockOffsets: seconds by which each rank's time of day is ahead of that of rank 0.
  /// - Throws: `MPIError` when messages fail.
  public func reportHosts(
    _ program: HostReport.Program, clockOffsets: [Double]
  ) throws -> [HostReport] {
    let name = hosts[rank]
    let own = HostReport(
      host: name, ranks: hosts.indices.filter { hosts[$0] == name }, program: program,
      processor: Host.processor, cores: Host.cores, memoryBytes: Memory.totalBytes,
      sharedMemory: Memory.sharedBytes.map {
        HostReport.Capacity(bytes: $0.total, freeBytes: $0.free)
      },
      clockSource: Host.clockSource,
      clockOffsetS: clockOffsets.indices.contains(rank) ? clockOffsets[rank] : 0,
      addresses: UsedAddresses.current)
    let all = try allGather(Array(JSONEncoder().encode(own)))
    return try all.enumerated().compactMap { rank, bytes in
      guard hosts.firstIndex(of: hosts[rank]) == rank else { return nil }
      return try JSONDecoder().decode(HostReport.self, from: Data(bytes))
    }
  }
}

/// The addresses of this machine by which this process is connected to other machines.
///
/// They are read from the open connections (proc(5), net/tcp), so they are what MPI has chosen,
/// whatever it was configured with.
private enum UsedAddresses {
  private static let established = "01"

  /// Interfaces with addresses, such as `eth0 10.0.0.1`, sorted and unique.
  static var current: [String] {
    let sockets = ownSockets
    let interfaces = interfaceNames
    var found: Set<String> = []
    for table in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
      for line in Host.text(of: table)?.split(separator: "\n").dropFirst() ?? [] {
        guard let local = localAddress(line, of: sockets) else { continue }
        found.insert("\(interfaces[local] ?? "?") \(local)")
      }
    }
    return found.sorted()
  }

  /// The local address of a connection of this process to another machine.
  private static func localAddress(_ line: Substring, of sockets: Set<Substring>) -> String? {
    let fields = line.split(separator: " ")
    guard fields.count > 9, fields[3] == established, sockets.contains(fields[9]),
      let local = address(fields[1]), let remote = address(fields[2]), local != remote,
      !local.hasPrefix("127."), local != "::1"
    else { return nil }
    return local
  }

  private static var ownSockets: Set<Substring> {
    let folder = "/proc/self/fd"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return Set(
      names.compactMap { name in
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(name)")
        guard let target, target.hasPrefix("socket:[") else { return nil }
        return target.dropFirst("socket:[".count).dropLast()
      })
  }

  /// Parses the kernel's format: groups of four bytes in this machine's byte order, then the port.
  private static func address(_ text: Substring) -> String? {
    let digits = Array(text.prefix { $0 != ":" })
    guard digits.count == 8 || digits.count == 32 else { return nil }
    var bytes: [UInt8] = []
    for group in stride(from: 0, to: digits.count, by: 8) {
      guard let number = UInt32(String(digits[group..<group + 8]), radix: 16) else { return nil }
      bytes += withUnsafeBytes(of: number) { Array($0) }
    }
    let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]
    return addressText(bytes.starts(with: mapped) ? Array(bytes.dropFirst(12)) : bytes)
  }

  private static func addressText(_ bytes: [UInt8]) -> String? {
    var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let family = bytes.count == 4 ? AF_INET : AF_INET6
    guard inet_ntop(family, bytes, &buffer, socklen_t(buffer.count)) != nil else { return nil }
    return buffer.withUnsafeBufferPointer { characters in
      characters.baseAddress.map { String(cString: $0) }
    }
  }

  /// The interface of each address of this machine.
  private static var interfaceNames: [String: String] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return [:] }
    defer { freeifaddrs(list) }
    var names: [String: String] = [:]
    var next = list
    while let entry = next?.pointee {
      next = entry.ifa_next
      guard let address = entry.ifa_addr, let bytes = bytes(of: address),
        let text = addressText(bytes)
      else { continue }
      names[text] = String(cString: entry.ifa_name)
    }
    return names
  }

  private static func bytes(of address: UnsafeMutablePointer<sockaddr>) -> [UInt8]? {
    let raw = UnsafeRawPointer(address)
    switch Int32(address.pointee.sa_family) {
    case AF_INET:
      return withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in.self).sin_addr) { Array($0) }
    case AF_INET6:
      return withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr) { Array($0) }
    default: return nil
    }
  }
}
