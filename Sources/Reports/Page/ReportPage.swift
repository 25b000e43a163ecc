// SPDX-License-Identifier: Apache-2.0

/// A report as one HTML page that needs nothing beside itself: no style sheet, font, script or image.
///
/// It is read on phones, in print, and on light and dark screens. All text is escaped.
///
/// ```swift
/// var page = ReportPage(title: "Scaling", subtitle: "digits on 1 and 2 hosts")
/// page.sections.append(ReportSection("Losses", [.figures([.lines(chart)])]))
/// try TextFile.publish(page.html, to: "report.html")
/// ```
public struct ReportPage: Sendable {
  /// What the report is about, in a few words.
  public var title: String
  /// A line below the title.
  public var subtitle: String
  /// The parts of the report, in their order.
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
  /// The heading; none if empty.
  public var heading: String
  /// What stands below it.
  public var blocks: [ReportBlock]

  /// A section with all it has.
  public init(_ heading: String, _ blocks: [ReportBlock]) {
    self.heading = heading
    self.blocks = blocks
  }

  var html: String {
    let head = heading.isEmpty ? "" : "<h2>\(HTMLText.escaped(heading))</h2>\n"
    return "<section>\n" + head + blocks.map(\.html).joined() + "</section>\n"
  }
}

/// What a section is made of.
public enum ReportBlock: Sendable {
  /// Something that the reader must not miss.
  public enum Mood: String, Sendable {
    /// All is as it should be.
    case good
    /// Something to know before the figures are believed.
    case warning
  }

  /// Sentences.
  case text(String)
  /// Sentences that stand out.
  case notice(Mood, String)
  /// A table.
  case table(ReportTable)
  /// Figures, beside each other where there is room.
  case figures([ReportFigure])
  /// A table that is shown when its title is chosen, and in print.
  case details(String, ReportTable)

  var html: String {
    switch self {
    case .text(let text): "<p>\(HTMLText.escaped(text))</p>\n"
    case .notice(let mood, let text):
      "<p class=\"notice \(mood.rawValue)\">\(HTMLText.escaped(text))</p>\n"
    case .table(let table): table.html
    case .figures(let figures):
      "<div class=\"figures\">\n" + figures.map(\.html).joined() + "</div>\n"
    case .details(let title, let table):
      "<details>\n<summary>\(HTMLText.escaped(title))</summary>\n\(table.html)</details>\n"
    }
  }
}

/// A picture with its title.
public enum ReportFigure: Sendable {
  /// Curves over a common axis.
  case lines(LineChart)
  /// Bars that are cut into shares of a whole.
  case shares(ShareChart)

  var html: String {
    switch self {
    case .lines(let chart): chart.html
    case .shares(let chart): chart.html
    }
  }
}
