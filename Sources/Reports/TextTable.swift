// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore
public import RunRecords

/// Rows of cells in aligned columns, for a terminal.
///
/// ```swift
/// TextTable(["step", "loss"], [["1", "2.3026"], ["100", "0.0421"]]).text
/// ```
///
/// is
///
/// ```
///   step    loss
///      1  2.3026
///    100  0.0421
/// ```
public struct TextTable {
  /// On which side the cells of a column are aligned.
  public enum Alignment: Sendable {
    case left, right
    /// Right if all cells below the title are numbers, otherwise left.
    case automatic
  }

  private let rows: [[String]]
  private let alignments: [Alignment]
  private let indent: Int

  /// A table with a line of titles above the rows.
  ///
  /// - Parameters:
  ///   - alignments: those of the columns from the left; the others are automatic.
  ///   - indent: the number of spaces before each line.
  public init(
    _ titles: [String], _ rows: [[String]], alignments: [Alignment] = [], indent: Int = 2
  ) {
    self.rows = ([titles] + rows).map { $0.map(Readable.oneLine) }
    self.alignments = alignments
    self.indent = indent
  }

  /// Names with their values, in two columns without titles.
  public init(_ pairs: [(name: String, value: String)], indent: Int = 2) {
    rows = pairs.map { [Readable.oneLine($0.name), Readable.oneLine($0.value)] }
    alignments = [.left, .left]
    self.indent = indent
  }

  /// The lines of the table, each with a line feed at its end; control characters become spaces.
  public var text: String {
    let columns = (0..<(rows.map(\.count).max() ?? 0)).map(column)
    return rows.indices.map { row in
      var line =
        String(repeating: " ", count: indent) + columns.map { $0[row] }.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line + "\n"
    }.joined()
  }

  /// The cells of a column, all of the same width.
  private func column(_ index: Int) -> [String] {
    let cells = rows.map { index < $0.count ? $0[index] : "" }
    let width = cells.map(\.count).max() ?? 0
    let alignment = index < alignments.count ? alignments[index] : .automatic
    let isRight = alignment == .right || alignment == .automatic && Self.isNumeric(cells)
    return cells.map { cell in
      let gap = String(repeating: " ", count: width - cell.count)
      return isRight ? gap + cell : cell + gap
    }
  }

  private static func isNumeric(_ column: [String]) -> Bool {
    column.dropFirst().allSatisfy { cell in
      cell == "-"
        || cell.first.map { $0.isNumber || $0 == "-" || $0 == "+" } ?? true
          && !cell.contains { $0.isLetter || $0 == " " && cell.last != "%" }
    }
  }
}

extension TextTable {
  /// The outcome of a run and the paths of its files, with a line above the table.
  ///
  /// Values that are not known have no row.
  public static func summary(
    _ summary: RunSummary, files: [(name: String, path: String)] = []
  ) -> String {
    let epochs = "\(Readable.count(summary.epochs)) epoch\(summary.epochs == 1 ? "" : "s")"
    let slices = "\(Readable.count(summary.slices)) slice\(summary.slices == 1 ? "" : "s")"
    let metrics: [(name: String, value: String?)] = summary.testMetrics.map {
      ("held-out \($0.metric.title)", $0.value.map($0.metric.text(of:)))
    }
    let results: [(name: String, value: String?)] = [
      ("held-out accuracy", summary.testAccuracy.map(Readable.percentage)),
      ("held-out RMSE", summary.testScores.map { Readable.significant($0.rootMeanSquaredError) }),
      ("held-out MAE", summary.testScores.map { Readable.significant($0.meanAbsoluteError) }),
      ("held-out R2", summary.testScores?.r2.map { Readable.significant($0) }),
      ("held-out loss", summary.testLoss.map(Readable.loss)),
    ]
    let run: [(name: String, value: String?)] = [
      ("training loss", summary.finalLoss.map(Readable.loss)),
      ("best \(summary.monitor?.title ?? "")", bestValue(of: summary)),
      ("steps", "\(Readable.count(summary.steps)) in \(epochs)"),
      ("parameters", Readable.count(summary.parameters)),
      ("ranks", "\(Readable.count(summary.ranks)) (\(slices))"),
      ("time", summary.seconds.map(Readable.time)),
      ("samples/s", summary.samplesPerSecond.map(Readable.rate)),
      ("digest", summary.digest),
    ]
    let known = (results + metrics + run).compactMap { row in
      row.value.map { (name: row.name, value: $0) }
    }
    let outcome =
      !summary.completed
      ? "was interrupted" : summary.stoppedEarly == true ? "stopped early" : "is complete"
    return "Training \(outcome).\n"
      + TextTable(known + files.map { (name: $0.name, value: $0.path) }).text
  }

  /// The best value of the monitored metric, and its step.
  private static func bestValue(of summary: RunSummary) -> String? {
    guard let metric = summary.monitor, let best = summary.best, let step = summary.bestStep else {
      return nil
    }
    return "\(metric.text(of: best)) at step \(Readable.count(step))"
  }
}
