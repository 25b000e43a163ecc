// SPDX-License-Identifier: Apache-2.0

/// Bars that are cut into shares of a whole.
public struct ShareChart: Sendable {
  /// A bar.
  public struct Bar: Sendable {
    /// What it is about.
    public var name: String
    /// A share for each part, 0 to 1.
    public var shares: [Double]

    /// A bar from all it has.
    public init(_ name: String, _ shares: [Double]) {
      self.name = name
      self.shares = shares
    }
  }

  /// What the chart shows.
  public var title: String
  /// What the bars are cut into.
  public var parts: [String]
  /// The bars, from the top.
  public var bars: [Bar]

  /// A chart from all it has.
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
