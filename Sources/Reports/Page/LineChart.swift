// SPDX-License-Identifier: Apache-2.0

/// Curves over a common axis.
public struct LineChart: Sendable {
  /// A point of a curve; what is not finite is left out.
  public struct Point: Sendable, Equatable {
    /// Where it lies.
    public var x, y: Double

    /// A point with its coordinates.
    public init(x: Double, y: Double) {
      self.x = x
      self.y = y
    }
  }

  /// A curve.
  public struct Curve: Sendable {
    /// What it is, for the legend.
    public var name: String
    /// Its points, by ascending x.
    public var points: [Point]
    /// The points of more lines of the same color, such as repeats of a measurement.
    public var repeats: [[Point]]
    /// Whether it is what the others are held against, drawn without color and dashed.
    public var isReference: Bool

    /// A curve from all it has.
    public init(
      _ name: String, _ points: [Point], repeats: [[Point]] = [], isReference: Bool = false
    ) {
      self.name = name
      self.repeats = repeats
      self.points = points
      self.isReference = isReference
    }
  }

  /// What the chart shows.
  public var title: String
  /// What its horizontal axis counts.
  public var xLabel: String
  /// The curves, in the order of their colors.
  public var curves: [Curve]
  /// Whether the vertical axis is logarithmic, if all values are above 0.
  public var isLogarithmic = false
  /// Whether the vertical axis begins at 0.
  public var startsAtZero = false
  /// Whether values are fractions, shown as percentages.
  public var isPercentage = false
  /// The values at which the horizontal axis is labeled; nil for round ones.
  public var xTicks: [Double]?

  /// A chart with linear axes.
  public init(_ title: String, xLabel: String, curves: [Curve]) {
    self.title = title
    self.xLabel = xLabel
    self.curves = curves
  }

  /// The most points that a curve is drawn with.
  static let mostPoints = 500

  /// Evenly spread points of a curve, first and last among them.
  static func thinned(_ points: [Point]) -> [Point] {
    let points = points.filter { $0.x.isFinite && $0.y.isFinite }
    guard points.count > mostPoints else { return points }
    return (0..<mostPoints).map { points[$0 * (points.count - 1) / (mostPoints - 1)] }
  }
}
