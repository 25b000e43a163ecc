// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// A line chart, drawn as SVG.
public struct LineChart: Sendable {
  /// A point of a curve; points that are not finite are left out.
  public struct Point: Sendable, Equatable {
    /// Its coordinates.
    public var x, y: Double

    /// Makes a point from its coordinates.
    public init(x: Double, y: Double) {
      self.x = x
      self.y = y
    }
  }

  /// A curve.
  public struct Curve: Sendable {
    /// Its name in the legend.
    public var name: String
    /// Its points, by ascending x.
    public var points: [Point]
    /// The points of further lines in the same color, such as repeated measurements.
    public var repeats: [[Point]]
    /// Whether it is a reference for the others, which is gray and dashed.
    public var isReference: Bool

    /// Makes a curve from its parts.
    public init(
      _ name: String, _ points: [Point], repeats: [[Point]] = [], isReference: Bool = false
    ) {
      self.name = name
      self.repeats = repeats
      self.points = points
      self.isReference = isReference
    }
  }

  /// The title.
  public var title: String
  /// The label of the horizontal axis.
  public var xLabel: String
  /// The curves, in the order of their colors.
  public var curves: [Curve]
  /// Whether the vertical axis is logarithmic, if all values are above 0.
  public var isLogarithmic = false
  /// Whether the vertical axis starts at 0.
  public var startsAtZero = false
  /// Whether values are fractions, shown as percentages.
  public var isPercentage = false
  /// Whether the points of short curves are marked.
  public var marksPoints = true
  /// The ticks of the horizontal axis; nil for round numbers.
  public var xTicks: [Double]?

  /// A chart with linear axes.
  public init(_ title: String, xLabel: String, curves: [Curve]) {
    self.title = title
    self.xLabel = xLabel
    self.curves = curves
  }

  /// The maximum number of points with which a curve is drawn.
  private static let maximumPoints = 500

  /// Evenly spread points of a curve, including the first and the last.
  private static func thinned(_ points: [Point]) -> [Point] {
    let points = points.filter { $0.x.isFinite && $0.y.isFinite }
    guard points.count > maximumPoints else { return points }
    return (0..<maximumPoints).map { points[$0 * (points.count - 1) / (maximumPoints - 1)] }
  }
}

extension LineChart {
  private static let width = 640.0
  private static let height = 340.0
  /// The area of the curves within the image.
  private static let area = (left: 74.0, right: 618.0, top: 14.0, bottom: 288.0)
  /// The number of colors in the style sheet.
  private static let colors = 8

  var html: String {
    let shown = curves.map { curve in
      Curve(
        curve.name, Self.thinned(curve.points), repeats: curve.repeats.map(Self.thinned),
        isReference: curve.isReference)
    }
    let points = shown.flatMap { $0.points + $0.repeats.joined() }
    let caption = "<figcaption>\(HTMLText.escaped(title))</figcaption>\n"
    guard !points.isEmpty else { return "<figure>\n\(caption)<p>No data.</p>\n</figure>\n" }
    let x = xAxis(points.map(\.x))
    let y = AxisScale(
      holding: points.map(\.y), isLogarithmic: isLogarithmic, includingZero: startsAtZero)
    let lines = shown.enumerated().map {
      Self.line($1, color: $0, marksPoints: marksPoints, x, y)
    }.joined()
    return "<figure>\n\(caption)<svg viewBox=\"0 0 640 340\" role=\"img\" "
      + "aria-label=\"\(HTMLText.escaped(title))\">\n"
      + axes(x, y) + lines + "</svg>\n" + legend(shown) + "</figure>\n"
  }

  private func xAxis(_ values: [Double]) -> AxisScale {
    guard let xTicks, let first = xTicks.min(), let last = xTicks.max(), last > first else {
      return AxisScale(holding: values)
    }
    let room = (last - first) * 0.04
    return AxisScale(from: first - room, to: last + room, ticks: xTicks)
  }

  private func axes(_ x: AxisScale, _ y: AxisScale) -> String {
    let area = Self.area
    var svg = ""
    for tick in y.ticks {
      guard let place = Self.row(tick, y) else { continue }
      svg += "<line class=\"grid\" x1=\"\(area.left)\" y1=\"\(place)\" x2=\"\(area.right)\" "
      svg += "y2=\"\(place)\"/><text class=\"y\" x=\"\(area.left - 8)\" y=\"\(place)\">"
      svg += HTMLText.escaped(label(tick)) + "</text>\n"
    }
    for tick in x.ticks {
      guard let place = Self.column(tick, x) else { continue }
      svg += "<line class=\"grid\" x1=\"\(place)\" y1=\"\(area.top)\" x2=\"\(place)\" "
      svg += "y2=\"\(area.bottom)\"/><text class=\"x\" x=\"\(place)\" y=\"\(area.bottom + 20)\">"
      svg += Readable.short(tick) + "</text>\n"
    }
    return svg + "<text class=\"x\" x=\"\((area.left + area.right) / 2)\" y=\"\(Self.height - 8)\">"
      + HTMLText.escaped(xLabel) + "</text>\n"
  }

  private func label(_ value: Double) -> String {
    isPercentage ? Readable.short(value * 100) + " %" : Readable.short(value)
  }

  private static func line(
    _ curve: Curve, color: Int, marksPoints: Bool, _ x: AxisScale, _ y: AxisScale
  ) -> String {
    let kind = curve.isReference ? "reference" : "c\(color % colors)"
    return ([curve.points] + curve.repeats).map {
      line($0, kind, marksPoints: marksPoints && !curve.isReference, x, y)
    }.joined()
  }

  private static func line(
    _ points: [Point], _ kind: String, marksPoints: Bool, _ x: AxisScale, _ y: AxisScale
  ) -> String {
    let places = points.compactMap { point in
      column(point.x, x).flatMap { column in row(point.y, y).map { (column, $0) } }
    }
    let path = places.map { "\($0.0),\($0.1)" }.joined(separator: " ")
    var svg = places.count > 1 ? "<polyline class=\"\(kind)\" points=\"\(path)\"/>\n" : ""
    if marksPoints && places.count <= 30 {
      for place in places {
        svg += "<circle class=\"\(kind)\" cx=\"\(place.0)\" cy=\"\(place.1)\" r=\"3.5\"/>\n"
      }
    }
    return svg
  }

  private func legend(_ curves: [Curve]) -> String {
    let items = curves.enumerated().map { index, curve in
      let kind = curve.isReference ? "reference" : "c\(index % Self.colors)"
      return "<li class=\"\(kind)\">\(HTMLText.escaped(curve.name))</li>"
    }
    return "<ul class=\"legend\">" + items.joined() + "</ul>\n"
  }

  private static func column(_ value: Double, _ axis: AxisScale) -> Double? {
    axis.position(of: value).map { tenths(area.left + $0 * (area.right - area.left)) }
  }

  private static func row(_ value: Double, _ axis: AxisScale) -> Double? {
    axis.position(of: value).map { tenths(area.bottom - $0 * (area.bottom - area.top)) }
  }

  private static func tenths(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}

/// The scale of a chart's axis: its range, whether it is logarithmic, and its ticks.
private struct AxisScale {
  /// The labeled values in ascending order.
  let ticks: [Double]
  private let minimum, maximum: Double
  private let isLogarithmic: Bool

  /// An axis that contains all finite values.
  ///
  /// - Parameter isLogarithmic: ignored unless all values are above 0.
  init(holding values: [Double], isLogarithmic: Bool = false, includingZero: Bool = false) {
    let finite = values.filter { $0.isFinite && abs($0) < 1e300 }
    var (minimum, maximum) = (finite.min() ?? 0, finite.max() ?? 1)
    self.isLogarithmic = isLogarithmic && minimum > 1e-300
    if self.isLogarithmic {
      let (low, high) = Self.apart(log10(minimum), log10(maximum))
      (minimum, maximum) = (low - (high - low) * 0.03, high + (high - low) * 0.03)
      ticks = Self.logarithmicTicks(minimum, maximum)
    } else {
      if includingZero { (minimum, maximum) = (min(minimum, 0), max(maximum, 0)) }
      (minimum, maximum) = Self.apart(minimum, maximum)
      ticks = Self.ticks(minimum, maximum)
    }
    (self.minimum, self.maximum) = (minimum, maximum)
  }

  /// An axis with a given range and given ticks.
  init(from minimum: Double, to maximum: Double, ticks: [Double]) {
    (self.minimum, self.maximum) = (minimum, maximum)
    self.ticks = ticks
    isLogarithmic = false
  }

  /// The position of a value, 0 at the start of the axis and 1 at its end; nil outside.
  func position(of value: Double) -> Double? {
    guard value.isFinite, !isLogarithmic || value > 0 else { return nil }
    let place = ((isLogarithmic ? log10(value) : value) - minimum) / (maximum - minimum)
    return place.isFinite && (-0.01...1.01).contains(place) ? place : nil
  }

  private static func apart(_ minimum: Double, _ maximum: Double) -> (Double, Double) {
    guard maximum - minimum <= abs(maximum) * 1e-9 else { return (minimum, maximum) }
    let room = maximum == 0 ? 1 : abs(maximum) * 0.1
    return (minimum - room, maximum + room)
  }

  /// Multiples of 1, 2 or 5 times a power of ten, four to nine in number.
  private static func ticks(_ minimum: Double, _ maximum: Double) -> [Double] {
    let rough = (maximum - minimum) / 5
    let power = pow(10, floor(log10(rough)))
    let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough * 0.999 } ?? rough
    guard step > 0, step.isFinite else { return [] }
    let first = (minimum / step - 1e-9).rounded(.up)
    return (0..<12).map { (first + Double($0)) * step }.filter { $0 <= maximum + step * 1e-9 }
  }

  /// Powers of ten, and over up to two decades also 2 and 5 times them.
  private static func logarithmicTicks(_ minimum: Double, _ maximum: Double) -> [Double] {
    let decades = maximum - minimum
    let stride = max(1, Int((decades / 6).rounded(.up)))
    let factors: [Double] = decades > 2 ? [1] : [1, 2, 5]
    var ticks: [Double] = []
    let first = Int(minimum.rounded(.down))
    for exponent in first...max(first, Int(maximum.rounded(.up))) where exponent % stride == 0 {
      ticks += factors.map { $0 * pow(10, Double(exponent)) }
    }
    let shown = ticks.filter { log10($0) >= minimum && log10($0) <= maximum }
    // A range below a factor of two may contain none of them.
    return shown.count >= 2
      ? shown
      : Self.ticks(pow(10, minimum), pow(10, maximum)).filter { $0 > 0 }
  }
}

/// A chart of stacked horizontal bars that show shares of a whole, drawn as SVG.
public struct ShareChart: Sendable {
  /// A bar.
  public struct Bar: Sendable {
    /// Its label.
    public var name: String
    /// The share of each part, 0 to 1.
    public var shares: [Double]

    /// Makes a bar from its parts.
    public init(_ name: String, _ shares: [Double]) {
      self.name = name
      self.shares = shares
    }
  }

  /// The title.
  public var title: String
  /// The names of the parts.
  public var parts: [String]
  /// The bars, from top to bottom.
  public var bars: [Bar]

  /// Makes a chart from its parts.
  public init(_ title: String, parts: [String], bars: [Bar]) {
    self.title = title
    self.parts = parts
    self.bars = bars
  }

  private static let left = 20.0
  private static let length = 560.0
  private static let pitch = 52.0

  var html: String {
    let height = 34 + Self.pitch * Double(bars.count)
    let bars = bars.enumerated().map { Self.html($1, at: 24 + Self.pitch * Double($0)) }.joined()
    let percent = [0.0, 0.25, 0.5, 0.75, 1].map { share in
      "<text class=\"x\" x=\"\(Self.left + share * Self.length)\" y=\"\(height - 6)\">"
        + "\(Int(share * 100)) %</text>\n"
    }.joined()
    let legend = parts.enumerated().map { index, part in
      "<li class=\"p\(index)\">\(HTMLText.escaped(part))</li>"
    }.joined()
    let title = HTMLText.escaped(title)
    return "<figure>\n<figcaption>\(title)</figcaption>\n"
      + "<svg viewBox=\"0 0 640 \(height)\" role=\"img\" aria-label=\"\(title)\">\n"
      + bars + percent + "</svg>\n<ul class=\"legend\">\(legend)</ul>\n</figure>\n"
  }

  private static func html(_ bar: Bar, at top: Double) -> String {
    var svg = "<text class=\"bar\" x=\"\(left)\" y=\"\(top - 5)\">"
    svg += HTMLText.escaped(bar.name) + "</text>\n"
    var start = left
    for (index, share) in bar.shares.enumerated() where share.isFinite && share > 0 {
      let width = (min(share, 1) * length * 10).rounded() / 10
      let end = min(start + width, left + length)
      svg += "<rect class=\"p\(index)\" x=\"\(start)\" y=\"\(top)\" height=\"20\" "
      svg +=
        "width=\"\(max(end - start, 0))\"><title>\(Readable.percentage(share))</title></rect>\n"
      start = end
    }
    return svg
  }
}

/// A line chart as text, with a letter for each curve.
public enum TextPlot {
  /// Draws curves of (x, y) points over a common range.
  ///
  /// The first is drawn with `A`, the second with `B`, and so on, and `*` where curves meet. Points
  /// that are not finite are left out; without any point the text is empty. Every line ends with a
  /// line feed.
  ///
  /// - Parameter value: the number that labels a y, for curves on a transformed scale.
  public static func text(
    _ curves: [[(x: Double, y: Double)]], width: Int = 64, height: Int = 12,
    labeling value: (Double) -> Double = { $0 }
  ) -> String {
    let points = curves.joined().filter { $0.x.isFinite && $0.y.isFinite }
    guard let first = points.first, width > 1, height > 1 else { return "" }
    let x = points.reduce((first.x, first.x)) { (min($0.0, $1.x), max($0.1, $1.x)) }
    let y = points.reduce((first.y, first.y)) { (min($0.0, $1.y), max($0.1, $1.y)) }
    var grid = Array(repeating: Array(repeating: Character(" "), count: width), count: height)
    for (number, curve) in curves.enumerated() {
      let letter = Character(UnicodeScalar(UInt8(65 + number % 26)))
      for point in curve where point.x.isFinite && point.y.isFinite {
        let column = place(point.x, x, width)
        let row = height - 1 - place(point.y, y, height)
        let old = grid[row][column]
        grid[row][column] = old == " " || old == letter ? letter : "*"
      }
    }
    let labels = [0: label(value(y.1)), height - 1: label(value(y.0))]
    let lines = grid.enumerated().map { row, cells in
      let text = labels[row] ?? ""
      return String(repeating: " ", count: 9 - text.count) + text + " |" + String(cells)
    }
    return lines.joined(separator: "\n") + "\n" + String(repeating: " ", count: 10) + "+"
      + String(repeating: "-", count: width) + "\n"
  }

  private static func place(_ value: Double, _ range: (Double, Double), _ count: Int) -> Int {
    guard range.1 > range.0 else { return 0 }
    return Int(((value - range.0) / (range.1 - range.0) * Double(count - 1)).rounded())
  }

  private static func label(_ value: Double) -> String {
    String(String(format: "%.3g", value).prefix(9))
  }
}
