// SPDX-License-Identifier: Apache-2.0

/// A confusion matrix as a heat map, drawn as SVG.
///
/// A cell's color is its share of its row; with few classes it has its count as text, too, and with any
/// number when pointed at.
public struct HeatMap: Sendable {
  /// The title.
  public var title: String
  /// The classes.
  public var labels: [String]
  /// The counts, a list per row, as long as there are classes.
  public var counts: [[Int]]

  /// The largest number of classes that can be drawn.
  public static let mostClasses = 60

  /// Makes a heat map from its parts.
  public init(_ title: String, labels: [String], counts: [[Int]]) {
    self.title = title
    self.labels = labels
    self.counts = counts
  }

  private static let top = 12.0
  private static let side = 420.0
  private static let width = 640.0
  /// The largest number of classes whose counts fit into their cells.
  private static let mostCounts = 15
  /// The largest number of labels beside an axis.
  private static let mostLabels = 30

  private var cell: Double { Self.side / Double(max(labels.count, 1)) }
  /// About the width of the longest label.
  private var labelWidth: Double { Double(labels.map { Self.cut($0).count }.max() ?? 0) * 8 }
  private var left: Double { 40 + labelWidth }
  /// Whether labels fit below their cells.
  private var areLabelsUpright: Bool { labelWidth <= cell }
  private var height: Double {
    Self.top + Self.side + 46 + (areLabelsUpright ? 0 : (labelWidth * 0.7).rounded())
  }

  var html: String {
    let title = HTMLText.escaped(title)
    let cells = counts.indices.map(cells(ofRow:)).joined()
    return "<figure>\n<figcaption>\(title)</figcaption>\n"
      + "<svg viewBox=\"0 0 \(Self.width) \(height)\" role=\"img\" aria-label=\"\(title)\">\n"
      + cells + axes + "</svg>\n</figure>\n"
  }

  private func cells(ofRow row: Int) -> String {
    let total = counts[row].reduce(0, +)
    return counts[row].enumerated().map { column, count in
      let share = total == 0 ? 0 : Double(count) / Double(total)
      let (x, y) = (left + Double(column) * cell, Self.top + Double(row) * cell)
      let names = "\(labels[row]) predicted as \(labels[column]): \(Readable.count(count))"
      var svg = "<rect class=\"cell\" x=\"\(Self.tenths(x))\" y=\"\(Self.tenths(y))\" "
      svg += "width=\"\(Self.tenths(cell))\" height=\"\(Self.tenths(cell))\" "
      svg += "fill-opacity=\"\((share * 1000).rounded() / 1000)\">"
      svg += "<title>\(HTMLText.escaped(names))</title></rect>"
      if count > 0, labels.count <= Self.mostCounts {
        svg +=
          "<text class=\"count\(share > 0.5 ? " dark" : "")\" x=\"\(Self.tenths(x + cell / 2))\" "
        svg += "y=\"\(Self.tenths(y + cell / 2))\">\(Readable.count(count))</text>"
      }
      return svg + "\n"
    }.joined()
  }

  private var axes: String {
    let stride = (labels.count + Self.mostLabels - 1) / Self.mostLabels
    var svg = ""
    for index in labels.indices where index % max(stride, 1) == 0 {
      let label = HTMLText.escaped(Self.cut(labels[index]))
      let place = (Double(index) + 0.5) * cell
      let (x, y) = (Self.tenths(left + place), Self.tenths(Self.top + place))
      let below = Self.top + Self.side + 14
      svg += "<text class=\"y\" x=\"\(left - 8)\" y=\"\(y)\">\(label)</text>"
      svg +=
        areLabelsUpright
        ? "<text class=\"x\" x=\"\(x)\" y=\"\(below + 4)\">\(label)</text>\n"
        : "<text class=\"end\" transform=\"translate(\(x) \(below)) rotate(-45)\">\(label)</text>\n"
    }
    let middle = Self.tenths(Self.top + Self.side / 2)
    return svg
      + "<text class=\"x\" x=\"\(left + Self.side / 2)\" y=\"\(height - 6)\">"
      + "predicted class</text>\n"
      + "<text class=\"x\" transform=\"translate(14 \(middle)) rotate(-90)\">class</text>\n"
  }

  private static func cut(_ label: String) -> String {
    label.count <= 11 ? label : label.prefix(10) + "…"
  }

  private static func tenths(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}
