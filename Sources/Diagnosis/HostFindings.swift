// SPDX-License-Identifier: Apache-2.0

/// What is wrong with hosts, each of which is looked at alone or against the first.
public enum HostFindings {
  /// The most seconds that clocks may be apart.
  public static let mostClockSeconds = 1.0
  /// Bytes of /dev/shm that Open MPI takes for each rank (its `btl_vader_segment_size`, and files).
  public static let sharedBytesARank = 5 << 20
  /// Bytes of free memory below which a rank of a middling network may not fit.
  public static let memoryBytesARank = 256 << 20

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
      "\(report.host): \(report.ranks.count) ranks share \(count(report.cores, "core")), and wait for each "
        + "other; start at most one rank a core")
  }

  private static func memory(_ report: HostReport) -> Finding? {
    let wanted = memoryBytesARank * report.ranks.count
    guard report.memory.freeBytes < wanted else { return nil }
    return Finding(
      "\(report.host): \(megabytes(report.memory.freeBytes)) of memory are free for "
        + "\(count(report.ranks.count, "rank")); end other programs, or start fewer ranks")
  }

  private static func sharedMemory(_ report: HostReport) -> Finding? {
    let wanted = sharedBytesARank * report.ranks.count
    guard report.ranks.count > 1, let room = report.sharedMemory, room.freeBytes < wanted else {
      return nil
    }
    return Finding(
      "\(report.host): \(megabytes(room.freeBytes)) of \(megabytes(room.bytes)) of /dev/shm are free, and "
        + "MPI takes \(megabytes(wanted)) for \(report.ranks.count) ranks; give it more (containers: "
        + "--shm-size), or messages within the host take a detour")
  }

  private static func clock(_ report: HostReport) -> Finding? {
    guard abs(report.clockOffsetS) > mostClockSeconds else { return nil }
    let side = report.clockOffsetS > 0 ? "ahead of" : "behind"
    return Finding(
      "\(report.host): its clock is \(seconds(abs(report.clockOffsetS))) s \(side) that of rank 0's host; "
        + "set clocks by NTP, or times in logs and files don't compare")
  }

  private static func clockSource(_ report: HostReport) -> Finding? {
    guard ["hpet", "acpi_pm", "jiffies"].contains(report.clockSource) else { return nil }
    return Finding(
      "\(report.host): the kernel tells time by \(report.clockSource), which is slow to read; find out "
        + "(dmesg) why it doesn't use tsc")
  }

  /// Differences that training doesn't check: it would go on, or MPI would not even start.
  private static func against(_ first: HostReport, _ report: HostReport) -> [Finding] {
    guard report.mpi != first.mpi else { return [] }
    return [
      Finding(
        "\(report.host) has \(report.mpi), \(first.host) has \(first.mpi); install the same on all hosts"
      )
    ]
  }

  static func count(_ number: Int, _ name: String) -> String {
    "\(number) \(name)\(number == 1 ? "" : "s")"
  }

  private static func megabytes(_ bytes: Int) -> String { "\(bytes >> 20) MB" }

  private static func seconds(_ value: Double) -> String {
    "\((value * 10).rounded() / 10)"
  }
}
