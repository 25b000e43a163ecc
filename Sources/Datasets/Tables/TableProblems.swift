// SPDX-License-Identifier: Apache-2.0

/// What keeps a table from being trained on, all of it in one message.
struct TableProblems {
  private let layout: TableLayout
  private let found: TableFindings
  private let options: LoadOptions
  /// What the texts of each column of words are, but for columns that somebody says are categories.
  private let kinds: [Int: WordKinds]

  init(_ layout: TableLayout, _ found: TableFindings, _ options: LoadOptions) {
    self.layout = layout
    self.found = found
    self.options = options
    let columns = layout.uses.indices.filter {
      [.word, .targetWord].contains(layout.uses[$0]) && !layout.categorical.contains($0)
    }
    kinds = Dictionary(
      uniqueKeysWithValues: columns.map { ($0, WordKinds(found.tallies[$0])) })
  }

  /// - Throws: ``DatasetError/malformed(path:place:problem:)`` that lists the columns concerned, how
  ///   many of their cells, the first line of each, and what to do.
  func check() throws(DatasetError) {
    guard found.rows > 0 else {
      throw .malformed(
        layout.path,
        found.dropped > 0
          ? "all \(found.dropped) rows have missing cells: use --missing mean, or leave columns out "
            + "with --ignore"
          : layout.hasHeader ? "it has a header but no rows" : "it has no rows")
    }
    guard found.rows < Int32.max else {
      throw .malformed(layout.path, "more than \(Int32.max) rows: train on a part of them")
    }
    let problems = [
      weights, infinite, foreign, mixed, distinct, distinctLabels, missingFeatures, missingTargets,
    ].compactMap { $0 }
    guard problems.isEmpty else {
      throw .malformed(layout.path, problems.joined(separator: "; "))
    }
    guard layout.uses.contains(where: { $0 == .number || $0 == .word }) else {
      throw .malformed(
        layout.path,
        "\(layout.width == 1 ? "only 1 column" : "no column is left for features"): at least one "
          + "feature and one target are required")
    }
  }

  // MARK: - Kinds of problems

  /// Cells of the column of weights that are no weights.
  private var weights: String? {
    guard let column = layout.weights else { return nil }
    let tally = found.tallies[column]
    let kinds = [
      (tally.missing, "missing"), (tally.words, "without a number"),
      (tally.infinite, "not finite in Float32"), (tally.negative, "below 0"),
    ].filter { $0.0.count > 0 }.map { cells($0.0.count, $0.1, $0.0) }
    guard !kinds.isEmpty else { return nil }
    return "the weights \(name(column)): \(kinds.joined(separator: ", ")): a weight is 0 or a "
      + "positive number; correct them, or remove these rows"
  }

  /// All columns but that of weights.
  private var otherColumns: [Int] { layout.uses.indices.filter { $0 != layout.weights } }

  private var infinite: String? {
    list(otherColumns) { tally, _ in
      tally.infinite.count == 0
        ? nil : cells(tally.infinite.count, "not finite in Float32", tally.infinite)
    }.map {
      "\($0.text): correct them\(advice("--ignore", $0.features, ", or leave out the column"))"
    }
  }

  /// Numbers in another notation than that of programs.
  private var foreign: String? {
    list(wordColumns) { _, column in
      guard let kinds = kinds[column], let first = kinds.firstForeign,
        kinds.numbers + kinds.foreign >= kinds.words
      else {
        return nil
      }
      return cells(kinds.foreign, "with \(first.kind)", first.cells)
    }.map {
      "\($0.text): write numbers with a decimal point, without separators or units"
        + advice("--categorical", $0.features, ", take the texts for categories")
        + advice("--ignore", $0.features, ", or leave out the column")
    }
  }

  /// Words among numbers where the numbers are no categories.
  private var mixed: String? {
    list(otherColumns) { tally, column in
      // In a column that is read as numbers the few words are a mistake.
      if tally.words.count > 0 {
        let kind = TableCell.foreignNumber(tally.words.example).map { "with \($0)" }
        return cells(tally.words.count, kind ?? "without a number", tally.words)
      }
      guard let kinds = kinds[column], areNumbers(column), let word = kinds.firstWord else {
        return nil
      }
      return cells(kinds.words, "without a number", word)
    }.map {
      let isOfTarget = layout.targets.contains {
        found.tallies[$0].words.count > 0 || areNumbers($0)
      }
      return "\($0.text): correct them"
        + advice("--categorical", $0.features, ", take the texts for categories")
        + advice("--ignore", $0.features, ", or leave out the column")
        + (isOfTarget ? ", or take all labels for classes with --loss cross-entropy" : "")
    }
  }

  /// Whether a column of words holds numbers, and some words by mistake.
  private func areNumbers(_ column: Int) -> Bool {
    guard let kinds = kinds[column], kinds.areWordsAmongNumbers else { return false }
    guard layout.targets.contains(column) else { return true }
    return options.targets != .classes && kinds.distinctNumbers > TargetRule.mostClasses
  }

  /// Words that are nearly all distinct, such as names, and dates.
  private var distinct: String? {
    list(featureWordColumns) { tally, column in
      guard let kinds = kinds[column] else { return nil }
      let areDates = kinds.dates * 2 > kinds.words
      guard areDates || hasNearlyDistinctTexts(tally), kinds.firstForeign == nil,
        !kinds.areWordsAmongNumbers
      else { return nil }
      let example = kinds.firstWord ?? kinds.firstNumber ?? .init()
      return
        "\(count(tally)) distinct \(areDates ? "dates" : "texts") in \(found.rows) rows (first "
        + "\(quoted(example.example)) in line \(example.firstLine))"
    }.map {
      "\($0.text): neither numbers nor categories"
        + advice("--ignore", $0.features, "; leave out the column")
    }
  }

  private var distinctLabels: String? {
    guard let target = layout.targets.first, layout.uses[target] == .targetWord else { return nil }
    let tally = found.tallies[target]
    guard hasNearlyDistinctTexts(tally), kinds[target]?.firstForeign == nil, !areNumbers(target)
    else { return nil }
    return "the target \(name(target)) has \(count(tally)) distinct labels in \(found.rows) rows; "
      + "if it is another column, name it with --target"
  }

  private var missingFeatures: String? {
    guard options.table.missing == .refuse else { return nil }
    return list(otherColumns.filter { !layout.targets.contains($0) }) { tally, _ in
      tally.missing.count == 0
        ? nil : "\(tally.missing.count) missing (first in line \(tally.missing.firstLine))"
    }.map {
      "\($0.text): --missing refuse takes no missing cells; fill them in, or use mean or drop"
    }
  }

  private var missingTargets: String? {
    list(layout.targets) { tally, _ in
      tally.missing.count == 0
        ? nil
        : "\(tally.missing.count) \(tally.missing.count == 1 ? "row has" : "rows have") no target "
          + "(first in line \(tally.missing.firstLine))"
    }.map { "\($0.text): remove these rows, or name another column with --target" }
  }

  /// Whether more than half of the rows have a text of their own.
  private func hasNearlyDistinctTexts(_ tally: ColumnTally) -> Bool {
    tally.hasTooManyLevels || tally.levels.count > max(found.rows / 2, 10)
  }

  // MARK: - Text

  private func count(_ tally: ColumnTally) -> String {
    tally.hasTooManyLevels ? "more than \(WordTable.limit)" : "\(tally.levels.count)"
  }

  private var wordColumns: [Int] { kinds.keys.sorted() }

  private var featureWordColumns: [Int] { wordColumns.filter { layout.uses[$0] == .word } }

  private func name(_ column: Int) -> String { layout.name(of: column) }

  /// What an option can do about columns; nothing if there are none.
  private func advice(_ option: String, _ columns: [Int], _ what: String) -> String {
    guard !columns.isEmpty else { return "" }
    let selection = ColumnSelection(path: layout.path, names: layout.names, width: layout.width)
    return "\(what)\(columns.count == 1 || !what.hasSuffix("column") ? "" : "s") with \(option) "
      + selection.argument(columns)
  }

  /// The columns that have a problem with what it is, and those of them that are no targets.
  private func list(
    _ columns: some Sequence<Int>, _ problem: (ColumnTally, Int) -> String?
  ) -> (text: String, features: [Int])? {
    let found = columns.compactMap { column in
      problem(self.found.tallies[column], column).map { (column: column, text: $0) }
    }
    guard !found.isEmpty else { return nil }
    let texts = found.prefix(8).map { "\(name($0.column)): \($0.text)" }
    return (
      texts.joined(separator: ", ")
        + (found.count > 8 ? " and \(found.count - 8) more columns" : ""),
      found.map(\.column).filter { !layout.targets.contains($0) }
    )
  }

  private func cells(_ count: Int, _ what: String, _ first: ColumnTally.Cells) -> String {
    "\(count) \(count == 1 ? "cell" : "cells") \(what) (first "
      + (first.example.isEmpty ? "" : "\(quoted(first.example)) ") + "in line \(first.firstLine))"
  }

  private func quoted(_ text: String) -> String { "\"\(text.prefix(40))\"" }
}

/// What the texts of a column are.
private struct WordKinds {
  private(set) var numbers = 0
  private(set) var distinctNumbers = 0
  private(set) var words = 0
  /// The words that are dates.
  private(set) var dates = 0
  private(set) var foreign = 0
  private(set) var firstWord: ColumnTally.Cells?
  private(set) var firstNumber: ColumnTally.Cells?
  private(set) var firstForeign: (kind: String, cells: ColumnTally.Cells)?

  /// Numbers with more distinct values are no categories.
  private static let mostNumbersAsLevels = 50

  /// Whether the column holds numbers, and some words by mistake.
  var areWordsAmongNumbers: Bool {
    firstForeign == nil && words > 0
      && (numbers > words && distinctNumbers > Self.mostNumbersAsLevels || numbers >= 9 * words)
  }

  init(_ tally: ColumnTally) {
    let texts = tally.levels.keys.filter { !TableCell.isNumber($0) }
    let units = Set(texts.map { TableCell.unit($0) })
    // Fewer may be categories, as `5more` among numbers of doors.
    let hasUnit = texts.count >= 3 && units.count == 1 && units != [nil]
    for (text, cells) in tally.levels {
      var cells = cells
      cells.example = text
      if TableCell.isNumber(text) {
        numbers += cells.count
        distinctNumbers += 1
        if cells.firstLine < firstNumber?.firstLine ?? .max { firstNumber = cells }
      } else if let kind = hasUnit ? "a unit" : TableCell.foreignNumber(text) {
        foreign += cells.count
        if cells.firstLine < firstForeign?.cells.firstLine ?? .max { firstForeign = (kind, cells) }
      } else {
        words += cells.count
        if TableCell.isDate(text) { dates += cells.count }
        if cells.firstLine < firstWord?.firstLine ?? .max { firstWord = cells }
      }
    }
  }
}

extension ColumnSelection {
  /// Columns as the value of an option in a shell.
  func argument(_ columns: [Int]) -> String {
    let fields = columns.map { column -> String in
      let name = names.indices.contains(column) ? names[column] : ""
      guard !name.isEmpty, names.count(where: { $0 == name }) == 1 else { return "\(column + 1)" }
      return CSVField.quoted(name)
    }
    let value = fields.joined(separator: ",")
    let isPlain = value.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || byte >= 0x80
        || "_-.,/:+@%".utf8.contains(byte)
    }
    return isPlain ? value : "'" + value.replacing("'", with: "'\\''") + "'"
  }
}

/// A field of a record (RFC 4180).
public enum CSVField {
  /// A text as a field, in quotes if it needs them.
  public static func quoted(_ text: String) -> String {
    guard text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }

  /// The fields of one record, such as the value of an option.
  public static func fields(_ text: String) -> [String] {
    var fields: [String] = []
    var field = ""
    var isQuoted = false
    var rest = Array(text)[...]
    while let character = rest.popFirst() {
      switch character {
      case "\"" where isQuoted && rest.first == "\"":
        field.append("\"")
        rest = rest.dropFirst()
      case "\"" where isQuoted || field.allSatisfy({ $0 == " " }): isQuoted.toggle()
      case "," where !isQuoted:
        fields.append(field.trimmed)
        field = ""
      default: field.append(character)
      }
    }
    fields.append(field.trimmed)
    return fields.filter { !$0.isEmpty }
  }
}
