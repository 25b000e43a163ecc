// SPDX-License-Identifier: Apache-2.0

/// Names and values in two aligned columns, such as the options that a run starts with.
public struct ResolvedOptionsTable {
  private let rows: [(name: String, value: String)]

  /// Takes the rows in the order in which they are to stand.
  public init(_ rows: [(name: String, value: String)]) {
    self.rows = rows
  }

  /// One line a row, indented by two spaces, each with a line feed at its end.
  public var text: String {
    let width = rows.map(\.name.count).max() ?? 0
    return rows.map { row in
      let gap = String(repeating: " ", count: width - row.name.count + 2)
      return "  " + Readable.oneLine(row.name + gap + row.value) + "\n"
    }.joined()
  }
}
