// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Feeds changed files to a reader: `ReaderFuzz READER INPUTS SEED`.
///
/// A trap or an exhausted limit on memory ends the process; the input is in the folder then. Built
/// with `-D LIBFUZZER` it is driven by libFuzzer, whose arguments follow the reader's name.
@main
struct ReaderFuzz {
  /// What the process may take of addresses, in bytes: a reader that lets a file have more traps.
  static let memoryLimit = rlim_t(1) << 30

  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count >= 2, let reader = Reader(rawValue: arguments[1]) else {
      let names = Reader.allCases.map(\.rawValue).joined(separator: " | ")
      FileHandle.standardError.write(Data("usage: ReaderFuzz \(names) INPUTS SEED\n".utf8))
      exit(64)
    }
    let folder = try Folder()
    #if LIBFUZZER
      try LibFuzzer.run(reader, folder)
    #else
      let count = arguments.count > 2 ? Int(arguments[2]) ?? 1000 : 1000
      let seed = arguments.count > 3 ? UInt64(arguments[3]) ?? 1 : 1
      try mutate(reader, count: count, seed: seed, folder)
    #endif
  }

  private static func mutate(_ reader: Reader, count: Int, seed: UInt64, _ folder: Folder) throws {
    let seeds = reader.seeds
    limitMemory()
    guard reader.take(seeds[0], in: folder) else {
      fatalError("\(reader.rawValue): the input to begin with is refused")
    }
    var mutation = Mutation(seed: seed)
    var taken = 0
    let start = Date()
    for number in 0..<count {
      let input = mutation.changed(seeds[number % seeds.count], words: reader.words)
      if reader.take(input, in: folder) { taken += 1 }
    }
    let seconds = Date().timeIntervalSince(start)
    folder.remove()
    print(
      "\(reader.rawValue): \(count) inputs, \(taken) taken, \(count - taken) refused, "
        + "\(Int(seconds.rounded())) s, largest memory \(peakMegabytes) MB")
  }

  static func limitMemory() {
    var limit = rlimit(rlim_cur: memoryLimit, rlim_max: memoryLimit)
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
  }

  private static var peakMegabytes: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss / 1024
  }
}
