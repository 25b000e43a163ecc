// SPDX-License-Identifier: Apache-2.0

/// How near outputs are to targets that are numbers, in the targets' own units.
///
/// Of several targets each has the same weight, as in scikit-learn's `multioutput="uniform_average"`.
public struct RegressionScores: Equatable, Codable, Sendable {
  /// The mean of the squared errors.
  public var meanSquaredError: Double
  /// The square root of the mean squared error, of several targets the mean of their roots.
  public var rootMeanSquaredError: Double
  /// The mean of the absolute errors.
  public var meanAbsoluteError: Double
  /// The coefficient of determination: 1 minus the mean squared error over the targets' variance; nil
  /// with a single row.
  ///
  /// Of a target that is the same in all rows it is 1 if all predictions are right and otherwise 0, as in
  /// scikit-learn.
  public var r2: Double?

  /// Scores from their values.
  public init(
    meanSquaredError: Double, rootMeanSquaredError: Double, meanAbsoluteError: Double, r2: Double?
  ) {
    self.meanSquaredError = meanSquaredError
    self.rootMeanSquaredError = rootMeanSquaredError
    self.meanAbsoluteError = meanAbsoluteError
    self.r2 = r2
  }
}

extension RegressionScores {
  /// The keys of the scores on held-out data in `metrics.jsonl` and `summary.json`.
  enum TestKeys: String, CodingKey {
    case mse = "test_mse"
    case rmse = "test_rmse"
    case mae = "test_mae"
    case r2 = "test_r2"
  }

  /// Reads the scores from among the fields of a record; nil where it has none.
  init?(testFieldsOf decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: TestKeys.self)
    guard let mse = try fields.number(.mse), let rmse = try fields.number(.rmse),
      let mae = try fields.number(.mae)
    else { return nil }
    self.init(
      meanSquaredError: mse, rootMeanSquaredError: rmse, meanAbsoluteError: mae,
      r2: try fields.decodeIfPresent(Double.self, forKey: .r2))
  }
}

extension JSONFields {
  /// Adds the fields of scores on held-out data.
  mutating func add(testScores scores: RegressionScores) {
    add(RegressionScores.TestKeys.mse, scores.meanSquaredError)
    add(RegressionScores.TestKeys.rmse, scores.rootMeanSquaredError)
    add(RegressionScores.TestKeys.mae, scores.meanAbsoluteError)
    add(RegressionScores.TestKeys.r2, scores.r2)
  }
}
