// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// Curves as text: one letter a curve, on a grid of characters.
public enum TextPlot {
  /// Draws curves of (x, y) points over a common range.
  ///
  /// The first is drawn in `A`, the second in `B`, and so on. Where curves meet there is a `*`. Points that are not finite are left out; without any point
  /// the text is empty. Every line ends with a line feed.
  ///
  /// - Parameter value: what the axis shows for a y, where curves are drawn on another scale.
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
