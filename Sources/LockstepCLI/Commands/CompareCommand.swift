// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Failures
import Foundation
import MessagePassing
import NeuralCore
import Reports
import RunRecords
import Training

/// The command `compare`: shows where runs first differ, and their convergence side by side.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Check whether runs are bitwise identical, and find where they first differ.",
    discussion: """
      Compares the first run with each of the others. The exit status is 0 if all are identical \
      and 1 if not, as with cmp.
      """)

  @Argument(help: "Two or more run directories.")
  var runs: [String]

  @Flag(help: "Print the comparison as JSON.")
  var json = false

  func validate() throws {
    guard runs.count >= 2 else { throw ValidationError("compare requires two or more runs") }
  }

  func run() throws {
    guard LaunchEnvironment.current.isFirst else { return }
    let isEqual: Bool
    do {
      let recorded = try runs.map { try RecordedRun(path: $0) }
      let comparisons = try recorded.dropFirst().map { try RunComparison(recorded[0], $0) }
      let text = json ? try asJSON(comparisons, recorded) : asText(comparisons, recorded)
      Terminal.write(text, to: .standardOutput)
      isEqual = comparisons.allSatisfy(\.isEqual)
    } catch {
      throw ProgramExit(error)
    }
    if !isEqual { throw ProgramExit(ExitStatus(rawValue: 1), nil) }
  }

  private struct Document: Encodable {
    let comparisons: [RunComparison]
    let heldOutBySteps: Convergence
    let heldOutByEpochs: Convergence
  }

  private func asJSON(_ comparisons: [RunComparison], _ runs: [RecordedRun]) throws -> String {
    let document = Document(
      comparisons: comparisons, heldOutBySteps: Convergence(runs, by: .steps),
      heldOutByEpochs: Convergence(runs, by: .epochs))
    return try JSONOutput.text(document)
  }

  private func asText(_ comparisons: [RunComparison], _ runs: [RecordedRun]) -> String {
    comparisons.map(text(of:)).joined() + "\n" + ConvergenceText.text(runs)
  }

  private func text(of comparison: RunComparison) -> String {
    let names = comparison.runs.joined(separator: " and ")
    guard !comparison.isEqual else {
      return "\(names) are equal: \(comparison.commonSteps) logged steps, "
        + "\(comparison.commonCheckpoints) checkpoints\n"
    }
    var lines = ["\(names) differ"]
    if let step = comparison.firstStep {
      let losses = step.losses.map { $0.map { "\($0)" } ?? "not finite" }.joined(separator: " and ")
      let digests = step.digests.map { $0 ?? "none" }.joined(separator: " and ")
      lines.append("  first at step \(step.step): losses \(losses), digests \(digests)")
    } else {
      lines.append("  no difference in the \(comparison.commonSteps) logged steps of both")
    }
    if let step = comparison.firstEvaluation {
      lines.append("  first evaluation that differs: after step \(step)")
    }
    if let found = comparison.firstTensor {
      lines.append(
        "  checkpoints of step \(found.step): \(found.tensor) differs in \(found.elements) of "
          + "\(found.count) elements, by at most \(found.largestUlps) units in the last place; "
          + "\(found.tensors - 1) more tensors differ")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

/// The convergence of runs side by side: evaluations by steps and by epochs, and a plot of the training
/// losses.
private enum ConvergenceText {
  static func text(_ runs: [RecordedRun]) -> String {
    let letters = runs.indices.map { String(UnicodeScalar(UInt8(65 + $0 % 26))) }
    let legend = zip(letters, runs).map { letter, run in
      (name: letter, value: run.path + (run.batch.map { ", batch \($0)" } ?? ""))
    }
    let curves = runs.map { run in
      run.metrics.steps.map {
        (x: Double($0.step * (run.batch ?? 1)), y: log10($0.loss ?? .nan))
      }
    }
    return TextTable(legend).text + "\n"
      + table(Convergence(runs, by: .steps), by: "step", letters)
      + table(Convergence(runs, by: .epochs), by: "epoch", letters)
      + "Training loss by samples, logarithmic\n"
      + TextPlot.text(curves) { pow(10, $0) }
  }

  /// Held-out loss and accuracy of every run, in at most 20 evenly spread rows including the last.
  private static func table(
    _ convergence: Convergence, by measure: String, _ letters: [String]
  ) -> String {
    let rows = convergence.rows
    guard !rows.isEmpty else { return "" }
    let stride = (rows.count + 19) / 20
    let shown = rows.indices.filter { (rows.count - 1 - $0) % stride == 0 }.map { rows[$0] }
    let table = TextTable(
      [measure] + letters, shown.map { ["\($0.at)"] + $0.runs.map(cell) },
      alignments: Array(repeating: .right, count: 1 + letters.count))
    return "Held-out loss and accuracy by \(measure)\n\(table.text)\n"
  }

  private static func cell(_ point: Convergence.Point?) -> String {
    guard let point else { return "-" }
    let loss = String(format: "%.4f", point.loss)
    return point.accuracy.map { loss + String(format: "%7.2f %%", 100 * $0) } ?? loss
  }
}
