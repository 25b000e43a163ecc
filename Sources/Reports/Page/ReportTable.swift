// SPDX-License-Identifier: Apache-2.0

/// A table of a report: on a page, or as text for a terminal.
public struct ReportTable: Sendable {
  /// A field of a table.
  public struct Cell: Sendable, ExpressibleByStringInterpolation {
    /// What it says; also the range of a median, in parentheses on a terminal.
    public var text, detail: String
    /// Whether it is something to compare letter by letter, such as a digest.
    public var isCode: Bool

    /// A field with all it has.
    public init(_ text: String, detail: String = "", isCode: Bool = false) {
      self.text = text
      self.detail = detail
      self.isCode = isCode
    }

    /// A field with a text.
    public init(stringLiteral text: String) { self.init(text) }
  }

  /// The name of the table, by which scripts find it on the page.
  public var name: String
  /// The heads of the columns.
  public var columns: [String]
  /// The fields, a row at a time, as many as there are columns.
  public var rows: [[Cell]]
  /// How many columns from the left are text; the others are numbers.
  public var textColumns: Int

  /// A table with all it has.
  public init(_ name: String, columns: [String], rows: [[Cell]] = [], textColumns: Int = 1) {
    self.name = name
    self.columns = columns
    self.rows = rows
    self.textColumns = textColumns
  }

  var html: String {
    let head = columns.enumerated().map { index, column in
      "<th scope=\"col\"\(kind(index))>\(HTMLText.escaped(column))</th>"
    }.joined()
    let body = rows.map { row in
      "<tr>" + row.enumerated().map { html($1, $0) }.joined() + "</tr>\n"
    }.joined()
    return "<div class=\"wide\">\n<table id=\"\(HTMLText.escaped(name))\">\n<thead><tr>\(head)</tr>"
      + "</thead>\n<tbody>\n\(body)</tbody>\n</table>\n</div>\n"
  }

  private func kind(_ column: Int) -> String { column < textColumns ? " class=\"text\"" : "" }

  private func html(_ cell: Cell, _ column: Int) -> String {
    let text = HTMLText.escaped(cell.text)
    let shown = cell.isCode ? "<code>\(text)</code>" : text
    let detail =
      cell.detail.isEmpty ? "" : "<span class=\"detail\">\(HTMLText.escaped(cell.detail))</span>"
    return "<td\(kind(column))>\(shown)\(detail)</td>"
  }

  /// The table in aligned columns; every line ends with a line feed.
  public var text: String {
    let body = rows.map { row in
      row.map { Readable.oneLine($0.detail.isEmpty ? $0.text : "\($0.text) (\($0.detail))") }
    }
    let lines = [columns] + body
    let widths = columns.indices.map { column in
      lines.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return lines.map { line in
      let fields = zip(line, widths).enumerated().map { index, field in
        let gap = String(repeating: " ", count: max(field.1 - field.0.count, 0))
        return index < textColumns ? field.0 + gap : gap + field.0
      }
      let joined = fields.joined(separator: "  ")
      return String(joined.reversed().drop { $0 == " " }.reversed()) + "\n"
    }.joined()
  }
}
