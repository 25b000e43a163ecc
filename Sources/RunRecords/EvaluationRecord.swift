// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import Foundation
public import NeuralCore

/// An evaluation with all of its metrics: what `evaluate --json` prints, and the content of a run's
/// `evaluation.json`.
///
/// It holds nothing that may differ between runs that promise the same bits. A metric that is
/// undefined is `null`.
public struct EvaluationRecord: Equatable, Sendable {
  /// The step after which it was made; nil for `evaluate`.
  public var step: Int?
  /// The number of rows.
  public var rows: Int
  /// The mean loss per row; NaN if it was not finite.
  public var loss: Double
  /// The metrics of rows that have classes; nil where the targets are numbers.
  public var classification: ClassificationMetrics?
  /// The metrics of rows whose targets are numbers; nil where there are classes.
  public var regression: RegressionMetrics?
  /// The metrics of rows with independent targets of 0 and 1; nil where there are no such targets.
  public var multilabel: MultilabelMetrics?
  /// The column by which the rows are grouped; nil if they are not.
  public var by: String?
  /// The metrics of each group, by ascending names.
  public var groups: [Group] = []
  /// ROC curves, of two classes that of the second one, of more those of each against the rest; those
  /// of classes without rows are left out.
  public var curves: [Curve] = []

  /// The metrics of some of the rows.
  public struct Group: Equatable, Sendable {
    /// What these rows have in the column.
    public var name: String
    /// The number of rows.
    public var rows: Int
    /// Their values of some metrics, the same of each group.
    public var values: [MetricValue]

    /// A group from its parts.
    public init(name: String, rows: Int, values: [MetricValue]) {
      self.name = name
      self.rows = rows
      self.values = values
    }
  }

  /// The ROC curve of a class.
  public struct Curve: Equatable, Sendable {
    /// The class.
    public var label: String
    /// The points.
    public var points: ROCCurve

    /// A curve of a class.
    public init(label: String, points: ROCCurve) {
      self.label = label
      self.points = points
    }
  }

  /// A record from its parts.
  public init(
    step: Int? = nil, rows: Int, loss: Double, classification: ClassificationMetrics? = nil,
    regression: RegressionMetrics? = nil, multilabel: MultilabelMetrics? = nil, by: String? = nil,
    groups: [Group] = [],
    curves: [Curve] = []
  ) {
    self.step = step
    self.rows = rows
    self.loss = loss
    self.classification = classification
    self.regression = regression
    self.multilabel = multilabel
    self.by = by
    self.groups = groups
    self.curves = curves
  }

  /// Reads an `evaluation.json`.
  ///
  /// - Throws: ``RunRecordError``: `.missing` where the file can't be read, `.damaged` where it is not
  ///   an evaluation.
  public init(path: String) throws {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw RunRecordError.missing("\(path): can't be read; check its permissions")
    }
    guard let record = try? JSONDecoder().decode(Self.self, from: data), record.isConsistent else {
      throw RunRecordError.damaged("\(path): damaged; restore the file or leave out this run")
    }
    self = record
  }

  /// Whether lists fit each other, so that whoever shows them needs no checks.
  private var isConsistent: Bool {
    let classes = classification?.classes.count ?? 0
    return rows > 0 && classification?.confusionMatrix?.count ?? classes == classes
      && classification?.confusionMatrix?.allSatisfy { row in
        row.count == classes && row.allSatisfy { (0...rows).contains($0) }
      } ?? true
      && curves.allSatisfy {
        $0.points.falsePositiveRates.count == $0.points.truePositiveRates.count
      }
  }

  /// Writes the record; the file appears as a whole or not at all.
  ///
  /// - Throws: `RunRecordError.writeFailed`; an existing file at `path` is then unchanged.
  public func write(to path: String) throws {
    try OutputFile.publish(path) { try $0.write(json) }
  }
}

// MARK: - JSON

extension EvaluationRecord: Decodable {
  private enum Key: String, CodingKey {
    case step, rows, loss, mse, by, groups, accuracy, classes, targets
    case curves = "roc_curves"
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Key.self)
    step = try fields.decodeIfPresent(Int.self, forKey: .step)
    rows = try fields.decode(Int.self, forKey: .rows)
    loss = try fields.number(.loss) ?? .nan
    classification =
      fields.contains(.classes) ? try ClassificationMetrics(from: decoder) : nil
    if fields.contains(.accuracy), fields.contains(.targets) {
      multilabel = MultilabelMetrics(
        mean: try MultilabelMetrics.TargetMetrics(from: decoder),
        targets: try fields.decode([MultilabelMetrics.TargetMetrics].self, forKey: .targets))
    }
    regression = fields.contains(.mse) ? try RegressionMetrics(from: decoder) : nil
    by = try fields.decodeIfPresent(String.self, forKey: .by)
    groups = try fields.decodeIfPresent([Group].self, forKey: .groups) ?? []
    curves = try fields.decodeIfPresent([Curve].self, forKey: .curves) ?? []
  }

  /// The record as JSON with one field per line.
  public var json: String {
    var fields = JSONFields()
    if let step { fields.add(Key.step, step) }
    fields.add(Key.rows, rows)
    fields.add(Key.loss, loss)
    if let classification { fields.add(classification) }
    if let regression { fields.add(regression) }
    if let multilabel {
      fields.add(multilabel.mean)
      fields.add(
        Key.targets,
        multilabel.targets.map { target in
          var fields = JSONFields()
          fields.add("name", target.name)
          fields.add(target)
          return fields
        })
    }
    if let by {
      fields.add(Key.by, by)
      fields.add(Key.groups, groups.map(\.fields))
    }
    if !curves.isEmpty { fields.add(Key.curves, curves.map(\.fields)) }
    return fields.page
  }
}

extension EvaluationRecord.Group: Decodable {
  private enum Key: String, CodingKey {
    case name, rows
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Key.self)
    name = try fields.decode(String.self, forKey: .name)
    rows = try fields.decode(Int.self, forKey: .rows)
    let metrics = try decoder.container(keyedBy: FieldName.self)
    values = try MetricName.allCases.compactMap { metric in
      let key = FieldName(metric.key)
      guard metrics.contains(key) else { return nil }
      return MetricValue(metric, try metrics.decodeIfPresent(Double.self, forKey: key))
    }
  }

  fileprivate var fields: JSONFields {
    var fields = JSONFields()
    fields.add(Key.name, name)
    fields.add(Key.rows, rows)
    for value in values { fields.add(value.metric.key, value.value) }
    return fields
  }
}

extension EvaluationRecord.Curve: Decodable {
  private enum Key: String, CodingKey {
    case label
  }

  public init(from decoder: any Decoder) throws {
    label = try decoder.container(keyedBy: Key.self).decode(String.self, forKey: .label)
    points = try ROCCurve(from: decoder)
  }

  fileprivate var fields: JSONFields {
    var fields = JSONFields()
    fields.add(Key.label, label)
    fields.add("false_positive_rate", points.falsePositiveRates)
    fields.add("true_positive_rate", points.truePositiveRates)
    return fields
  }
}

extension JSONFields {
  fileprivate mutating func add(_ metrics: ClassificationMetrics) {
    add(MetricName.accuracy.key, metrics.accuracy)
    add(MetricName.balancedAccuracy.key, metrics.balancedAccuracy)
    if let topK = metrics.topK { add("top_k_accuracy", topK.map(\.fields)) }
    add(MetricName.precision.key, metrics.precision)
    add(MetricName.recall.key, metrics.recall)
    add(MetricName.f1.key, metrics.f1)
    add(MetricName.logLoss.key, metrics.logLoss)
    add(MetricName.auc.key, metrics.auc)
    add(MetricName.averagePrecision.key, metrics.averagePrecision)
    add(MetricName.brier.key, metrics.brier)
    add(MetricName.calibrationError.key, metrics.calibrationError)
    add("classes", metrics.classes.map(\.fields))
    add("confusion_matrix", metrics.confusionMatrix)
    add("confusions", metrics.confusions.map(\.fields))
  }

  fileprivate mutating func add(_ metrics: MultilabelMetrics.TargetMetrics) {
    for metric in MetricName.allCases where metric.needsClasses {
      add(metric.key, metrics.value(of: metric))
    }
    add("support", metrics.support)
  }

  fileprivate mutating func add(_ metrics: RegressionMetrics) {
    add(MetricName.mse.key, metrics.mse)
    add(MetricName.rmse.key, metrics.rmse)
    add(MetricName.mae.key, metrics.mae)
    add(MetricName.r2.key, metrics.r2)
    add(MetricName.mape.key, metrics.mape)
    add("targets", metrics.targets.map(\.fields))
  }
}

extension ClassificationMetrics.TopK {
  fileprivate var fields: JSONFields {
    var fields = JSONFields()
    fields.add("k", k)
    fields.add("accuracy", accuracy)
    return fields
  }
}

extension ClassificationMetrics.ClassMetrics {
  fileprivate var fields: JSONFields {
    var fields = JSONFields()
    fields.add("label", label)
    fields.add(MetricName.precision.key, precision)
    fields.add(MetricName.recall.key, recall)
    fields.add(MetricName.f1.key, f1)
    fields.add("support", support)
    fields.add(MetricName.auc.key, auc)
    fields.add(MetricName.averagePrecision.key, averagePrecision)
    return fields
  }
}

extension ClassificationMetrics.Confusion {
  fileprivate var fields: JSONFields {
    var fields = JSONFields()
    fields.add("label", label)
    fields.add("predicted", predicted)
    fields.add("rows", rows)
    return fields
  }
}

extension RegressionMetrics.TargetMetrics {
  fileprivate var fields: JSONFields {
    var fields = JSONFields()
    fields.add("name", name)
    fields.add(MetricName.mse.key, mse)
    fields.add(MetricName.rmse.key, rmse)
    fields.add(MetricName.mae.key, mae)
    fields.add(MetricName.r2.key, r2)
    fields.add(MetricName.mape.key, mape)
    return fields
  }
}
