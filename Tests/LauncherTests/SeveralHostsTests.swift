// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite(
  "Training on several hosts",
  .enabled(if: canMakeHosts, "needs root, iproute2, openssh-server and network namespaces"))
struct SeveralHostsTests {
  @Test("Two hosts that exchange over TCP give the bits of one rank, in either order")
  func sameBits() throws {
    let runs = try TrainingRuns()
    let options = ["digits", "--slices", "4", "--epochs", "3", "--batch", "61", "--trace"]
    try runs.train("one", ranks: 1, options)
    let hosts = ["node1:1,node2:1", "node2:2,node1:1"]
    for (number, list) in hosts.enumerated() {
      let result = try runScript(
        "launch/local-cluster",
        ["2", "--", packagePath("launch/run"), "--hosts", list, "--", "train"] + options + [
          "--run", "\(runs.folder)/two\(number)", "--quiet",
        ])
      #expect(result.status == 0, "\(result.standardError)")
      for name in ["metrics.jsonl", "checkpoints/step-000000072.safetensors"] {
        #expect(try runs.file("two\(number)", name) == runs.file("one", name))
      }
      let timing = String(decoding: try runs.file("two\(number)", "timing.jsonl"), as: UTF8.self)
      #expect(timing.contains("node1") && timing.contains("node2"))
      let trace = try RecordedTrace(runs.file("two\(number)", "trace.json"))
      #expect(Set(trace.hosts) == ["node1", "node2"])
      // No rank ends a step before all have begun it. The clocks' error is at most half of the
      // fastest of 32 barriers, far below 0.1 s.
      let steps = (0..<2).map { trace.spans(rank: $0).filter { $0.name == "step" } }
      #expect(steps[0].count == 72 && steps[1].count == 72)
      #expect(
        zip(steps[0], steps[1]).allSatisfy { $0.start < $1.end + 1e5 && $1.start < $0.end + 1e5 })
    }
  }

  /// Writes an MNIST-style data set of 12 x 12 images, bright where their class says.
  func writeImages(_ folder: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for (name, count) in [("train", 300), ("t10k", 60)] {
      var generator = SystemRandomNumberGenerator()
      let labels = (0..<count).map { UInt8($0 * 7 % 10) }
      let pixels = labels.flatMap { label in
        (0..<144).map {
          UInt8($0 / 14 == Int(label) ? 160 : 0) + .random(in: 0..<90, using: &generator)
        }
      }
      let images: [UInt8] = [
        0, 0, 8, 3, 0, 0, UInt8(count >> 8), UInt8(count & 255), 0, 0, 0, 12, 0, 0, 0, 12,
      ]
      let classes: [UInt8] = [0, 0, 8, 1, 0, 0, UInt8(count >> 8), UInt8(count & 255)]
      try Data(images + pixels).write(
        to: URL(fileURLWithPath: "\(folder)/\(name)-images-idx3-ubyte"))
      try Data(classes + labels).write(
        to: URL(fileURLWithPath: "\(folder)/\(name)-labels-idx1-ubyte"))
    }
  }

  @Test("Two and three hosts of a hostfile train on images to the bits of one rank")
  func images() throws {
    let runs = try TrainingRuns()
    let data = "\(runs.folder)/images"
    try writeImages(data)
    let options = [data, "--layers", "24", "--slices", "6", "--epochs", "4", "--batch", "50"]
    try runs.train("one", ranks: 1, options)
    for hosts in [2, 3] {
      let hostfile = "\(runs.folder)/hostfile\(hosts)"
      try (1...hosts).map { "node\($0) slots=1  # of \(hosts)\n" }.joined()
        .write(toFile: hostfile, atomically: true, encoding: .utf8)
      // launch/run has to find the network itself.
      let command = [
        "env", "-u", "LOCKSTEP_NETWORK", packagePath("launch/run"), "--hostfile", hostfile, "--",
        "train",
      ]
      let result = try runScript(
        "launch/local-cluster",
        ["\(hosts)", "--slots", "1", "--"] + command + options + [
          "--run", "\(runs.folder)/\(hosts)", "--quiet",
        ])
      #expect(result.status == 0, "\(result.standardError)")
      for name in ["metrics.jsonl", "checkpoints/step-000000024.safetensors"] {
        #expect(try runs.file("\(hosts)", name) == runs.file("one", name), "\(name)")
      }
      let timing = String(decoding: try runs.file("\(hosts)", "timing.jsonl"), as: UTF8.self)
      for host in 1...hosts { #expect(timing.contains("\"node\(host)\"")) }
    }
  }
}
