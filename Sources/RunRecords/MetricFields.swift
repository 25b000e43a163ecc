// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// The keys of metrics in JSON, in snake case like all others.
extension MetricName {
  /// The key, such as `log_loss`.
  var key: String { String(rawValue.map { $0 == "-" ? "_" : $0 }) }

  /// The key of the value on held-out data in `metrics.jsonl` and `summary.json`, such as
  /// `test_log_loss`.
  fileprivate var testKey: String { "test_\(key)" }

  /// Whether records of evaluations have a field for it whether it is asked for or not.
  var hasFieldOfItsOwn: Bool { [.loss, .accuracy, .mse, .rmse, .mae, .r2].contains(self) }
}

/// A key of any name.
struct FieldName: CodingKey {
  let stringValue: String
  let intValue: Int? = nil

  init(_ name: String) { stringValue = name }
  init?(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

extension MetricValue {
  /// Reads the values on held-out data that a record has besides those with fields of their own.
  static func list(testFieldsOf decoder: any Decoder) throws -> [MetricValue] {
    let fields = try decoder.container(keyedBy: FieldName.self)
    return try MetricName.allCases.filter { !$0.hasFieldOfItsOwn }.compactMap { metric in
      let key = FieldName(metric.testKey)
      guard fields.contains(key) else { return nil }
      return MetricValue(metric, try fields.decodeIfPresent(Double.self, forKey: key))
    }
  }
}

extension JSONFields {
  /// Adds the values of metrics on held-out data, `null` for undefined ones.
  mutating func add(testMetrics values: [MetricValue]) {
    for value in values { add(value.metric.testKey, value.value) }
  }
}
