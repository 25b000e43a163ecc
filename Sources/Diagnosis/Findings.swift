// SPDX-License-Identifier: Apache-2.0
public import Failures

/// A problem with a job's hosts or links.
public struct Finding: Codable, Hashable, Sendable {
  /// The status that training would end with; 0 if it would run.
  public let status: Int32
  /// What is found, where, and what to do about it.
  public let message: String

  /// A finding with its message.
  public init(status: Int32 = 0, _ message: String) {
    self.status = status
    self.message = message
  }

  /// A failure that ends training.
  public init(_ failure: Failure) {
    self.init(status: failure.status.rawValue, failure.message)
  }
}

/// What is wrong with hosts, each examined alone and compared with the first.
public enum HostFindings {
  /// The maximum offset between clocks, in seconds.
  public static let maximumClockOffset = 1.0
  /// Bytes of /dev/shm that Open MPI needs per rank (its `btl_vader_segment_size`, and files).
  public static let sharedBytesPerRank = 5 << 20
  /// Bytes of free memory below which a rank of a medium-sized network may not fit.
  public static let memoryBytesPerRank = 256 << 20

  /// The findings, host by host.
  public static func all(_ reports: [HostReport]) -> [Finding] {
    reports.flatMap { report in
      [cores(report), memory(report), sharedMemory(report), clock(report), clockSource(report)]
        .compactMap { $0 } + against(reports[0], report)
    }
  }

  private static func cores(_ report: HostReport) -> Finding? {
    guard report.ranks.count > report.cores else { return nil }
    return Finding(
      "\(report.host): \(report.ranks.count) ranks share \(count(report.cores, "core")) and wait for "
        + "each other; start at most one rank per core")
  }

  private static func memory(_ report: HostReport) -> Finding? {
    let needed = memoryBytesPerRank * report.ranks.count
    guard report.memory.freeBytes < needed else { return nil }
    return Finding(
      "\(report.host): only \(megabytes(report.memory.freeBytes)) of memory is free for "
        + "\(count(report.ranks.count, "rank")); stop other programs, or start fewer ranks")
  }

  private static func sharedMemory(_ report: HostReport) -> Finding? {
    let needed = sharedBytesPerRank * report.ranks.count
    guard report.ranks.count > 1, let room = report.sharedMemory, room.freeBytes < needed else {
      return nil
    }
    return Finding(
      "\(report.host): \(megabytes(room.freeBytes)) of the \(megabytes(room.bytes)) of /dev/shm is free, "
        + "but MPI needs \(megabytes(needed)) for \(report.ranks.count) ranks; enlarge it (containers: "
        + "--shm-size), or messages within the host will be slower")
  }

  private static func clock(_ report: HostReport) -> Finding? {
    guard abs(report.clockOffsetS) > maximumClockOffset else { return nil }
    let side = report.clockOffsetS > 0 ? "ahead of" : "behind"
    return Finding(
      "\(report.host): its clock is \(seconds(abs(report.clockOffsetS))) s \(side) that of rank 0's host; "
        + "synchronize clocks with NTP, or times in logs and files can't be compared")
  }

  private static func clockSource(_ report: HostReport) -> Finding? {
    guard ["hpet", "acpi_pm", "jiffies"].contains(report.clockSource) else { return nil }
    return Finding(
      "\(report.host): the kernel's clock source is \(report.clockSource), which is slow to read; check "
        + "dmesg for why it is not tsc")
  }

  /// Differences that training doesn't check: it would run, or MPI would not even start.
  private static func against(_ first: HostReport, _ report: HostReport) -> [Finding] {
    guard report.mpi != first.mpi else { return [] }
    return [
      Finding(
        "\(report.host) has \(report.mpi), \(first.host) has \(first.mpi); install the same version on "
          + "all hosts"
      )
    ]
  }

  private static func count(_ number: Int, _ name: String) -> String {
    "\(number) \(name)\(number == 1 ? "" : "s")"
  }

  private static func megabytes(_ bytes: Int) -> String { "\(bytes >> 20) MB" }

  private static func seconds(_ value: Double) -> String {
    "\((value * 10).rounded() / 10)"
  }
}

/// Which links between hosts are much worse than the others.
public enum LinkFindings {
  /// How many times slower than the median a link must be to be reported.
  public static let reportedSlowdown = 2.0
  /// How many times the median latency a link must have to be reported.
  public static let reportedLatency = 4.0

  /// The findings: all ranks wait for the slowest link.
  public static func all(_ links: [LinkMeasurement]) -> [Finding] {
    let between = links.filter(\.isBetweenHosts)
    return slow(between) + late(between)
  }

  private static func slow(_ links: [LinkMeasurement]) -> [Finding] {
    guard links.count > 2 else { return [] }
    let median = median(links.map(\.megabytesPerS))
    return links.filter { $0.megabytesPerS * reportedSlowdown < median }.map { link in
      Finding(
        "\(name(link)): \(rate(link.megabytesPerS)), but the median link has \(rate(median)); check "
          + "cable, port and speed of both hosts (ethtool), or leave one of them out")
    }
  }

  private static func late(_ links: [LinkMeasurement]) -> [Finding] {
    guard links.count > 2 else { return [] }
    let median = median(links.map(\.latencyUs))
    return links.filter { $0.latencyUs > reportedLatency * median }.map { link in
      Finding(
        "\(name(link)): messages take \(Int(link.latencyUs.rounded())) us, but "
          + "\(Int(median.rounded())) us on the median link; check the route between the hosts, and what "
          + "else runs on them")
    }
  }

  private static func rate(_ value: Double) -> String {
    value < 10 ? "\((value * 10).rounded() / 10) MB/s" : "\(Int(value.rounded())) MB/s"
  }

  private static func name(_ link: LinkMeasurement) -> String {
    "\(link.fromHost) (rank \(link.from)) to \(link.toHost) (rank \(link.to))"
  }

  /// The median, the lower of two; 0 of no values.
  static func median(_ values: [Double]) -> Double {
    values.isEmpty ? 0 : values.sorted()[(values.count - 1) / 2]
  }
}
