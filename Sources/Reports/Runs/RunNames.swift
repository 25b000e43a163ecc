// SPDX-License-Identifier: Apache-2.0
internal import RunRecords

/// Short names for run directories.
enum RunNames {
  /// The paths without the folders that all are in; as they are if that leaves two alike.
  static func names(of paths: [String]) -> [String] {
    let parts = paths.map { $0.split(separator: "/").filter { $0 != "." }.map(String.init) }
    var common = 0
    while let part = parts.first?.dropFirst(common).first,
      parts.allSatisfy({ $0.count > common + 1 && $0[common] == part })
    {
      common += 1
    }
    let names = parts.map { $0.dropFirst(common).joined(separator: "/") }
    return Set(names).count == Set(paths).count && !names.contains("") ? names : paths
  }
}
