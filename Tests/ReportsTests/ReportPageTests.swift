// SPDX-License-Identifier: Apache-2.0
import Foundation
import Reports
import Testing

@Suite("Report pages")
struct ReportPageTests {
  func html(_ blocks: ReportBlock...) -> String {
    ReportPage(title: "T", subtitle: "s", sections: [ReportSection("H", blocks)]).html
  }

  func points(_ values: [(Double, Double)]) -> [LineChart.Point] {
    values.map { LineChart.Point(x: $0.0, y: $0.1) }
  }

  /// The points of the first polyline of a class.
  func polyline(_ kind: String, in html: String) -> [[Double]] {
    let start = "<polyline class=\"\(kind)\" points=\""
    guard let range = html.range(of: start) else { return [] }
    return html[range.upperBound...].prefix { $0 != "\"" }.split(separator: " ").map {
      $0.split(separator: ",").compactMap { Double($0) }
    }
  }

  @Test("All text on a page is escaped, wherever it occurs")
  func escaping() {
    let bad = "<b onload=\"x\">&'\u{1}\n"
    let table = ReportTable(bad, columns: [bad], rows: [[.init(bad, detail: bad, isCode: true)]])
    let chart = LineChart(bad, xLabel: bad, curves: [.init(bad, points([(1, 2)]))])
    let shares = ShareChart(bad, parts: [bad], bars: [.init(bad, [1])])
    let page = ReportPage(
      title: bad, subtitle: bad,
      sections: [
        ReportSection(
          bad,
          [
            .text(bad), .notice(.good, bad), .table(table), .details(bad, table),
            .figures([.lines(chart), .shares(shares)]),
          ])
      ]
    ).html
    #expect(!page.contains("<b ") && !page.contains("\u{1}") && !page.contains("load=\"x"))
    let escaped = "&lt;b onload=&quot;x&quot;&gt;&amp;&#39;  "
    #expect(page.components(separatedBy: escaped).count == 24)
  }

  @Test("Points are drawn at their positions between the axes")
  func places() {
    var chart = LineChart(
      "C", xLabel: "x", curves: [.init("c", points([(0, 0), (5, 5), (10, 10)]))])
    // The area is 74 to 618 wide, and 288 down to 14 high.
    #expect(
      polyline("c0", in: html(.figures([.lines(chart)]))) == [[74, 288], [346, 151], [618, 14]])
    chart.curves = [.init("c", points([(0, 1), (5, 10), (10, 100)]))]
    chart.isLogarithmic = true
    let places = polyline("c0", in: html(.figures([.lines(chart)])))
    #expect(places[1] == [346, 151])
    // About 3 % of the range is left free above and below.
    #expect(abs(places[0][1] - 280.2) < 0.5 && abs(places[2][1] - 21.8) < 0.5)
  }

  @Test("Axes are labeled with round numbers")
  func ticks() {
    var chart = LineChart("C", xLabel: "x", curves: [.init("c", points([(1, 0.2), (480, 1)]))])
    chart.isPercentage = true
    chart.startsAtZero = true
    let page = html(.figures([.lines(chart)]))
    for label in [">100</text>", ">400</text>", ">0 %</text>", ">20 %</text>", ">100 %</text>"] {
      #expect(page.contains(label), "\(label)")
    }
    chart.xTicks = [1, 480]
    #expect(html(.figures([.lines(chart)])).contains(">480</text>"))
  }

  @Test("A chart leaves out points that are not finite, and says if there are none")
  func degenerate() {
    var chart = LineChart(
      "C", xLabel: "x",
      curves: [
        .init("c", points([(1, .nan), (2, 3), (3, .infinity), (4, 3), (.nan, 1)])),
        .init("ideal", points([(1, 3), (4, 3)]), isReference: true),
      ])
    let places = polyline("c0", in: html(.figures([.lines(chart)])))
    #expect(places.count == 2 && places[0][1] == 151 && places[1][1] == 151)
    #expect(polyline("reference", in: html(.figures([.lines(chart)]))).count == 2)
    chart.curves = [.init("c", points([(1, .nan)]))]
    #expect(html(.figures([.lines(chart)])).contains("<p>No data.</p>"))
    chart.curves = [.init("c", points([(1, -1e308), (2, 1e308), (3, 0)]))]
    chart.isLogarithmic = true
    #expect(!html(.figures([.lines(chart)])).contains("\"nan"))
    #expect(!html(.figures([.lines(chart)])).contains(",nan"))
  }

  @Test("A long curve is drawn with 500 points, including its ends")
  func thinning() {
    let chart = LineChart(
      "C", xLabel: "x", curves: [.init("c", points((0...100_000).map { (Double($0), 1) }))])
    let places = polyline("c0", in: html(.figures([.lines(chart)])))
    #expect(places.count == 500 && places.first?[0] == 74 && places.last?[0] == 618)
  }

  @Test("Stacked bars never extend beyond the whole")
  func bars() {
    let chart = ShareChart(
      "C", parts: ["a", "b"], bars: [.init("x", [0.25, 0.75]), .init("y", [.nan, 7])])
    let page = html(.figures([.shares(chart)]))
    let widths = page.components(separatedBy: " width=\"").dropFirst().map {
      Double($0.prefix { $0 != "\"" }) ?? .nan
    }
    #expect(widths == [140, 420, 560])
    #expect(page.contains("<title>25.0 %</title>"))
  }

  @Test("A table for a terminal is aligned, and control characters can't break its lines")
  func text() {
    let table = ReportTable(
      "t", columns: ["Name", "Step", "x"],
      rows: [["a\u{1B}[2J", .init("1.5 ms", detail: "1 to 2"), "1"], ["longer name", "7", ""]])
    #expect(
      table.text == """
        Name                    Step  x
        a [2J        1.5 ms (1 to 2)  1
        longer name                7

        """)
  }
}
