// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Small run directories with given content, in a temporary folder.
final class RecordedFolder {
  let folder = NSTemporaryDirectory() + "lockstep-report-" + UUID().uuidString

  init() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// The content of a run directory.
  struct Run {
    var name = "run"
    var ranks = 1
    var hosts = ["node1"]
    var cores = 8
    /// Ranks with the same number share a machine; nil as older versions wrote.
    var machines: [Int]? = [0]
    var parties = 1
    var slices = 4
    var batch = 32
    var options = ["layers: [8]"]
    /// The seconds of the ten steps after the first, a quarter of which is waiting.
    var seconds = 2.0
    var digest = "00112233445566778899aabbccddeeff"
    var lossAtStep11 = 0.5
    var exchange = 0
    var completed = true
  }

  /// Writes a run of 11 steps, logged after the first and the last; returns its path.
  @discardableResult
  func write(_ run: Run) throws -> String {
    let path = "\(folder)/\(run.name)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try place(
      run.name, "metrics.jsonl",
      """
      {"step":1,"epoch":1,"loss":2.0,"learning_rate":0.001,"grad_norm":1.0,"digest":"aa"}
      {"step":11,"epoch":1,"loss":\(run.lossAtStep11),"learning_rate":0.001,"digest":"\(run.digest)"}
      {"step":11,"epoch":1,"test_loss":0.625,"test_accuracy":0.75}

      """)
    let hosts = run.hosts.map { "\"\($0)\"" }.joined(separator: ",")
    let cores = Array(repeating: run.cores, count: run.ranks)
    let machines = run.machines.map { ",\"machines\":\($0)" } ?? ""
    let speed = Double(10 * run.batch) / run.seconds
    let part = run.seconds / 4
    try place(
      run.name, "timing.jsonl",
      """
      {"start_time":"2026-01-02T03:04:05Z","ranks":\(run.ranks),"hosts":[\(hosts)],"slices":\(run.slices),\
      "version":"1.0","cores":\(cores)\(machines),"parties":\(run.parties)}
      {"step":1,"epoch":1,"seconds":7.0,"samples_per_second":4.0,"phases":{"compute":7,"wait":0,"exchange":0,"update":0}}
      {"step":11,"epoch":1,"seconds":\(run.seconds),"samples_per_second":\(speed),"phases":\
      {"compute":\(2 * part),"wait":\(part),"exchange":\(part / 2),"update":\(part / 2)}}

      """)
    try place(
      run.name, "summary.json",
      """
      {"ranks":\(run.ranks),"slices":\(run.slices),"steps":11,"epochs":1,"final_loss":\(run.lossAtStep11),
       "test_loss":0.625,"test_accuracy":0.75,"digest":"\(run.digest)","samples_per_second":1.0,"seconds":12.5,
       "traffic":{"exchange":\(run.exchange),"statistics":2200,"shared":110},"parameters":1000,"version":"1.0",
       "completed":\(run.completed)}

      """)
    try place(
      run.name, "config.yaml",
      "data: digits\nbatch: \(run.batch)\n" + run.options.map { $0 + "\n" }.joined())
    return path
  }

  func place(_ run: String, _ file: String, _ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(run)/\(file)"))
  }

  func remove(_ run: String, _ file: String) throws {
    try FileManager.default.removeItem(atPath: "\(folder)/\(run)/\(file)")
  }
}
