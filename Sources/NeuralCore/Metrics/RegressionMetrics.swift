// SPDX-License-Identifier: Apache-2.0

/// Rows whose targets are numbers with what was predicted: what regression metrics are computed from.
///
/// Metrics are defined as in scikit-learn, and computed in Float64 from all rows together.
public struct PredictedNumbers: Sendable {
  /// The number of targets of a row.
  public let columns: Int
  /// The targets, `rows x columns`, in row-major order.
  public let targets: [Double]
  /// What was predicted, in the same shape.
  public let predictions: [Double]

  /// Rows from their parts.
  public init(columns: Int, targets: [Double], predictions: [Double]) {
    precondition(
      columns > 0 && targets.count == predictions.count && targets.count % columns == 0,
      "a prediction for each target")
    self.columns = columns
    self.targets = targets
    self.predictions = predictions
  }

  /// The number of rows.
  public var rows: Int { targets.count / columns }

  /// Some of the rows, in the given order.
  public func selecting(_ indices: [Int]) -> PredictedNumbers {
    func select(_ values: [Double]) -> [Double] {
      indices.flatMap { values[$0 * columns..<($0 + 1) * columns] }
    }
    return PredictedNumbers(
      columns: columns, targets: select(targets), predictions: select(predictions))
  }

  /// A metric, averaged over the targets with equal weights; nil where it is undefined, and for those
  /// that are not about numbers.
  public func value(of metric: MetricName) -> Double? {
    guard rows > 0, metric.needsNumbers else { return nil }
    let metrics = RegressionMetrics(self, names: (0..<columns).map { "\($0)" })
    switch metric {
    case .mse: return metrics.mse
    case .rmse: return metrics.rmse
    case .mae: return metrics.mae
    case .r2: return metrics.r2
    case .mape: return metrics.mape
    default: return nil
    }
  }
}

/// All metrics of rows whose targets are numbers.
///
/// Of several targets, each metric is the plain average over the targets, as in scikit-learn's
/// `multioutput="uniform_average"`. A metric is nil where it is undefined, or not finite because a
/// prediction is not.
public struct RegressionMetrics: Codable, Equatable, Sendable {
  /// The mean of the targets' mean squared errors.
  public var mse: Double?
  /// The mean of the targets' root mean squared errors.
  public var rmse: Double?
  /// The mean of the targets' mean absolute errors.
  public var mae: Double?
  /// The mean of the targets' coefficients of determination.
  public var r2: Double?
  /// The mean of the targets' mean absolute percentage errors.
  public var mape: Double?
  /// The metrics of each target.
  public var targets: [TargetMetrics]

  /// The metrics of one target, in its units.
  public struct TargetMetrics: Codable, Equatable, Sendable {
    /// The target.
    public var name: String
    /// The mean of the squared errors: `mean_squared_error`.
    public var mse: Double?
    /// The square root of the mean squared error: `root_mean_squared_error`.
    public var rmse: Double?
    /// The mean of the absolute errors: `mean_absolute_error`.
    public var mae: Double?
    /// The coefficient of determination, 1 - (sum of squared errors) / (sum of squared distances from
    /// the targets' mean): `r2_score`.
    ///
    /// If all targets are equal it is 1 for perfect predictions and 0 for others; nil with fewer than
    /// two rows.
    public var r2: Double?
    /// The mean of |error| / max(|target|, 2^-52), a fraction and not a percentage:
    /// `mean_absolute_percentage_error`.
    ///
    /// A target of 0 makes it arbitrarily large.
    public var mape: Double?
  }

  /// The metrics of rows, at least one.
  ///
  /// - Parameter names: the name of each target.
  public init(_ rows: PredictedNumbers, names: [String]) {
    precondition(names.count == rows.columns && rows.rows > 0, "rows of targets with names")
    targets = names.enumerated().map { TargetMetrics($1, rows, column: $0) }
    mse = ClassifiedRows.mean(targets.map(\.mse))
    rmse = ClassifiedRows.mean(targets.map(\.rmse))
    mae = ClassifiedRows.mean(targets.map(\.mae))
    r2 = ClassifiedRows.mean(targets.map(\.r2))
    mape = ClassifiedRows.mean(targets.map(\.mape))
  }
}

extension RegressionMetrics.TargetMetrics {
  fileprivate init(_ name: String, _ rows: PredictedNumbers, column: Int) {
    let places = stride(from: column, to: rows.targets.count, by: rows.columns)
    let count = Double(rows.rows)
    let mean = places.reduce(0) { $0 + rows.targets[$1] } / count
    var (squared, absolute, relative, spread) = (0.0, 0.0, 0.0, 0.0)
    for place in places {
      let target = rows.targets[place]
      let error = target - rows.predictions[place]
      squared += error * error
      absolute += abs(error)
      relative += abs(error) / max(abs(target), Double.ulpOfOne)
      spread += (target - mean) * (target - mean)
    }
    let isFinite = squared.isFinite
    self.init(
      name: name, mse: isFinite ? squared / count : nil,
      rmse: isFinite ? (squared / count).squareRoot() : nil,
      mae: absolute.isFinite ? absolute / count : nil,
      r2: isFinite && rows.rows > 1
        ? spread > 0 ? 1 - squared / spread : squared > 0 ? 0 : 1 : nil,
      mape: relative.isFinite ? relative / count : nil)
  }
}
