// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// How much memory this process may still take.
package enum AvailableMemory {
  /// Bytes that are free: the least of what the machine, the control group and the limit on the
  /// address space leave; `Int.max` where none of them is known.
  package static var bytes: Int {
    [machine, controlGroup, addressSpace].compactMap { $0 }.min().map { max($0, 0) } ?? .max
  }

  /// What the kernel deems free without swapping (proc(5), `MemAvailable`).
  private static var machine: Int? {
    number("MemAvailable:", in: "/proc/meminfo").map { $0 * 1024 }
  }

  /// What the control group leaves (kernel documentation, cgroup-v2, memory), if it has a limit.
  private static var controlGroup: Int? {
    guard let groups = text("/proc/self/cgroup"),
      let own = groups.split(separator: "\n").first(where: { $0.hasPrefix("0::") })?.dropFirst(3)
    else { return nil }
    for folder in ["/sys/fs/cgroup\(own)", "/sys/fs/cgroup"] {
      guard let limit = whole(folder + "/memory.max"), let used = whole(folder + "/memory.current")
      else { continue }
      // Cached files count as used, but go when memory is asked for.
      return limit - used + (number("inactive_file", in: folder + "/memory.stat") ?? 0)
    }
    return nil
  }

  private static var addressSpace: Int? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0,
      limit.rlim_cur < rlim_t(Int.max),
      let pages = text("/proc/self/statm")?.split(separator: " ").first.flatMap({ Int($0) })
    else { return nil }
    return Int(limit.rlim_cur) - pages * sysconf(Int32(_SC_PAGESIZE))
  }

  private static func whole(_ path: String) -> Int? {
    text(path).flatMap { Int($0.split(separator: "\n").first ?? "") }
  }

  /// The number after a word at the beginning of a line.
  private static func number(_ word: String, in path: String) -> Int? {
    for line in text(path)?.split(separator: "\n") ?? [] where line.hasPrefix(word) {
      return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    }
    return nil
  }

  private static func text(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }
}
