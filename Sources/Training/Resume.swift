// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Coordination
internal import Foundation

/// The checkpoint that a run is resumed from, as far as all ranks must know it.
struct ResumePoint: Codable {
  let path: String
  let step: Int
  let slices: Int
  /// The network's architecture, and by which rule its running statistics are updated.
  let model: ModelDescription
  /// The training loss of the epoch up to the checkpoint; nil if it was written by a version that
  /// didn't keep it.
  let epochLoss: EpochLoss?
  /// What early stopping and the plateau schedule have seen; nil if the run had neither.
  let monitor: MonitorState?
  /// What determined the run so far, by option.
  let config: [String: String]
  /// What was wrong with newer checkpoints.
  let skipped: [String]

  /// Finds the checkpoint to resume from, if the options ask for it; all ranks, rank 0 reads.
  static func find(_ options: TrainingOptions, _ group: any ProcessGroup) throws -> ResumePoint? {
    guard let resume = options.resume else { return nil }
    let found = try group.agree { () -> ResumePoint? in
      guard group.rank == 0 else { return nil }
      switch resume {
      case .newest:
        let folder = CheckpointFolder(path: (options.run ?? ".") + "/checkpoints")
        let search = try folder.newestIntact()
        guard let checkpoint = search.checkpoint else { throw folder.nothingIntact(search) }
        return try ResumePoint(checkpoint, skipped: search.skipped)
      case .file(let path):
        let checkpoint = try Checkpoint(path: path)
        try checkpoint.verify()
        return try ResumePoint(checkpoint, skipped: [])
      }
    }
    return try group.broadcast { found }
  }

  private init(_ checkpoint: Checkpoint, skipped: [CheckpointError]) throws {
    path = checkpoint.path
    step = checkpoint.metadata.step
    slices = checkpoint.metadata.slices
    model = try ModelDescription(json: checkpoint.metadata.model, path: checkpoint.path)
    epochLoss = checkpoint.metadata.epochLoss
    monitor = checkpoint.metadata.monitor
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

  /// Options about monitoring, which a run may cease to do after any step.
  private static let monitoring: Set = ["patience", "monitor", "min-delta", "evaluate-every"]

  /// Whether an option is a longer patience than that of the run that wrote the checkpoint, which would
  /// have done the same steps with it; with a shorter one it might have stopped before.
  private func isRaisedPatience(_ name: String, _ value: String) -> Bool {
    guard name == "patience", let before = config[name].flatMap({ Int($0) }) else { return false }
    return Int(value).map { $0 >= before } ?? false
  }

  /// Options that a resumed run may raise, since they don't change the steps before.
  private static let lengths: Set = ["epochs", "steps"]

  /// What checkpoints mean that were written before an option was there.
  private static let earlierMeanings = ["target-scale": TargetScaleName.none.rawValue]

  /// Whether targets that are numbers were not standardized when the checkpoint was written.
  var predatesTargetScale: Bool { model.schema == nil }

  /// Checks that the resumed run gives what the run would have given.
  ///
  /// - Throws: ``TrainingError/usage(_:)`` that lists the options that differ;
  ///   ``TrainingError/unsuitableData(_:)`` if the data do.
  func check(
    _ options: TrainingOptions, dataHash: String, totalSteps: Int, ranks: Int
  ) throws {
    if options.monitorsHeldOutRows && monitor == nil {
      throw TrainingError.usage(
        "--resume: \(options.monitoringOption): \(path) does not say how well earlier evaluations "
          + "went, since its run monitored nothing; leave the option out, or start a new run")
    }
    let own = options.determining(slices: options.slices ?? slices, ranks: ranks)
    let depends = options.schedule.dependsOnLength(options)
    var changed = own.filter { name, value in
      config[name] ?? Self.earlierMeanings[name] != value
        && (depends || !Self.lengths.contains(name)) && !isRaisedPatience(name, value)
    }
    if changed.isEmpty { changed = noLongerDetermining(options, own) }
    if changed.map(\.name) == ["ranks"] {
      throw TrainingError.usage(
        "--resume: with --batch-norm local the result depends on the number of ranks: \(path) was "
          + "trained on \(config["ranks"] ?? "an unknown number of") ranks, not \(ranks); "
          + "start the same number")
    }
    try refuse(changed)
    guard config["data-hash"] == dataHash else {
      throw TrainingError.unsuitableData(
        "\(options.data): its rows are not those that \(path) was trained on, or are read with "
          + "other options")
    }
    guard step <= totalSteps else {
      throw TrainingError.usage(
        "--resume: \(path) is at step \(step), beyond the last of \(totalSteps) steps; "
          + "raise --\(options.steps == nil ? "epochs" : "steps")")
    }
  }

  /// Options that determined the result of the run and no longer do, with other values than then.
  private func noLongerDetermining(
    _ options: TrainingOptions, _ own: [(name: String, value: String)]
  ) -> [(name: String, value: String)] {
    let names = Set(own.map(\.name)).union(Self.lengths)
      .union(options.monitorsHeldOutRows ? ["patience"] : Self.monitoring)
    let values = options.values(slices: options.slices ?? slices)
    return config.keys.sorted().compactMap { name in
      guard !names.contains(name), let value = values[name], config[name] != value else {
        return nil
      }
      return (name: name, value: value)
    }
  }

  private func refuse(_ changed: [(name: String, value: String)]) throws(TrainingError) {
    guard !changed.isEmpty else { return }
    let list = changed.map {
      ($0.name == "ranks" ? "" : "--")
        + "\($0.name) \($0.value.isEmpty ? "unset" : $0.value) (was \(config[$0.name] ?? "unset"))"
    }
    throw .usage(
      "--resume: these options would change the result of \(path): "
        + list.joined(separator: ", ") + "; leave them as they were")
  }
}
