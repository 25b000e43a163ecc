// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Passes mutated files to a reader: `ReaderFuzz READER INPUTS SEED`.
///
/// A trap, or an allocation beyond the memory limit, ends the process; the input is then still in the
/// folder. Built with `-D LIBFUZZER`, it is driven by libFuzzer, whose arguments follow the reader's
/// name.
@main
struct ReaderFuzz {
  /// The limit on the address space in bytes: a reader that lets a file allocate more traps.
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
    guard reader.accepts(seeds[0], in: folder) else {
      fatalError("\(reader.rawValue): the seed input is refused")
    }
    var mutation = Mutation(seed: seed)
    var accepted = 0
    let start = Date()
    for number in 0..<count {
      let input = mutation.mutated(seeds[number % seeds.count], words: reader.words)
      if reader.accepts(input, in: folder) { accepted += 1 }
    }
    let seconds = Date().timeIntervalSince(start)
    folder.remove()
    print(
      "\(reader.rawValue): \(count) inputs, \(accepted) accepted, \(count - accepted) refused, "
        + "\(Int(seconds.rounded())) s, peak memory \(peakMegabytes) MB")
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
