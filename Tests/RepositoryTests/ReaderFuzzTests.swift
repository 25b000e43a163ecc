// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("Readers of changed files")
struct ReaderFuzzTests {
  @Test(
    "refuse or take each of thousands, under a limit on memory; launch/fuzz feeds a million",
    arguments: ["safetensors", "checkpoint", "idx", "csv", "gzip", "npy", "yaml"])
  func seeded(reader: String) throws {
    let result = try run(
      productURL(named: "ReaderFuzz").path, [reader, "10000", "7"], timeout: 300)
    #expect(result.status == 0, "\(result.standardError.suffix(2000))")
    #expect(result.standardOutput.hasPrefix("\(reader): 10000 inputs, "))
  }
}
