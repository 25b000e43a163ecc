// SPDX-License-Identifier: Apache-2.0

/// Whether targets are classes or numbers.
enum TargetRule {
  /// Above this number of distinct integers they are taken for numbers, not classes.
  static let mostClasses = 50

  /// The number of distinct numbers up to which they may be classes.
  static func limit(_ kind: LoadOptions.TargetKind) -> Int {
    switch kind {
    case .classes: 1 << 20
    case .automatic: mostClasses
    case .numeric, .absent, .ignored: 0
    }
  }

  /// Whether the targets of `rows` rows are classes, given their distinct numbers; nil for too many.
  static func areClasses(
    _ numbers: (some Collection<Double>)?, rows: Int, _ kind: LoadOptions.TargetKind
  ) -> Bool {
    guard let numbers else { return false }
    switch kind {
    case .classes: return true
    case .automatic:
      return numbers.allSatisfy { $0 == $0.rounded() } && numbers.count <= mostClasses
        && rows >= 2 * numbers.count
    case .numeric, .absent, .ignored: return false
    }
  }

  /// What is said about a choice that nobody asked for.
  static func notice(_ target: String, isOfClasses: Bool) -> String {
    isOfClasses
      ? "the values of \(target) are taken for classes (--loss cross-entropy); to predict numbers, use "
        + "--loss mse"
      : "the values of \(target) are taken for numbers (--loss mse); if they are classes, use --loss "
        + "cross-entropy"
  }

  /// The label of a class that is a number: the same for 1, 1.0 and +1.
  static func label(_ number: Double) -> String {
    Int(exactly: number).map { "\($0)" } ?? "\(number)"
  }
}

/// Decides what a table is understood as.
struct SchemaDecision {
  /// What a person should know about what was decided without being asked.
  private(set) var notices: [String] = []

  private let layout: TableLayout
  private let found: TableFindings
  private let sums: TableSums
  private let counts: TableCounts
  private let options: LoadOptions
  private let columns: [TableSchema.Column]
  /// The classes with their counts; nil if the targets are numbers.
  private let classes: [(label: String, count: Int)]?

  /// - Throws: ``DatasetError`` if the targets are of one class, or no column is left for features.
  init(
    _ layout: TableLayout, _ found: TableFindings, _ sums: TableSums, _ counts: TableCounts,
    _ options: LoadOptions
  ) throws(DatasetError) {
    self.layout = layout
    self.found = found
    self.sums = sums
    self.counts = counts
    self.options = options
    let numbers = layout.uses.indices.filter { layout.uses[$0] == .number }
    let sumOf = Dictionary(uniqueKeysWithValues: zip(numbers, sums.features))
    let indexColumn = Self.indexColumn(layout, found, options)
    columns = layout.uses.indices.map { column in
      TableSchema.Column(
        name: layout.hasHeader ? layout.names[column] : "",
        role: column == indexColumn
          ? .ignored(reason: "counts up by 1: an index")
          : Self.role(column, layout, sum: sumOf[column] ?? 0, counts, options.table),
        missingCells: counts.missing[column])
    }
    let areIgnored = columns.allSatisfy { $0.role.width == 0 }
    guard !areIgnored else {
      throw .malformed(
        layout.path, "no column with values is left for features: at least one is required")
    }
    classes = try Self.classes(layout, found, counts, options)
    for (index, sum) in sums.targets.enumerated() where classes == nil && sum.minimum == sum.maximum
    {
      throw .malformed(
        layout.path,
        "\(layout.name(of: layout.targets[index])) is \(sum.minimum) in all training rows: there is "
          + "nothing to predict; name another column with --target")
    }
    notices = makeNotices(indexColumn: indexColumn)
  }

  // MARK: - Columns

  /// The first column if it has no name and counts up by 1.
  private static func indexColumn(
    _ layout: TableLayout, _ found: TableFindings, _ options: LoadOptions
  ) -> Int? {
    guard layout.uses[0] == .number, found.countsUp, options.table.features.isEmpty,
      layout.uses.dropFirst().contains(where: { $0 == .number || $0 == .word })
    else { return nil }
    let name = layout.hasHeader ? layout.names[0] : ""
    return ["", "Unnamed: 0"].contains(name) ? 0 : nil
  }

  private static func role(
    _ column: Int, _ layout: TableLayout, sum: Double, _ counts: TableCounts,
    _ options: TableOptions
  ) -> TableSchema.Role {
    switch layout.uses[column] {
    case .target, .targetWord: return .target
    case .weight: return .weight
    case .ignored(let reason): return .ignored(reason: reason)
    case .number:
      let count = counts.rows - counts.missing[column]
      guard count > 0 else { return .ignored(reason: "no values") }
      return .number(fill: sum / Double(count))
    case .word:
      let levels = counts.levels[column].filter { $0.value > 0 }
      guard !levels.isEmpty else { return .ignored(reason: "no values") }
      let hasMissing = counts.missing[column] > 0
      let room = options.maxLevels - (hasMissing ? 1 : 0)
      guard levels.count > room else {
        return .category(levels: levels.keys.inByteOrder, rare: [], hasMissing: hasMissing)
      }
      let byCount = levels.sorted {
        $0.value != $1.value ? $0.value > $1.value : $0.key.precedes($1.key)
      }.map(\.key)
      return .category(
        levels: byCount.prefix(max(room - 1, 0)).inByteOrder,
        rare: byCount.dropFirst(max(room - 1, 0)).inByteOrder, hasMissing: hasMissing)
    }
  }

  // MARK: - Targets

  private static func classes(
    _ layout: TableLayout, _ found: TableFindings, _ counts: TableCounts, _ options: LoadOptions
  ) throws(DatasetError) -> [(label: String, count: Int)]? {
    let target = layout.targets[0]
    let hasWords = layout.targets.contains { layout.uses[$0] == .targetWord }
    guard layout.targets.count == 1 else {
      guard !hasWords, options.targets != .classes else {
        throw .usage(
          "--target: classes must be in one column, not in \(layout.targets.count); for several columns "
            + "of 0 and 1 use --loss binary-cross-entropy")
      }
      return nil
    }
    let classes: [(label: String, count: Int)]
    if hasWords {
      classes = counts.levels[target].keys.inByteOrder.map {
        (label: $0, count: counts.levels[target][$0] ?? 0)
      }
    } else if TargetRule.areClasses(counts.numbers?.keys, rows: found.rows, options.targets) {
      let areBooleans = found.tallies[target].booleans == found.rows + found.dropped
      classes = (counts.numbers ?? [:]).sorted { $0.key < $1.key }.map {
        (
          label: areBooleans ? ($0.key == 0 ? "False" : "True") : TargetRule.label($0.key),
          count: $0.value
        )
      }
    } else {
      return nil
    }
    guard classes.count >= 2 else {
      throw .malformed(
        layout.path,
        "all rows are of one class, \(classes.first?.label ?? "none"): at least two are required; if "
          + "\(layout.name(of: target)) is not the target, name it with --target")
    }
    return classes
  }

  /// Sums of squared distances from the mean, none yet; empty for classes.
  var newSpreads: [Double] {
    classes == nil ? Array(repeating: 0, count: layout.targets.count) : []
  }

  /// The schema.
  ///
  /// - Parameter spreads: the sum of squared distances from its mean of each target that is a number.
  func schema(_ spreads: [Double]) -> TableSchema {
    TableSchema(
      separator: layout.separator, hasHeader: layout.hasHeader, columns: columns,
      targetColumns: layout.targets,
      target: classes.map {
        .classes(labels: $0.map(\.label), counts: $0.map(\.count))
      } ?? .values(scales: scales(spreads)), missing: options.table.missing)
  }

  private func scales(_ spreads: [Double]) -> [TableSchema.Scale] {
    layout.targets.indices.map { index in
      TableSchema.Scale(
        name: layout.name(of: layout.targets[index]), sum: sums.targets[index],
        spread: spreads[index], standardizes: options.standardizesTargets)
    }
  }

  /// What the dataset has besides numbers.
  func shape(_ schema: TableSchema) -> DatasetShape {
    DatasetShape(
      rows: found.rows, columns: schema.width, labels: classes.map { $0.map(\.label) },
      targetNames: classes == nil ? schema.scales.map(\.name) : nil,
      isWeighted: layout.weights != nil)
  }

  // MARK: - Notices

  private func makeNotices(indexColumn: Int?) -> [String] {
    var notices: [String] = []
    if let line = layout.countsLine {
      notices.append(
        "line 1 (\(line.prefix(60))) is that of scikit-learn's own files, with the numbers of rows and "
          + "features: it is passed over")
    }
    if let indexColumn {
      notices.append(
        "\(layout.name(of: indexColumn)) counts up by 1 and has no name: it is left out as an index; to use "
          + "it, list it in --features")
    }
    for column in columns.indices {
      guard case .ignored(let reason) = columns[column].role else { continue }
      if [TableLayout.emptyReason, "no values"].contains(reason) {
        notices.append("\(layout.name(of: column)) has \(reason): it is left out")
      }
    }
    let ids = found.ids.filter { $0 != indexColumn && columns[$0].role.width > 0 }
    if !ids.isEmpty {
      let names = ColumnSelection(path: layout.path, names: layout.names, width: layout.width)
      notices.append(
        "\(ids.map { layout.name(of: $0) }.joined(separator: ", ")) \(ids.count == 1 ? "looks like an id" : "look like ids"): "
          + "leave \(ids.count == 1 ? "it" : "them") out with --ignore \(names.argument(ids))")
    }
    if found.dropped > 0 {
      notices.append("\(found.dropped) rows with missing cells are left out (--missing drop)")
    }
    let empty = classes?.filter { $0.count == 0 }.map(\.label) ?? []
    if !empty.isEmpty {
      notices.append(
        "no training row is of class \(ColumnSelection.list(empty)): all of them are held out")
    }
    let isGuess = options.targets == .automatic && layout.targets.count == 1
    if isGuess, layout.uses[layout.targets[0]] == .target, classes?.first?.label != "False" {
      let name = layout.name(of: layout.targets[0])
      notices.append(TargetRule.notice(name, isOfClasses: classes != nil))
    }
    return notices
  }
}

extension TableSchema.Scale {
  /// The scale of a target, from its sum and its squared distances from the mean over training rows.
  init(name: String, sum: TableSums.Sum, spread: Double, standardizes: Bool) {
    let deviation = sum.count == 0 ? 0 : (spread / Double(sum.count)).squareRoot()
    self.init(
      name: name, mean: standardizes ? sum.mean : 0,
      deviation: standardizes && deviation > 0 ? deviation : 1, minimum: sum.minimum,
      maximum: sum.maximum)
  }
}

extension String {
  /// Whether the bytes of this text come before those of another.
  func precedes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }
}

extension Collection<String> {
  /// The texts in the order of their bytes.
  var inByteOrder: [String] { sorted { $0.precedes($1) } }
}
