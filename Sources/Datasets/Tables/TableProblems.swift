// SPDX-License-Identifier: Apache-2.0

/// What keeps a table from being trained on, all of it in one message.
struct TableProblems {
  private let layout: TableLayout
  private let found: TableFindings
  private let options: LoadOptions
  /// What the texts of each column of words are.
  private let kinds: [Int: WordKinds]

  init(_ layout: TableLayout, _ found: TableFindings, _ options: LoadOptions) {
    self.layout = layout
    self.found = found
    self.options = options
    kinds = Dictionary(
      uniqueKeysWithValues: layout.uses.indices.filter {
        [.word, .targetWord].contains(layout.uses[$0]) && !layout.categorical.contains($0)
      }.map { ($0, WordKinds(found.tallies[$0])) })
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
    let problems = [
      infinite, foreign, mixed, distinct, distinctLabels, missingFeatures, missingTargets,
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

  private var infinite: String? {
    list(layout.uses.indices) { tally, _ in
      tally.infinite.count == 0
        ? nil : cells(tally.infinite.count, "too large for a Float32", tally.infinite)
    }.map { "\($0.text): correct them, or leave the columns out with --ignore \($0.option)" }
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
      "\($0.text): write numbers with a decimal point and without separators or signs of units, or "
        + "leave the columns out with --ignore \($0.option)"
    }
  }

  /// Words among numbers that are too many different ones to be categories.
  private var mixed: String? {
    list(featureWordColumns) { _, column in
      guard let kinds = kinds[column], kinds.firstForeign == nil, let word = kinds.firstWord,
        kinds.numbers > kinds.words,
        kinds.distinctNumbers > Self.mostNumbersAsLevels
      else { return nil }
      return cells(kinds.words, "that are no numbers", word)
    }.map {
      "\($0.text): correct them, leave the columns out with --ignore \($0.option), or take each "
        + "distinct text for a category with --categorical \($0.option)"
    }
  }

  private static let mostNumbersAsLevels = 50

  /// Words that are nearly all distinct, such as names, and dates.
  private var distinct: String? {
    list(featureWordColumns) { tally, column in
      guard let kinds = kinds[column] else { return nil }
      let areDates = kinds.dates * 2 > kinds.words
      guard areDates || tally.levels.count > max(found.rows / 2, 10), kinds.firstForeign == nil,
        !(kinds.numbers > kinds.words && kinds.distinctNumbers > Self.mostNumbersAsLevels)
      else { return nil }
      let example = kinds.firstWord ?? kinds.firstNumber ?? .init()
      return
        "\(tally.levels.count) distinct \(areDates ? "dates" : "texts") in \(found.rows) rows (first "
        + "\(quoted(example.example)) in line \(example.firstLine))"
    }.map {
      "\($0.text): neither numbers nor categories; leave \($0.count == 1 ? "the column" : "the columns") "
        + "out with --ignore \($0.option)"
    }
  }

  private var distinctLabels: String? {
    guard let target = layout.targets.first, layout.uses[target] == .targetWord else { return nil }
    let tally = found.tallies[target]
    guard tally.levels.count > max(found.rows / 2, 10), kinds[target]?.firstForeign == nil else {
      return nil
    }
    return
      "the target \(name(target)) has \(tally.levels.count) distinct labels in \(found.rows) rows; "
      + "if it is another column, name it with --target"
  }

  private var missingFeatures: String? {
    guard options.table.missing == .refuse else { return nil }
    return list(layout.uses.indices.filter { !layout.targets.contains($0) }) { tally, _ in
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

  // MARK: - Text

  private var wordColumns: [Int] { kinds.keys.sorted() }

  private var featureWordColumns: [Int] { wordColumns.filter { layout.uses[$0] == .word } }

  private func name(_ column: Int) -> String { layout.name(of: column) }

  /// The columns that have a problem with what it is, and as the value of an option.
  private func list(
    _ columns: some Sequence<Int>, _ problem: (ColumnTally, Int) -> String?
  ) -> (text: String, option: String, count: Int)? {
    let found = columns.compactMap { column in
      problem(self.found.tallies[column], column).map { (column: column, text: $0) }
    }
    guard !found.isEmpty else { return nil }
    let texts = found.prefix(8).map { "\(name($0.column)): \($0.text)" }
    return (
      texts.joined(separator: ", ")
        + (found.count > 8 ? " and \(found.count - 8) more columns" : ""),
      ColumnSelection(path: layout.path, names: layout.names, width: layout.width)
        .argument(found.map(\.column)), found.count
    )
  }

  private func cells(_ count: Int, _ what: String, _ first: ColumnTally.Cells) -> String {
    "\(count) \(count == 1 ? "cell" : "cells") \(what) (first \(quoted(first.example)) in line "
      + "\(first.firstLine))"
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

  init(_ tally: ColumnTally) {
    for (text, cells) in tally.levels {
      var cells = cells
      cells.example = text
      if TableCell.isNumber(text) {
        numbers += cells.count
        distinctNumbers += 1
        if cells.firstLine < firstNumber?.firstLine ?? .max { firstNumber = cells }
      } else if let kind = TableCell.foreignNumber(text) {
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
