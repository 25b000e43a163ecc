// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("Readers of mutated files")
struct ReaderFuzzTests {
  @Test(
    "a reader refuses or accepts each of 10,000 mutated files within its memory limit",
    arguments: [
      "safetensors", "checkpoint", "idx", "table", "new-table", "schema", "gzip", "npy", "npz",
      "yaml",
    ])
  func seeded(reader: String) throws {
    let result = try run(
      productURL(named: "ReaderFuzz").path, [reader, "10000", "7"])
    #expect(result.status == 0, "\(result.standardError.suffix(2000))")
    #expect(result.standardOutput.hasPrefix("\(reader): 10000 inputs, "))
  }
}
