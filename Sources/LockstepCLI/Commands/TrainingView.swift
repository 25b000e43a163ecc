// SPDX-License-Identifier: Apache-2.0
import Foundation
import Reports
import RunRecords
import Training

/// Shows a training run on a terminal: its options, its progress, and its summary.
struct TrainingView {
  private let quiet: Bool
  private var display: ProgressDisplay

  init(quiet: Bool) {
    self.quiet = quiet
    display = ProgressDisplay(
      style: Terminal.width.map { .terminal(width: $0) } ?? .plain(interval: 10),
      now: { ProcessInfo.processInfo.systemUptime },
      output: { Terminal.write($0, to: .standardError) })
  }

  mutating func show(_ event: TrainingEvent) {
    if case .warned(let message) = event {
      display.finish()
      Terminal.write("lockstep: warning: \(message)\n", to: .standardError)
    }
    if case .resumed(_, _, let skipped) = event {
      let lines = skipped.map { "lockstep: skipped a damaged checkpoint: \($0)\n" }
      Terminal.write(lines.joined(), to: .standardError)
    }
    guard !quiet else { return }
    switch event {
    case .warned:
      break
    case .started(let options, let run):
      let table = TextTable(options + [(name: "run", value: run)]).text
      Terminal.write(table + "\n", to: .standardError)
    case .resumed(let step, let checkpoint, _):
      Terminal.write("resuming after step \(step), from \(checkpoint)\n", to: .standardError)
    case .progress(let progress):
      display.show(progress)
    case .evaluated(let progress, let loss, let accuracy):
      let percent = accuracy.map { String(format: ", accuracy %.2f %%", 100 * $0) } ?? ""
      display.write(
        "epoch \(progress.epoch), step \(progress.step): held-out loss "
          + String(format: "%.4f", loss) + percent)
    case .finished(let summary, let run, let checkpoint):
      display.finish()
      Terminal.write(
        "\n"
          + TextTable.summary(
            summary, files: [(name: "run", path: run), (name: "weights", path: checkpoint)]),
        to: .standardError)
    }
  }
}
