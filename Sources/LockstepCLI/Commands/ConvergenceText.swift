// SPDX-License-Identifier: Apache-2.0
import Foundation
import Reports
import Training

/// Runs' convergence side by side: evaluations at equal steps and at equal samples, and a plot of
/// losses.
enum ConvergenceText {
  static func text(_ runs: [RecordedRun]) -> String {
    let letters = runs.indices.map { String(UnicodeScalar(UInt8(65 + $0 % 26))) }
    let legend = zip(letters, runs).map { letter, run in
      "  \(letter)  \(run.path)" + (run.batch.map { ", batch \($0)" } ?? "")
    }
    let curves = runs.map { run in
      run.steps.map { (x: Double($0.step * (run.batch ?? 1)), y: log10($0.loss ?? .nan)) }
    }
    return legend.joined(separator: "\n") + "\n\n"
      + table(Convergence(runs, by: .steps), "held out, at step", letters)
      + table(Convergence(runs, by: .epochs), "after epoch", letters)
      + "\ntraining loss over samples, logarithmic\n"
      + TextPlot.text(curves) { pow(10, $0) }
  }

  /// Held-out loss and accuracy of every run, at most 20 lines, spread evenly, the last one always.
  private static func table(
    _ convergence: Convergence, _ title: String, _ letters: [String]
  ) -> String {
    let rows = convergence.rows
    guard !rows.isEmpty else { return "" }
    let stride = (rows.count + 19) / 20
    let shown = rows.indices.filter { (rows.count - 1 - $0) % stride == 0 }.map { rows[$0] }
    let margin = String(repeating: " ", count: 17 - title.count)
    let head = margin + title + letters.map { "                 \($0)" }.joined()
    let lines = shown.map { String(format: "%17d", $0.at) + $0.runs.map(cell).joined() }
    return ([head] + lines).joined(separator: "\n") + "\n"
  }

  private static func cell(_ point: Convergence.Point?) -> String {
    guard let point else { return String(repeating: " ", count: 17) + "-" }
    let accuracy = point.accuracy.map { String(format: "%7.2f %%", 100 * $0) } ?? "         "
    return String(format: "%9.4f", point.loss) + accuracy
  }
}
