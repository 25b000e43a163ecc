// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Foundation

/// The checkpoint that a run goes on with, as far as all replicas must know it.
struct ResumePoint: Codable {
  let path: String
  let step: Int
  let slices: Int
  /// What determined the run so far, by option.
  let config: [String: String]
  /// What was wrong with newer checkpoints.
  let skipped: [String]

  /// Tells what of a checkpoint all must know.
  init(_ checkpoint: Checkpoint, skipped: [CheckpointError]) throws {
    path = checkpoint.path
    step = checkpoint.metadata.step
    slices = checkpoint.metadata.slices
    self.skipped = skipped.map { "\($0)" }
    guard
      let config = try? JSONDecoder().decode(
        [String: String].self, from: Data(checkpoint.metadata.config.utf8))
    else { throw TrainingError.unsuitableModel("\(path): its config is not an object of strings") }
    self.config = config
  }

  /// The last step of the run that wrote the checkpoint, or nil where that is not known.
  func lastStep(stepsPerEpoch: Int) -> Int? {
    if let steps = config["steps"] { return Int(steps) }
    return config["epochs"].flatMap { Int($0) }.map { $0 * stepsPerEpoch }
  }

  /// Options whose end a run may put off, since they don't change the steps before.
  private static let lengths: Set = ["epochs", "steps"]

  /// Checks that going on gives what the run would have given.
  ///
  /// - Throws: ``TrainingError/usage(_:)`` that lists the options that differ;
  ///   ``TrainingError/unsuitableData(_:)`` if the data do.
  func check(
    _ options: TrainingOptions, dataHash: String, totalSteps: Int, ranks: Int
  ) throws {
    let own = options.determining(slices: options.slices ?? slices, ranks: ranks)
    let depends =
      options.schedule == .cosine || options.schedule == .step && options.decayEvery == nil
    let changed = own.filter { name, value in
      config[name] != value && (depends || !Self.lengths.contains(name))
    }
    if changed.map(\.name) == ["ranks"] {
      throw TrainingError.usage(
        "--resume: with --batch-norm local the result depends on the number of ranks: \(path) is of "
          + "\(config["ranks"] ?? "an unknown number of") ranks, here are \(ranks); "
          + "start as many")
    }
    guard changed.isEmpty else {
      let list = changed.map {
        ($0.name == "ranks" ? "" : "--")
          + "\($0.name) \($0.value) (there \(config[$0.name] ?? "unset"))"
      }
      throw TrainingError.usage(
        "--resume: these options would change the result of \(path): "
          + list.joined(separator: ", ") + "; leave them as they were")
    }
    guard config["data-hash"] == dataHash else {
      throw TrainingError.unsuitableData(
        "\(options.data): other rows than those that \(path) was trained on")
    }
    guard step <= totalSteps else {
      throw TrainingError.usage(
        "--resume: \(path) is at step \(step), beyond the last of \(totalSteps) steps; "
          + "raise --\(options.steps == nil ? "epochs" : "steps")")
    }
  }
}
