// SPDX-License-Identifier: Apache-2.0

/// A report as a self-contained HTML page, without external style sheets, fonts, scripts or images.
///
/// It suits phones, print, and light and dark screens. All text is escaped.
///
/// ```swift
/// var page = ReportPage(title: "Scaling", subtitle: "digits on 1 and 2 hosts")
/// page.sections.append(ReportSection("Losses", [.figures([.lines(chart)])]))
/// try TextFile.publish(page.html, to: "report.html")
/// ```
public struct ReportPage: Sendable {
  /// The title of the page.
  public var title: String
  /// The line below the title.
  public var subtitle: String
  /// The sections, from top to bottom.
  public var sections: [ReportSection]

  /// A page without sections.
  public init(title: String, subtitle: String, sections: [ReportSection] = []) {
    self.title = title
    self.subtitle = subtitle
    self.sections = sections
  }

  /// The page; it ends with a line feed.
  public var html: String {
    let title = HTMLText.escaped(title)
    let body = sections.map(\.html).joined()
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8"/>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <meta name="color-scheme" content="light dark"/>
      <title>\(title)</title>
      <style>\(ReportStyle.css)</style>
      </head>
      <body>
      <header>
      <h1>\(title)</h1>
      <p>\(HTMLText.escaped(subtitle))</p>
      </header>
      \(body)</body>
      </html>

      """
  }
}

/// A part of a report, with a heading.
public struct ReportSection: Sendable {
  /// The heading; empty for none.
  public var heading: String
  /// The content below it.
  public var blocks: [ReportBlock]

  /// Makes a section from its parts.
  public init(_ heading: String, _ blocks: [ReportBlock]) {
    self.heading = heading
    self.blocks = blocks
  }

  var html: String {
    let head = heading.isEmpty ? "" : "<h2>\(HTMLText.escaped(heading))</h2>\n"
    return "<section>\n" + head + blocks.map(\.html).joined() + "</section>\n"
  }
}

/// An element of a section.
public enum ReportBlock: Sendable {
  /// The severity of a notice, which is its class in the style sheet.
  public enum Severity: String, Sendable {
    /// Everything is as expected.
    case good
    /// A caveat about the numbers.
    case warning
  }

  /// A paragraph.
  case text(String)
  /// A highlighted paragraph.
  case notice(Severity, String)
  /// A table.
  case table(ReportTable)
  /// Charts, side by side where there is room.
  case figures([ReportFigure])
  /// A collapsed table with a summary line; expanded in print.
  case details(String, ReportTable)

  var html: String {
    switch self {
    case .text(let text): "<p>\(HTMLText.escaped(text))</p>\n"
    case .notice(let severity, let text):
      "<p class=\"notice \(severity.rawValue)\">\(HTMLText.escaped(text))</p>\n"
    case .table(let table): table.html
    case .figures(let figures):
      "<div class=\"figures\">\n" + figures.map(\.html).joined() + "</div>\n"
    case .details(let title, let table):
      "<details>\n<summary>\(HTMLText.escaped(title))</summary>\n\(table.html)</details>\n"
    }
  }
}

/// A chart with its title.
public enum ReportFigure: Sendable {
  /// A line chart.
  case lines(LineChart)
  /// Stacked bars.
  case shares(ShareChart)
  /// A confusion matrix.
  case matrix(HeatMap)

  var html: String {
    switch self {
    case .lines(let chart): chart.html
    case .shares(let chart): chart.html
    case .matrix(let chart): chart.html
    }
  }
}

/// A table of a report, for a page or as text for a terminal.
public struct ReportTable: Sendable {
  /// A cell of a table.
  public struct Cell: Sendable, ExpressibleByStringInterpolation {
    /// Its text, and a detail such as the range of a median, in parentheses on a terminal.
    public var text, detail: String
    /// Whether it is set in a monospaced font, such as a digest.
    public var isCode: Bool

    /// Makes a cell from its parts.
    public init(_ text: String, detail: String = "", isCode: Bool = false) {
      self.text = text
      self.detail = detail
      self.isCode = isCode
    }

    /// Makes a cell from its text.
    public init(stringLiteral text: String) { self.init(text) }
  }

  /// The `id` of the table on the page.
  public var name: String
  /// The titles of the columns.
  public var columns: [String]
  /// The rows, with a cell for each column.
  public var rows: [[Cell]]
  /// The number of columns from the left that are text; the others are numbers.
  public var textColumns: Int

  /// Makes a table from its parts.
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
    let cells = rows.map { row in
      row.map { $0.detail.isEmpty ? $0.text : "\($0.text) (\($0.detail))" }
    }
    return TextTable(
      columns, cells,
      alignments: columns.indices.map { $0 < textColumns ? .left : .right }, indent: 0
    ).text
  }
}

/// Text for HTML and SVG.
enum HTMLText {
  /// A text with markup escaped, for elements and for attributes in double quotes.
  ///
  /// Control characters, which XML doesn't allow, become spaces.
  static func escaped(_ text: String) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      case "\"": escaped += "&quot;"
      case "'": escaped += "&#39;"
      case "\u{0}"..<" ", "\u{7F}"..."\u{9F}", "\u{FFFE}", "\u{FFFF}": escaped += " "
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }
}

/// The style sheet of reports.
///
/// Colors can be distinguished with any kind of color vision (Okabe and Ito,
/// https://jfly.uni-koeln.de/color/); those for dark screens are lighter.
private enum ReportStyle {
  static let css = light + dark + layout + tables + figures + print

  private static let light = """

    :root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#59636e;--rule:#d5dae0;--grid:#e6eaee;
    --good:#0a6b45;--good-paper:#e4f5ec;--warning:#8a4b00;--warning-paper:#fdf1de;
    --c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#cc79a7;--c4:#8a6d00;--c5:#3b9fd6;--c6:#5b4bb5;--c7:#555}

    """
  private static let dark = """
    @media (prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e4e8ec;--soft:#9aa5b1;--rule:#343b43;
    --grid:#262c33;--good:#7fdcb0;--good-paper:#12301f;--warning:#f3c277;--warning-paper:#36270e;
    --c0:#56b4e9;--c1:#ff8a3c;--c2:#2fd0a0;--c3:#e9a3ca;--c4:#f0e442;--c5:#9ad4f5;--c6:#a99cf2;--c7:#bbb}}

    """
  private static let layout = """
    *{box-sizing:border-box}
    body{margin:0 auto;max-width:76rem;padding:1.5rem 1rem 3rem;background:var(--paper);color:var(--ink);
    font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
    h1{font-size:1.6rem;line-height:1.2;margin:0}
    h2{font-size:1.2rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--rule);padding-bottom:.2rem}
    header p{margin:.3rem 0 0;color:var(--soft)}
    p{margin:.6rem 0;max-width:56rem;overflow-wrap:anywhere}
    .notice{border-left:.3rem solid;padding:.5rem .8rem;border-radius:.2rem}
    .good{color:var(--good);background:var(--good-paper)}
    .warning{color:var(--warning);background:var(--warning-paper)}
    summary{cursor:pointer;margin:.8rem 0;color:var(--soft)}

    """
  private static let tables = """
    .wide{overflow-x:auto;margin:.8rem 0}
    table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
    th,td{padding:.35rem .7rem;text-align:right;vertical-align:top;border-bottom:1px solid var(--rule)}
    th{color:var(--soft);font-weight:600;vertical-align:bottom}
    td{white-space:nowrap}
    .text{text-align:left}
    td.text{white-space:normal;min-width:6.5rem}
    .detail{display:block;color:var(--soft);font-size:.8em}
    code{white-space:nowrap;font:.85em ui-monospace,"DejaVu Sans Mono",monospace}

    """
  private static let figures = """
    .figures{display:grid;gap:1.2rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr))}
    figure{margin:0;break-inside:avoid}
    figcaption{font-weight:600;margin-bottom:.3rem}
    svg{display:block;width:100%;height:auto;max-width:46rem}
    svg text{fill:var(--soft);font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
    @media (max-width:40rem){svg text{font-size:19px}}
    .x{text-anchor:middle}
    text.bar{fill:var(--ink)}
    text.y{text-anchor:end;dominant-baseline:middle}
    .end{text-anchor:end}
    .cell{fill:var(--c0);stroke:var(--grid)}
    text.count{fill:var(--ink);font-size:12px;text-anchor:middle;dominant-baseline:middle}
    text.count.dark{fill:var(--paper)}
    .grid{stroke:var(--grid)}
    polyline{fill:none;stroke-width:1.8;stroke-linejoin:round}
    polyline.reference{stroke:var(--soft);stroke-dasharray:6 5;stroke-width:1.4}
    .legend{list-style:none;margin:.3rem 0 0;padding:0;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;font-size:.85rem}
    .legend li{overflow-wrap:anywhere}
    .legend li::before{content:"";display:inline-block;width:1.1em;height:.7em;margin-right:.4em;border-radius:2px;
    background:currentColor}
    .legend li.reference::before{height:0;border-top:2px dashed var(--soft);background:none;vertical-align:.3em}

    """
  /// The classes of curves (c0 and up) and of parts of bars (p0 and up).
  private static let colors = (0..<8).map { index in
    "polyline.c\(index){stroke:var(--c\(index))}circle.c\(index),rect.p\(index){fill:var(--c\(index))}"
      + ".legend li.c\(index)::before,.legend li.p\(index)::before{background:var(--c\(index))}\n"
  }.joined()

  private static let print =
    colors + """
      @media print{body{max-width:none;padding:0;font-size:10pt}.wide{overflow:visible}
      details::details-content{content-visibility:visible;block-size:auto}
      h2{break-after:avoid}tr{break-inside:avoid}.notice{border:1px solid}}

      """
}
