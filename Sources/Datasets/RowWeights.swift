// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// The weights of a dataset's training rows in the loss: of the row itself, of its class, or both.
///
///     w_i = c(y_i) * v_i / m,  m = mean over the training rows of c(y_i) * v_i
///
/// v are ``Dataset/weights`` and c the weights of the classes, 1 where there are none. The mean of w
/// over the training rows is 1, so that a loss that divides by the rows of a batch keeps its scale. It
/// is made in Float64 in the order of the rows, so all ranks have the same.
public struct RowWeights: Sendable {
  /// The weight of each class; of all rows, 1, where classes have none.
  private let classWeights: [Double]
  private let mean: Double

  /// - Parameters:
  ///   - dataset: the data.
  ///   - trainingRows: the rows that are trained on, at least one.
  ///   - classWeights: the weight of each class, 0 or more; nil for none. Targets must be classes.
  /// - Returns: nil if all training rows have weight 0.
  public init?(_ dataset: Dataset, trainingRows: [Int32], classWeights: [Double]? = nil) {
    let ofClasses = classWeights ?? [1]
    var sum = 0.0
    trainingRows.withUnsafeBufferPointer { rows in
      Self.forEach(rows, of: dataset, ofClasses) { _, weight in sum += weight }
    }
    self.classWeights = ofClasses
    mean = sum / Double(trainingRows.count)
    guard mean > 0 else { return nil }
  }

  /// Calls `body` with the place and c(y_i) * v_i of each row.
  @inline(__always)
  private static func forEach(
    _ rows: UnsafeBufferPointer<Int32>, of dataset: Dataset, _ classWeights: [Double],
    _ body: (Int, Double) -> Void
  ) {
    var classes: UnsafeMutablePointer<Int32>?
    if case .classes(let indices, _) = dataset.targets, classWeights.count > 1 {
      classes = indices.base
    }
    let weights = dataset.weights?.base
    classWeights.withUnsafeBufferPointer { classWeights in
      for (place, row) in rows.enumerated() {
        let ofClass = classWeights[classes.map { Int($0[Int(row)]) } ?? 0]
        body(place, ofClass * (weights.map { Double($0[Int(row)]) } ?? 1))
      }
    }
  }

  /// Writes the weights of some rows; they must be in the dataset that the weights were made for.
  func gather(
    _ rows: UnsafeBufferPointer<Int32>, of dataset: Dataset,
    into target: UnsafeMutablePointer<Float>
  ) {
    Self.forEach(rows, of: dataset, classWeights) { place, weight in
      target[place] = Float(weight / mean)
    }
  }
}

/// The weights of classes in the training loss, as a person gives them.
public enum ClassWeights: Hashable, Sendable {
  /// n / (K * n_k) for a class with n_k of the n training rows, which are of K classes.
  ///
  /// The rule of scikit-learn's `class_weight="balanced"` (King, Zeng, "Logistic Regression in Rare
  /// Events Data", 2001): all classes weigh the same together.
  case balanced
  /// Weights of some classes; the others weigh 1.
  case listed([Listed])

  /// The weight of a class.
  public struct Listed: Hashable, Sendable {
    /// The class's label as the data have it; numbers are compared as numbers.
    public let label: String
    /// The weight.
    public let weight: Double

    /// The weight of the class with a label.
    public init(label: String, weight: Double) {
      (self.label, self.weight) = (label, weight)
    }

    /// Reads `LABEL:WEIGHT`; nil for another form.
    ///
    /// The last colon counts, so labels may have colons.
    public init?(_ text: String) {
      guard let colon = text.lastIndex(of: ":") else { return nil }
      self.init(label: String(text[..<colon]), weight: String(text[text.index(after: colon)...]))
    }

    /// - Parameter weight: the text of a number.
    public init?(label: String, weight: String) {
      guard !label.trimmed.isEmpty, let number = Double(weight.trimmed) else { return nil }
      self.init(label: label.trimmed, weight: number)
    }

    var text: String { "\(CSVField.quoted(label)):\(TargetRule.label(weight))" }
  }

  /// The command line's word for ``balanced``.
  private static let balancedName = "balanced"

  /// Reads `balanced`, or `LABEL:WEIGHT` separated by commas; nil for another form.
  ///
  /// Labels with a comma are quoted like the fields of a CSV record: `"a, b":2,c:1`.
  public init?(_ text: String) {
    if text.trimmed.lowercased() == Self.balancedName {
      self = .balanced
      return
    }
    let fields = CSVField.fields(text)
    self.init(fields.compactMap { Listed($0) }, of: fields.count)
  }

  /// Weights in any order.
  ///
  /// - Parameter count: how many there must be, at least one.
  public init?(_ weights: [Listed], of count: Int) {
    guard count > 0, weights.count == count else { return nil }
    self = .listed(weights.sorted { $0.label.precedes($1.label) })
  }

  /// The form that ``init(_:)`` reads, in one order of the labels.
  public var text: String {
    switch self {
    case .balanced: Self.balancedName
    case .listed(let weights): weights.map(\.text).joined(separator: ",")
    }
  }

  /// The weight of each class.
  ///
  /// - Parameters:
  ///   - labels: the labels of the classes.
  ///   - counts: how many training rows each class has.
  /// - Returns: the weights, and what a person should know about them.
  /// - Throws: ``DatasetError/usage(_:)`` for labels that no class has, or that name a class twice, and
  ///   for weights that are negative, infinite or NaN.
  public func weights(
    labels: [String], counts: [Int]
  ) throws(DatasetError) -> (weights: [Double], notices: [String]) {
    switch self {
    case .balanced: Self.balancedWeights(labels, counts)
    case .listed(let listed): try Self.listedWeights(listed, labels)
    }
  }

  private static func balancedWeights(
    _ labels: [String], _ counts: [Int]
  ) -> (weights: [Double], notices: [String]) {
    let present = counts.count { $0 > 0 }
    let rows = counts.reduce(0, +)
    let absent = zip(labels, counts).filter { $0.1 == 0 }.map(\.0)
    // The weight of a class without rows has no effect.
    let weights = counts.map { $0 == 0 ? 1 : Double(rows) / (Double(present) * Double($0)) }
    guard !absent.isEmpty else { return (weights, []) }
    return (
      weights,
      [
        "--class-weight balanced: no training row is of class \(ColumnSelection.list(absent)); the other "
          + "\(present == 1 ? "class is" : "\(present) classes are") balanced"
      ]
    )
  }

  private static func listedWeights(
    _ listed: [Listed], _ labels: [String]
  ) throws(DatasetError) -> (weights: [Double], notices: [String]) {
    let names = ClassNames(labels)
    let existing = "the classes are \(ColumnSelection.list(labels))"
    var weights = [Double?](repeating: nil, count: labels.count)
    for entry in listed {
      guard let index = names.index(of: entry.label) else {
        throw .usage(
          "--class-weight \(entry.text): no class has the label \(entry.label); \(existing)")
      }
      guard weights[Int(index)] == nil else {
        throw .usage(
          "--class-weight \(entry.text): the class \(labels[Int(index)]) is named twice; \(existing)"
        )
      }
      guard entry.weight >= 0, Float(entry.weight).isFinite else {
        throw .usage(
          "--class-weight \(entry.text): a weight must be 0 or a positive number; \(existing)")
      }
      weights[Int(index)] = entry.weight
    }
    let others = labels.indices.filter { weights[$0] == nil }.map { labels[$0] }
    return (
      weights.map { $0 ?? 1 },
      others.isEmpty
        ? []
        : [
          "--class-weight: classes that are not listed have weight 1: \(ColumnSelection.list(others))"
        ]
    )
  }

  /// The weights of classes for a person.
  public static func summary(labels: [String], weights: [Double]) -> String {
    TableSchema.list(zip(labels, weights).map { "\($0) (\(TableSchema.short($1)))" })
  }
}
