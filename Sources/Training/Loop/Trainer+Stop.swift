// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Failures
internal import Foundation
internal import NeuralCore

/// Signals to stop as votes: whole numbers whose sum over the replicas tells which signals came.
enum StopVote {
  /// More than there are replicas.
  private static let interrupt = 1 << 24

  static func vote(for signal: Int32) -> Int {
    switch signal {
    case 0: 0
    case SIGINT: interrupt
    default: 1
    }
  }

  /// The signal that the votes' sum stands for; an interrupt outweighs others.
  static func signal(_ votes: Int) -> Int32? {
    votes == 0 ? nil : votes >= interrupt ? SIGINT : SIGTERM
  }
}

extension Trainer {
  /// The signal on which all replicas stop now, if one came to any of them.
  ///
  /// Signals travel with the step's sums, so agreeing costs nothing; only where a replica never has
  /// rows, and so no part in the sums, all are asked.
  func agreedStop(_ result: StepResult, _ run: TrainingRun) throws -> Int32? {
    guard run.step < run.totalSteps else { return nil }
    guard run.hasIdleReplica else { return StopVote.signal(result.votes) }
    let vote = StopVote.vote(for: stopSignal())
    return StopVote.signal(try group.allGather(values: vote).reduce(0, +))
  }

  /// Keeps all state, and ends the run on every replica.
  func stop(_ signal: Int32, _ run: TrainingRun) throws {
    var saved = ""
    _ = try finish(run) { event in
      if case .finished(_, _, let checkpoint) = event { saved = checkpoint }
    }
    throw Failure(
      .signal(signal),
      "\(signal == SIGINT ? "SIGINT" : "SIGTERM"): stopped after step \(run.step) of "
        + "\(run.totalSteps); \(saved) holds all state: go on with --resume")
  }
}
