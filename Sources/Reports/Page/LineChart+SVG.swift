// SPDX-License-Identifier: Apache-2.0
internal import Foundation

extension LineChart {
  private static let width = 640.0
  private static let height = 340.0
  /// Where the curves are, within the picture.
  private static let area = (left: 74.0, right: 618.0, top: 14.0, bottom: 288.0)
  /// How many colors the style sheet has.
  private static let colors = 8

  var html: String {
    let shown = curves.map { curve in
      Curve(
        curve.name, Self.thinned(curve.points), repeats: curve.repeats.map(Self.thinned),
        isReference: curve.isReference)
    }
    let points = shown.flatMap { $0.points + $0.repeats.joined() }
    let caption = "<figcaption>\(HTMLText.escaped(title))</figcaption>\n"
    guard !points.isEmpty else { return "<figure>\n\(caption)<p>no values</p>\n</figure>\n" }
    let x = xAxis(points.map(\.x))
    let y = AxisScale(
      holding: points.map(\.y), isLogarithmic: isLogarithmic, includingZero: startsAtZero)
    let lines = shown.enumerated().map { Self.line($1, color: $0, x, y) }.joined()
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
    _ curve: Curve, color: Int, _ x: AxisScale, _ y: AxisScale
  ) -> String {
    let kind = curve.isReference ? "reference" : "c\(color % colors)"
    return ([curve.points] + curve.repeats).map { line($0, kind, x, y) }.joined()
  }

  private static func line(
    _ points: [Point], _ kind: String, _ x: AxisScale, _ y: AxisScale
  ) -> String {
    let places = points.compactMap { point in
      column(point.x, x).flatMap { column in row(point.y, y).map { (column, $0) } }
    }
    let path = places.map { "\($0.0),\($0.1)" }.joined(separator: " ")
    var svg = places.count > 1 ? "<polyline class=\"\(kind)\" points=\"\(path)\"/>\n" : ""
    if kind != "reference" && places.count <= 30 {
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
