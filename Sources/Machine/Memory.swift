// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// The memory of this host, and how much of it this process may still allocate.
public enum Memory {
  /// The host's memory in bytes (proc(5), `MemTotal`); 0 if it is unknown.
  public static var totalBytes: Int {
    number("MemTotal:", in: "/proc/meminfo").map { $0 * 1024 } ?? 0
  }

  /// Available bytes: the minimum over the host, the control group and the limit on the address space;
  /// `Int.max` if none of them is known.
  public static var availableBytes: Int {
    [host, controlGroup, addressSpace].compactMap { $0 }.min().map { max($0, 0) } ?? .max
  }

  /// The largest resident memory that this process has had, in bytes (getrusage(2)).
  public static var peakBytes: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1024
  }

  /// The size and the free bytes of `/dev/shm`; nil if there is none (statvfs(3)).
  public static var sharedBytes: (total: Int, free: Int)? {
    var size = statvfs()
    guard statvfs("/dev/shm", &size) == 0 else { return nil }
    let block = Int(size.f_frsize)
    return (Int(size.f_blocks) * block, Int(size.f_bavail) * block)
  }

  /// The kernel's estimate of what is available without swapping (proc(5), `MemAvailable`).
  private static var host: Int? {
    number("MemAvailable:", in: "/proc/meminfo").map { $0 * 1024 }
  }

  /// What the limit of the control group leaves, if it has one (kernel documentation, cgroup-v2,
  /// memory).
  private static var controlGroup: Int? {
    guard let groups = Host.text(of: "/proc/self/cgroup"),
      let own = groups.split(separator: "\n").first(where: { $0.hasPrefix("0::") })?.dropFirst(3)
    else { return nil }
    for folder in ["/sys/fs/cgroup\(own)", "/sys/fs/cgroup"] {
      guard let limit = integer(in: folder + "/memory.max"),
        let used = integer(in: folder + "/memory.current")
      else { continue }
      // Cached files count as used, but are reclaimed when memory is needed.
      return limit - used + (number("inactive_file", in: folder + "/memory.stat") ?? 0)
    }
    return nil
  }

  private static var addressSpace: Int? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0,
      limit.rlim_cur < rlim_t(Int.max),
      let pages = Host.text(of: "/proc/self/statm")?.split(separator: " ").first
        .flatMap({ Int($0) })
    else { return nil }
    return Int(limit.rlim_cur) - pages * sysconf(Int32(_SC_PAGESIZE))
  }

  private static func integer(in path: String) -> Int? {
    Host.text(of: path).flatMap { Int($0.split(separator: "\n").first ?? "") }
  }

  /// The number in the line that begins with a word.
  private static func number(_ word: String, in path: String) -> Int? {
    for line in Host.text(of: path)?.split(separator: "\n") ?? [] where line.hasPrefix(word) {
      return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    }
    return nil
  }
}
