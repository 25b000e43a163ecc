// SPDX-License-Identifier: Apache-2.0
import Foundation
import Telemetry
import Training

/// Runs' convergence side by side: a table of evaluations at equal steps, and a plot of losses.
enum ConvergenceText {
  static func text(_ runs: [RecordedRun]) -> String {
    let letters = runs.indices.map { String(UnicodeScalar(UInt8(65 + $0 % 26))) }
    let legend = zip(letters, runs).map { letter, run in
      "  \(letter)  \(run.path)" + (run.batch.map { ", batch \($0)" } ?? "")
    }
    let curves = runs.map { run in
      run.steps.map { (x: Double($0.step * (run.batch ?? 1)), y: log10($0.loss ?? .nan)) }
    }
    return legend.joined(separator: "\n") + "\n\n" + table(runs, letters)
      + "\ntraining loss over samples, logarithmic\n"
      + TextPlot.text(curves) { pow(10, $0) }
  }

  /// Held-out loss and accuracy of every run at the steps at which any was evaluated.
  private static func table(_ runs: [RecordedRun], _ letters: [String]) -> String {
    let steps = Set(runs.flatMap { $0.evaluations.map(\.step) }).sorted()
    guard !steps.isEmpty else { return "" }
    // At most 20 lines, spread evenly, the last one always.
    let stride = (steps.count + 19) / 20
    let shown = steps.indices.filter { (steps.count - 1 - $0) % stride == 0 }.map { steps[$0] }
    let head = "held out, at step" + letters.map { "                 \($0)" }.joined()
    let rows = shown.map { step in
      String(format: "%17d", step)
        + runs.map { run in cell(run.evaluations.first { $0.step == step }) }.joined()
    }
    return ([head] + rows).joined(separator: "\n") + "\n"
  }

  private static func cell(_ line: RecordedRun.Line?) -> String {
    guard let line, let loss = line.testLoss else { return String(repeating: " ", count: 17) + "-" }
    let accuracy = line.testAccuracy.map { String(format: "%7.2f %%", 100 * $0) } ?? "         "
    return String(format: "%9.4f", loss) + accuracy
  }
}
