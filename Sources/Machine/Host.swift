// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// The host that this process runs on.
public enum Host {
  /// The host's name (gethostname(2)).
  public static var name: String {
    var text = [CChar](repeating: 0, count: 256)
    guard gethostname(&text, text.count - 1) == 0 else { return "localhost" }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The number of cores that this process may use: the online ones, limited by the quota of its
  /// control group (kernel documentation, cgroup-v2, `cpu.max`).
  public static var cores: Int {
    let online = max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)
    let quota = text(of: "/sys/fs/cgroup/cpu.max")?.split { $0 == " " || $0 == "\n" }
      .compactMap { Double($0) }
    guard let quota, quota.count == 2, quota[1] > 0 else { return online }
    return max(min(online, Int((quota[0] / quota[1]).rounded(.up))), 1)
  }

  /// The processor's name (proc(5), `cpuinfo`).
  public static var processor: String {
    let line = text(of: "/proc/cpuinfo")?.split(separator: "\n")
      .first { $0.hasPrefix("model name") }
    let name = line?.split(separator: ":", maxSplits: 1).last
    return name?.trimmingCharacters(in: .whitespaces) ?? "unknown"
  }

  /// A UUID that the kernel creates when it boots (random(4)); empty if it can't be read.
  ///
  /// Containers and network namespaces of one machine have it in common.
  public static var bootID: String {
    text(of: "/proc/sys/kernel/random/boot_id")?.filter { !$0.isWhitespace } ?? ""
  }

  /// The clock source of the kernel, such as `tsc`.
  public static var clockSource: String {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
    return text(of: path)?.trimmingCharacters(in: .whitespacesAndNewlines) ?? "unknown"
  }

  /// Seconds since 1970 by this host's real-time clock.
  public static var timeOfDay: Double {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
  }

  /// The text of a file of the kernel's, such as those in `/proc`, or nil if it can't be read.
  package static func text(of path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }
}
