// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("Ranks that disagree")
struct DisagreementTests {
  let runs: TrainingRuns

  init() throws { runs = try TrainingRuns() }

  /// Starts two ranks, each with its own arguments and folder.
  func start(
    _ first: [String], _ second: [String], folders: (String, String) = (".", "."),
    environment: [String: String] = [:]
  ) throws -> CommandResult {
    let binary = try productURL(named: "lockstep").path
    let rest = ["--quiet", "--run", "\(runs.folder)/r"]
    return try run(
      "mpirun",
      [
        "--quiet", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "--mca",
        "mpi_yield_when_idle", "1",
        "-n", "1", "--wdir", "\(runs.folder)/\(folders.0)", binary, "train",
      ] + first + rest + [
        ":", "-n", "1", "--wdir", "\(runs.folder)/\(folders.1)", binary, "train",
      ] + second + rest, environment: environment)
  }

  func expect(_ result: CommandResult, _ words: String...) {
    #expect(result.status == 76, "\(result.standardError)")
    #expect(result.standardError.split(separator: "\n").count == 1, "\(result.standardError)")
    for word in words {
      #expect(result.standardError.contains(word), "\(word) in \(result.standardError)")
    }
  }

  @Test("A rank with another seed is named, with status 76")
  func seed() throws {
    expect(
      try start(["digits", "--seed", "1"], ["digits", "--seed", "2"]),
      "ranks disagree on --seed: rank 0 (", "has 1, rank 1 (", "has 2")
  }

  @Test("A rank with another optimizer is named, with status 76")
  func option() throws {
    expect(
      try start(["digits", "--momentum", "0.9", "--optimizer", "sgd"], ["digits"]),
      "ranks disagree on --optimizer", "sgd", "adam")
  }

  @Test("A rank with another transport is named, with status 76")
  func transport() throws {
    expect(
      try start(["digits"], ["digits", "--transport", "messages"]),
      "ranks disagree on --transport", "auto", "messages")
  }

  @Test("A rank whose data file has other content is found, with status 76")
  func data() throws {
    for (folder, value) in [("a", "1"), ("b", "2")] {
      try FileManager.default.createDirectory(
        atPath: "\(runs.folder)/\(folder)", withIntermediateDirectories: true)
      try "\(value),2,x\n3,4,y\n5,6,x\n".write(
        toFile: "\(runs.folder)/\(folder)/t.csv", atomically: true, encoding: .utf8)
    }
    // With shared memory, one rank reads the data of its host.
    let options = ["t.csv", "--transport", "messages"]
    expect(
      try start(options, options, folders: ("a", "b")),
      "ranks disagree on the content of t.csv")
    #expect(!FileManager.default.fileExists(atPath: "\(runs.folder)/r"))
  }

  @Test("A flipped bit in one rank's weights is reported with rank, step, layer and tensor")
  func flip() throws {
    // With shared memory, the ranks of one host have one copy of the weights.
    let options = ["digits", "--steps", "30", "--layers", "8,8", "--transport", "messages"]
    let result = try start(options, options, environment: ["LOCKSTEP_TEST_FLIP": "1:20"])
    expect(result, "after step 20", "layer 2", "layers.2.weight", "rank 1 (")
  }

  @Test("A data file that is missing on one rank is reported with that rank's host")
  func missingOnOne() throws {
    for folder in ["a", "b"] {
      try FileManager.default.createDirectory(
        atPath: "\(runs.folder)/\(folder)", withIntermediateDirectories: true)
    }
    try "1,2,x\n3,4,y\n".write(
      toFile: "\(runs.folder)/a/t.csv", atomically: true, encoding: .utf8)
    let options = ["t.csv", "--transport", "messages"]
    let result = try start(options, options, folders: ("a", "b"))
    #expect(result.status == 66)
    #expect(result.standardError.hasPrefix("lockstep: rank 1 ("))
    #expect(result.standardError.hasSuffix("t.csv: no such file or folder\n"))
  }
}
