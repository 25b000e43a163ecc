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

  /// Options whose end a run may put off, since they don't change the steps before.
  private static let lengths: Set = ["epochs", "steps"]

  /// Checks that going on gives what the run would have given.
  ///
  /// - Throws: ``TrainingError/usage(_:)`` that lists the options that differ;
  ///   ``TrainingError/unsuitableData(_:)`` if the data do.
  func check(_ options: TrainingOptions, dataHash: String, totalSteps: Int) throws {
    let own = options.determining(slices: options.slices ?? slices)
    let depends =
      options.schedule == .cosine || options.schedule == .step && options.decayEvery == nil
    let changed = own.filter { name, value in
      config[name] != value && (depends || !Self.lengths.contains(name))
    }
    guard changed.isEmpty else {
      let list = changed.map { "--\($0.name) \($0.value) (there \(config[$0.name] ?? "unset"))" }
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
