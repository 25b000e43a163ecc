// SPDX-License-Identifier: Apache-2.0
#if LIBFUZZER
  import Foundation

  // libFuzzer as a library: https://llvm.org/docs/LibFuzzer.html#using-libfuzzer-as-a-library
  @_silgen_name("LLVMFuzzerRunDriver")
  private func runDriver(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
  ) -> Int32

  /// The reader under test; global because libFuzzer's callback has no context argument.
  private nonisolated(unsafe) var current: (reader: Reader, folder: Folder)?

  enum LibFuzzer {
    static func run(_ reader: Reader, _ folder: Folder) throws {
      for (number, seed) in reader.seeds.enumerated() {
        try FileManager.default.createDirectory(
          atPath: folder.path + "/corpus", withIntermediateDirectories: true)
        _ = folder.write("corpus/\(number)", seed)
      }
      try dictionary(reader.words).write(
        toFile: folder.path + "/words", atomically: true, encoding: .utf8)
      current = (reader, folder)
      // libFuzzer exits by itself. After a failure it skips this handler, so the input is kept.
      atexit { current?.folder.remove() }
      let arguments =
        [CommandLine.arguments[0], "-dict=\(folder.path)/words"]
        + CommandLine.arguments.dropFirst(2)
        + [folder.path + "/corpus"]
      var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
      var count = Int32(arguments.count)
      let status = pointers.withUnsafeMutableBufferPointer { buffer in
        guard var base = buffer.baseAddress else { return Int32(70) }
        return runDriver(&count, &base) { bytes, size in
          guard let (reader, folder) = current else { return 0 }
          _ = reader.accepts(Array(UnsafeBufferPointer(start: bytes, count: size)), in: folder)
          return 0
        }
      }
      exit(status)
    }

    /// One word per line, in quotes, each byte in hexadecimal.
    private static func dictionary(_ words: [String]) -> String {
      words.map { word in
        "\"" + word.utf8.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
          + "\"\n"
      }.joined()
    }
  }
#endif
