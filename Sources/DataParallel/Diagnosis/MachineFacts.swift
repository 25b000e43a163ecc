// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// What the kernel says about this machine.
enum MachineFacts {
  /// The processor's name (proc(5), cpuinfo).
  static var processor: String {
    let line = text("/proc/cpuinfo")?.split(separator: "\n").first { $0.hasPrefix("model name") }
    let name = line?.split(separator: ":", maxSplits: 1).last
    return name?.trimmingCharacters(in: .whitespaces) ?? "unknown"
  }

  /// Cores that are there and that the control group grants (kernel documentation, cgroup-v2, cpu.max).
  static var cores: Int {
    let online = Swift.max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)
    let quota = text("/sys/fs/cgroup/cpu.max")?.split { $0 == " " || $0 == "\n" }
      .compactMap { Double($0) }
    guard let quota, quota.count == 2, quota[1] > 0 else { return online }
    return Swift.max(Swift.min(online, Int((quota[0] / quota[1]).rounded(.up))), 1)
  }

  /// Bytes of memory (proc(5), meminfo); 0 if the kernel doesn't say.
  static var memoryBytes: Int {
    for line in text("/proc/meminfo")?.split(separator: "\n") ?? []
    where line.hasPrefix("MemTotal:") {
      return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 } ?? 0
    }
    return 0
  }

  /// The size of /dev/shm; nil if there is none.
  static var sharedMemory: HostReport.Room? {
    var size = statvfs()
    guard statvfs("/dev/shm", &size) == 0 else { return nil }
    let block = Int(size.f_frsize)
    return HostReport.Room(
      bytes: Int(size.f_blocks) * block, freeBytes: Int(size.f_bavail) * block)
  }

  /// What the kernel tells time by.
  static var clockSource: String {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
    return text(path)?.trimmingCharacters(in: .whitespacesAndNewlines) ?? "unknown"
  }

  /// Seconds since 1970 by this machine's time of day.
  static var timeOfDay: Double {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
  }

  static func text(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }
}
