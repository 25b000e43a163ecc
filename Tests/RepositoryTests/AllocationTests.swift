// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// What one rank allocated, as `Preload/allocations.c` counts it.
private struct AllocationCounts {
  /// Allocations by the program itself, or by the C and Swift runtimes on its behalf.
  let program: Int
  /// The same by call site.
  let sites: [String: Int]

  init(_ text: String) {
    var counts: [String: Int] = [:]
    for line in text.split(separator: "\n") {
      guard let space = line.lastIndex(of: " "), let count = Int(line[space...].dropFirst()) else {
        continue
      }
      counts[String(line[..<space])] = count
    }
    program = counts["program"] ?? 0
    sites = counts.filter { $0.key.hasPrefix("at ") }
  }

  /// The call sites that allocated more in a longer run, with the difference; for
  /// `llvm-symbolizer -e lockstep`.
  func growth(in longer: AllocationCounts) -> String {
    longer.sites.compactMap { site, count in
      let more = count - (sites[site] ?? 0)
      return more > 0 ? "\(more) \(site)" : nil
    }.sorted().joined(separator: "\n")
  }
}

private struct CounterError: Error {
  let message: String
}

@Suite("Allocations")
struct AllocationTests {
  /// The path of the library that counts, compiled beside the products.
  static let counter = Result {
    let library = try productURL(named: "lockstep").deletingLastPathComponent()
      .appendingPathComponent("liballocations.so").path
    let source = packagePath("Tests/RepositoryTests/Preload/allocations.c")
    let result = try run(
      "gcc", ["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source])
    guard result.status == 0 else { throw CounterError(message: result.standardError) }
    return library
  }

  static let small = ["digits", "--layers", "64", "--batch", "32"]
  static let digits = ["digits", "--layers", "256,128", "--batch", "128"]
  static let exact = ["--batch-norm-backward", "exact"]
  static let frozen = ["--batch-norm-backward", "frozen"]
  static let messages = ["--transport", "messages"]
  static let blocks = [
    "--layers", "64,64,64", "--norm", "layer", "--residual", "--dropout", "0.2,0.1,0.3",
    "--input-dropout", "0.1",
  ]
  static let dropout = ["--layers", "48,48", "--residual", "--dropout", "0.2"]

  /// Trains, and returns what each rank allocated from its start to its end.
  private func count(ranks: Int, steps: Int, _ options: [String]) throws -> [AllocationCounts] {
    let folder = try TemporaryFolder()
    let result = try mpirun(
      ranks: ranks, productURL(named: "lockstep").path,
      ["train"] + options + [
        "--steps", "\(steps)", "--validation-split", "0", "--run", folder.file("run"), "--quiet",
      ],
      environment: [
        "LD_PRELOAD": try Self.counter.get(), "ALLOCATION_COUNTS": folder.path,
        // Otherwise hash tables grow at different times in each process.
        "SWIFT_DETERMINISTIC_HASHING": "1",
      ])
    #expect(result.status == 0, "\(result.standardError)")
    return try (0..<ranks).map { rank in
      let counts = AllocationCounts(try folder.text(of: "\(rank)"))
      // The start alone makes thousands: fewer mean that the library did not count.
      #expect(counts.program > 1000)
      return counts
    }
  }

  /// The number of steps by which two runs differ.
  ///
  /// Start and end of a run differ by up to a dozen allocations on a busy machine; one allocation
  /// in twenty steps is found.
  static let steps = 600
  static let few = steps / 20

  @Test(
    "Training steps after the second allocate no memory between logged steps",
    arguments: [
      (1, digits + exact), (1, small + frozen),
      (2, digits + frozen), (2, small + exact),
      (2, digits + exact + messages), (2, small + frozen + messages),
      (3, digits + exact), (3, small + frozen),
      (1, small + blocks), (2, small + dropout),
      (3, small + blocks + messages + ["--exchange", "all-reduce"]),
      (3, digits + frozen + messages), (3, small + exact + messages),
      (3, small + exact + ["--exchange-schedule", "halving", "--bucket-mb", "0.004"]),
      (3, small + exact + ["--exchange", "all-reduce", "--optimizer", "sgd", "--momentum", "0.9"]),
      (1, small + exact + ["--optimizer", "rmsprop", "--schedule", "one-cycle"]),
      (1, digits + exact + ["--optimizer", "lamb", "--max-norm", "1.25"]),
      (3, digits + exact + ["--optimizer", "lamb", "--max-norm", "1.25"]),
      (3, small + exact + messages + ["--optimizer", "lars", "--max-norm", "1.25"]),
      (1, digits + ["--class-weight", "balanced"]),
      (3, small + ["--class-weight", "3:2,8:0.5", "--loss", "mse"]),
    ])
  func none(ranks: Int, options: [String]) throws {
    let options = options + ["--log-every", "100000", "--drop-last"]
    let short = try count(ranks: ranks, steps: 2, options)
    let long = try count(ranks: ranks, steps: 2 + Self.steps, options)
    for (rank, counts) in zip(short, long).enumerated() {
      #expect(
        counts.1.program - counts.0.program < Self.few,
        "rank \(rank), \(options):\n\(counts.0.growth(in: counts.1))")
    }
  }

  @Test(
    "Training steps allocate no memory in later epochs either, whose last batch is short",
    arguments: [1, 2])
  func shortBatches(ranks: Int) throws {
    let options = Self.digits + ["--log-every", "100000"]
    let short = try count(ranks: ranks, steps: 20, options)
    let long = try count(ranks: ranks, steps: 20 + Self.steps, options)
    for counts in zip(short, long) {
      #expect(
        counts.1.program - counts.0.program < Self.few, "\(counts.0.growth(in: counts.1))")
    }
  }

  @Test("Training steps with row weights of a table allocate no memory", arguments: [1, 2])
  func rowWeights(ranks: Int) throws {
    let folder = try TemporaryFolder()
    let rows = (0..<640).map { "\($0 * 37 % 101),\($0 % 7),\($0 % 5),\($0 % 3)\n" }
    let path = try folder.write("t.csv", "a,w,b,y\n" + rows.joined())
    let options = [
      path, "--weights", "w", "--class-weight", "balanced", "--layers", "64", "--batch", "32",
      "--log-every", "100000",
    ]
    let short = try count(ranks: ranks, steps: 2, options)
    let long = try count(ranks: ranks, steps: 2 + Self.steps, options)
    for counts in zip(short, long) {
      #expect(
        counts.1.program - counts.0.program < Self.few, "\(counts.0.growth(in: counts.1))")
    }
  }

  @Test("The allocation count finds what one step in five allocates, for digests and for the log")
  func found() throws {
    let options = Self.small + ["--log-every", "5"]
    let short = try count(ranks: 2, steps: 10, options)
    let long = try count(ranks: 2, steps: 10 + Self.steps, options)
    for counts in zip(short, long) {
      #expect(counts.1.program - counts.0.program >= Self.steps / 5)
    }
  }
}
