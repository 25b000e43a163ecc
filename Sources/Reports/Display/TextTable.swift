// SPDX-License-Identifier: Apache-2.0

/// Rows of cells in aligned columns under a line of titles.
public struct TextTable {
  private let rows: [[String]]

  /// Takes the titles, and rows of as many cells.
  public init(_ titles: [String], _ rows: [[String]]) {
    self.rows = [titles] + rows
  }

  /// One line a row, indented by two spaces, each with a line feed at its end; the columns that hold
  /// numbers alone are set to the right.
  public var text: String {
    let columns = rows.map(\.count).max() ?? 0
    let cells = (0..<columns).map { column in
      rows.map { $0.count > column ? Readable.oneLine($0[column]) : "" }
    }
    let lines = rows.indices.map { row in
      let parts = cells.map { column in
        let width = column.map(\.count).max() ?? 0
        let gap = String(repeating: " ", count: width - column[row].count)
        return isNumeric(column) ? gap + column[row] : column[row] + gap
      }
      var line = "  " + parts.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line
    }
    return lines.map { $0 + "\n" }.joined()
  }

  private func isNumeric(_ column: [String]) -> Bool {
    column.dropFirst().allSatisfy { cell in
      cell == "-"
        || cell.first.map { $0.isNumber || $0 == "-" || $0 == "+" } ?? true
          && !cell.contains { $0.isLetter || $0 == " " && cell.last != "%" }
    }
  }
}
