// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import TestSupport
import Testing

/// Tables are compared with what scikit-learn makes of them; Tests/Reference/table_features.py wrote the files.
@Suite("Tables as scikit-learn encodes them")
struct ReferenceTableTests {
  private let folder = packagePath("Tests/Reference/tables")

  private func numbers(_ name: String) throws -> [[Double]] {
    try String(contentsOfFile: "\(folder)/\(name).csv", encoding: .utf8).split(separator: "\n")
      .map { line in try line.split(separator: ",").map { try #require(Double($0)) } }
  }

  private func check(_ rows: [[Float]], _ targets: [Float], _ name: String) throws {
    let expected = try numbers("\(name)-features")
    #expect(rows.count == expected.count && rows[0].count == expected[0].count)
    for (row, other) in zip(rows, expected) {
      #expect(
        zip(row, other).allSatisfy { abs(Double($0) - $1) <= 1e-6 * abs($1) }, "\(row) \(other)")
    }
    for (target, other) in zip(targets, try numbers("\(name)-targets")) {
      #expect(abs(Double(target) - other[0]) < 1e-6)
    }
  }

  @Test("imputed, one-hot and standardized columns are those of scikit-learn, for new rows too")
  func mixed() throws {
    let data = try Dataset.load(.table(path: "\(folder)/mixed.csv"), TableFixture.options())
    let schema = try data.known
    #expect(data.training.rows == 80 && schema.outputs == 1)
    try check(data.training.featureRows, data.training.targetValues, "mixed")
    var options = LoadOptions(targets: .numeric)
    options.schema = schema
    let new = try Dataset.load(.table(path: "\(folder)/mixed-new.csv"), options)
    let unseen = "with a level that was not in the training data (first \"unknown\""
    #expect(new.notices.contains { $0.contains(unseen) })
    try check(new.training.featureRows, new.training.targetValues, "mixed-new")
  }
}
