// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import NeuralCore

/// What data were understood as: decided once, from the rows that are trained on, and used unchanged
/// for all other data that the model meets.
///
/// It is part of the checkpoint, so one that was read from there is untrusted: see ``isValid(inputs:outputs:)``.
public struct TableSchema: Codable, Hashable, Sendable {
  /// What separates the fields of a text; nil for arrays and images.
  public var separator: TableSeparator?
  /// Whether the first record of a text holds the columns' names.
  public var hasHeader: Bool
  /// All columns of a text, in its order; empty for arrays and images, whose columns are all features.
  public var columns: [Column]
  /// The columns that are targets, in the order of the outputs; empty for arrays and images.
  public var targetColumns: [Int]
  /// What is to be predicted.
  public var target: Target
  /// What is done about missing cells of features.
  public var missing: MissingPolicy

  private enum CodingKeys: String, CodingKey {
    case separator, columns, target, missing
    case hasHeader = "has_header"
    case targetColumns = "target_columns"
  }

  /// A column of a text.
  public struct Column: Codable, Hashable, Sendable {
    /// The name from the header; empty without one.
    public var name: String
    /// What the column is used as.
    public var role: Role
    /// The number of cells of the training rows that are missing.
    public var missingCells: Int

    private enum CodingKeys: String, CodingKey {
      case name, role
      case missingCells = "missing_cells"
    }
  }

  /// What a column is used as.
  public enum Role: Codable, Hashable, Sendable {
    /// A feature that is a number; `fill`, the mean of the training rows, stands for missing cells.
    case number(fill: Double)
    /// A feature with an input per level, 1 for the row's level and 0 for all others.
    ///
    /// `rare` levels share an input; missing cells have an input if `hasMissing`.
    case category(levels: [String], rare: [String], hasMissing: Bool)
    /// A target.
    case target
    /// The row's weight in the training loss.
    case weight
    /// Not used; `reason` says why.
    case ignored(reason: String)

    private enum CategoryCodingKeys: String, CodingKey {
      case levels, rare
      case hasMissing = "has_missing"
    }

    /// The number of inputs that the column gives.
    public var width: Int {
      switch self {
      case .number: 1
      case .category(let levels, let rare, let hasMissing):
        levels.count + (rare.isEmpty ? 0 : 1) + (hasMissing ? 1 : 0)
      case .target, .weight, .ignored: 0
      }
    }
  }

  /// What is to be predicted.
  public enum Target: Codable, Hashable, Sendable {
    /// One of some classes, in the order of the outputs; `counts` are those of the training rows.
    case classes(labels: [String], counts: [Int])
    /// A number per output.
    case values(scales: [Scale])
  }

  /// How a target that is a number is standardized.
  public struct Scale: Codable, Hashable, Sendable {
    /// The target's name.
    public var name: String
    /// What is subtracted: the training rows' mean, or 0.
    public var mean: Double
    /// What is divided by: the training rows' standard deviation, or 1.
    public var deviation: Double
    /// The smallest value of the training rows.
    public var minimum: Double
    /// The largest value of the training rows.
    public var maximum: Double

    /// A target that is taken as it is, of which nothing is known.
    public init(unscaled name: String) {
      self.init(name: name, mean: 0, deviation: 1, minimum: 0, maximum: 0)
    }

    init(name: String, mean: Double, deviation: Double, minimum: Double, maximum: Double) {
      self.name = name
      self.mean = mean
      self.deviation = deviation
      self.minimum = minimum
      self.maximum = maximum
    }

    /// Whether outputs differ from values.
    public var isScaled: Bool { mean != 0 || deviation != 1 }

    /// The output that stands for a value.
    public func standardized(_ value: Double) -> Float { Float((value - mean) / deviation) }

    /// The value that an output stands for.
    public func value(_ output: Float) -> Double { Double(output) * deviation + mean }
  }

  /// A schema of arrays or images: nothing but a target.
  public init(target: Target) {
    self.init(
      separator: nil, hasHeader: false, columns: [], targetColumns: [], target: target,
      missing: .mean)
  }

  init(
    separator: TableSeparator?, hasHeader: Bool, columns: [Column], targetColumns: [Int],
    target: Target, missing: MissingPolicy
  ) {
    self.separator = separator
    self.hasHeader = hasHeader
    self.columns = columns
    self.targetColumns = targetColumns
    self.target = target
    self.missing = missing
  }

  /// The labels of the classes; empty if the target is numbers.
  public var labels: [String] {
    if case .classes(let labels, _) = target { return labels }
    return []
  }

  /// How each target that is a number is standardized; empty for classes.
  public var scales: [Scale] {
    if case .values(let scales) = target { return scales }
    return []
  }

  /// The number of the network's outputs.
  public var outputs: Int { labels.count + scales.count }

  /// How a column is called: its name, or its number from 1.
  public func name(of column: Int) -> String {
    columns[column].name.isEmpty ? "column \(column + 1)" : columns[column].name
  }

  /// The columns that are features.
  public var featureColumns: [Int] {
    columns.indices.filter {
      switch columns[$0].role {
      case .number, .category: true
      case .target, .weight, .ignored: false
      }
    }
  }

  /// The column of the rows' weights in the training loss; nil without one.
  public var weightsColumn: Int? { columns.firstIndex { $0.role == .weight } }

  /// The number of the network's inputs; 0 if the columns are not described.
  public var width: Int { columns.reduce(0) { $0 + $1.role.width } }

  /// The XXH3-128 of everything in it.
  public var contentHash: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    guard let json = try? encoder.encode(self) else { return "none" }
    return json.withUnsafeBytes { ContentHash(of: $0).description }
  }

  /// Whether a schema that was read from a file can be worked with.
  ///
  /// - Parameters:
  ///   - inputs: the network's inputs.
  ///   - outputs: the network's outputs.
  public func isValid(inputs: Int, outputs: Int) -> Bool {
    let fillsAreFinite = columns.allSatisfy { column in
      if case .number(let fill) = column.role { return Float(fill).isFinite }
      return true
    }
    let targets = columns.indices.filter { columns[$0].role == .target }
    guard fillsAreFinite, columns.isEmpty == (separator == nil), !columns.isEmpty || !hasHeader,
      columns.isEmpty || width == inputs,
      targetColumns.sorted() == targets, self.outputs == outputs,
      columns.count(where: { $0.role == .weight }) <= 1
    else { return false }
    switch target {
    case .classes(let labels, let counts):
      return counts.count == labels.count && Set(labels).count == labels.count
        && targets.count <= 1
    case .values(let scales):
      return (columns.isEmpty || scales.count == targets.count)
        && scales.allSatisfy { $0.mean.isFinite && $0.deviation.isFinite && $0.deviation > 0 }
    }
  }
}

/// What is done about missing cells of features.
public enum MissingPolicy: String, Codable, CaseIterable, Sendable {
  /// A number becomes the mean of the training rows; for a category it is a level of its own.
  case mean
  /// The row is left out.
  case drop
  /// It is an error.
  case refuse
}

// MARK: - Summary

extension TableSchema {
  /// What a person reads about the data: names and values.
  ///
  /// - Parameters:
  ///   - rows: the number of rows, if it is known.
  ///   - inputs: the network's inputs.
  public func summary(rows: Int?, inputs: Int) -> [(name: String, value: String)] {
    var lines: [(name: String, value: String)] = []
    if let separator {
      lines.append(
        (
          "table",
          (rows.map { "\($0) rows, " } ?? "")
            + "\(columns.count) columns, separated by \(separator.name), "
            + (hasHeader ? "with a header" : "without a header")
        ))
    }
    lines.append(("target", targetText))
    if let weightsColumn {
      let name = columns[weightsColumn].name
      lines.append(("weights", name.isEmpty ? self.name(of: weightsColumn) : "column \(name)"))
    }
    lines.append(("features", featuresText(inputs: inputs)))
    let filled = featureColumns.filter { columns[$0].missingCells > 0 }
    if !filled.isEmpty {
      lines.append(
        (
          "missing",
          Self.list(filled.map { "\(columns[$0].missingCells) in \(name(of: $0))" })
            + " (training rows; filled in)"
        ))
    }
    let ignored = columns.indices.compactMap { index -> String? in
      guard case .ignored(let reason) = columns[index].role else { return nil }
      return "\(name(of: index)) (\(reason))"
    }
    if !ignored.isEmpty { lines.append(("ignored", Self.list(ignored))) }
    return lines
  }

  private var targetText: String {
    let names = targetColumns.map(name(of:))
    let prefix = names.isEmpty ? "" : Self.list(names) + ": "
    switch target {
    case .classes(let labels, let counts):
      let classes = zip(labels, counts).map { "\($0) (\($1))" }
      return "\(prefix)\(labels.count) classes, \(Self.list(classes))"
    case .values(let scales):
      let ranges = scales.map {
        "\(Self.short($0.minimum)) to \(Self.short($0.maximum))"
          + (!$0.isScaled
            ? "" : " (mean \(Self.short($0.mean)), deviation \(Self.short($0.deviation)))")
      }
      return "\(prefix)\(scales.count == 1 ? "a number" : "\(scales.count) numbers"), "
        + Self.list(ranges)
    }
  }

  private func featuresText(inputs: Int) -> String {
    guard !columns.isEmpty else { return "\(inputs)" }
    let categories = featureColumns.compactMap { index -> String? in
      guard case .category(let levels, let rare, let hasMissing) = columns[index].role else {
        return nil
      }
      let count = levels.count + rare.count
      return "\(name(of: index)) (\(count) \(count == 1 ? "level" : "levels")"
        + (rare.isEmpty ? "" : ", the \(rare.count) rarest share an input")
        + (hasMissing ? ", and missing" : "") + ")"
    }
    let numbers = featureColumns.count - categories.count
    return [
      numbers == 0 ? nil : "\(numbers) numeric",
      categories.isEmpty ? nil : "\(categories.count) categorical: \(Self.list(categories))",
    ].compactMap { $0 }.joined(separator: ", ") + "; \(width) \(width == 1 ? "input" : "inputs"), "
      + "\(outputs) \(outputs == 1 ? "output" : "outputs")"
  }

  static func list(_ texts: [String]) -> String {
    texts.prefix(8).joined(separator: ", ")
      + (texts.count > 8 ? " and \(texts.count - 8) more" : "")
  }

  /// A number with at most 6 significant digits.
  static func short(_ number: Double) -> String {
    guard number != 0, number.isFinite else { return number == 0 ? "0" : "\(number)" }
    let digits = 6 - Int(log10(abs(number)).rounded(.down)) - 1
    guard (-9...12).contains(digits) else { return "\(number)" }
    let scale = pow(10, Double(abs(digits)))
    let rounded =
      digits >= 0 ? (number * scale).rounded() / scale : (number / scale).rounded() * scale
    return Int(exactly: rounded).map { "\($0)" } ?? "\(rounded)"
  }
}
