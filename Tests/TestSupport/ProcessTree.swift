// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Ends a process, its process group and all its descendants.
///
/// It first asks: `mpirun` takes its ranks along on SIGTERM, also those that left its process group.
/// What is still there two seconds later is killed.
///
/// - Parameters:
///   - process: The process that was started.
///   - ended: Signalled when `process` has ended.
func endTree(of process: pid_t, ended: DispatchSemaphore) {
  let before = descendants(of: process)
  send(SIGTERM, to: process, and: before)
  _ = ended.wait(timeout: .now() + 2)
  send(SIGKILL, to: process, and: before + descendants(of: process))
  _ = ended.wait(timeout: .now() + 2)
}

private func send(_ signal: Int32, to process: pid_t, and others: [pid_t]) {
  // The group is the process's own unless it never got one; the test runner must not be hit.
  if getpgid(process) == process { kill(-process, signal) }
  for one in [process] + others where parent(of: one) != nil { kill(one, signal) }
}

/// Every process below `root`, nearest first.
private func descendants(of root: pid_t) -> [pid_t] {
  let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
  var children: [pid_t: [pid_t]] = [:]
  for process in names.compactMap({ pid_t($0) }) {
    if let parent = parent(of: process) { children[parent, default: []].append(process) }
  }
  var found: [pid_t] = []
  var next = [root]
  while let process = next.popLast() {
    let below = children[process] ?? []
    found += below
    next += below
  }
  return found
}

private func parent(of process: pid_t) -> pid_t? {
  // proc(5): "pid (name) state parent …", and the name may hold spaces and parentheses.
  guard let line = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
    let name = line.range(of: ")", options: .backwards)
  else { return nil }
  let fields = line[name.upperBound...].split(separator: " ")
  return fields.count > 1 ? pid_t(fields[1]) : nil
}
