// SPDX-License-Identifier: Apache-2.0

/// Held-out loss and accuracy of several runs side by side.
public struct Convergence: Encodable, Sendable {
  /// What is equal in a row.
  public enum Measure: Sendable {
    /// The number of steps, which are of different length if the runs' batches are.
    case steps
    /// The number of epochs: each has seen every row as often. The last evaluation in it counts.
    case epochs
  }

  /// One run's evaluation.
  public struct Point: Encodable, Equatable, Sendable {
    /// The held-out loss.
    public let loss: Double
    /// The held-out accuracy, with classes.
    public let accuracy: Double?
  }

  /// The evaluations at one number of steps or epochs; nil for a run that has none there.
  public struct Row: Encodable, Equatable, Sendable {
    /// How many steps or epochs.
    public let at: Int
    /// The evaluations, in the order of the runs.
    public let runs: [Point?]
  }

  /// The rows, ascending.
  public let rows: [Row]

  /// Puts the evaluations of runs side by side.
  public init(_ runs: [RecordedRun], by measure: Measure) {
    let points = runs.map { run in
      Dictionary(
        run.evaluations.compactMap { line in
          line.testLoss.map {
            (
              measure == .steps ? line.step : line.epoch,
              Point(loss: $0, accuracy: line.testAccuracy)
            )
          }
        }
      ) { _, last in last }
    }
    rows = Set(points.flatMap(\.keys)).sorted().map { at in
      Row(at: at, runs: points.map { $0[at] })
    }
  }
}
