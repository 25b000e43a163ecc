// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Coordination
internal import Dispatch
internal import Failures
internal import Files
internal import Foundation
internal import Machine
internal import NeuralCore
internal import RunRecords
internal import Synchronization
internal import Tracing

/// Gets a run's state to disk and back: begins a checkpoint, polls it while training continues, and
/// waits for it at the end.
///
/// All ranks call its functions alike: the optimizer's state is gathered from its owners, rank 0
/// writes, and all agree on the success.
final class CheckpointCoordinator {
  /// The held-out loss after each step at which it was evaluated; on rank 0.
  ///
  /// Where no metric is monitored, the checkpoint of the lowest one is kept.
  var heldOutLosses: [Int: Double] = [:]

  private let options: TrainingOptions
  private let run: TrainingRun
  private let group: any ProcessGroup
  private let writer = CheckpointWriter()
  /// The folder, and the log whose records must be on disk before a checkpoint is; on rank 0.
  private var target: (folder: CheckpointFolder, metrics: String)?
  /// Whether the ranks have yet to agree on a checkpoint that was begun; the same on all.
  private var isPending = false
  /// The last checkpoint that is known to be on disk; on rank 0.
  private var lastGood: String?
  /// The step that the file `best` names, as soon as what is being written is written; on rank 0.
  private(set) var publishedBest: Int?
  /// The step of the run's first checkpoint.
  private var firstStep = 0

  init(_ options: TrainingOptions, _ run: TrainingRun, _ group: any ProcessGroup) {
    self.options = options
    self.run = run
    self.group = group
  }

  /// Makes the folder of checkpoints in a run directory; rank 0.
  ///
  /// Once: a folder that vanishes later is an error, and not made anew without its run.
  ///
  /// - Parameter warn: receives a message if the best checkpoint of the resumed run is not at hand.
  func open(
    _ directory: RunDirectory, _ resumePoint: ResumePoint?, warn: (String) -> Void
  ) throws {
    let folder = try CheckpointFolder.open(
      directory.checkpoints, calls: InjectedKill()?.calls ?? .live)
    target = (folder, directory.metrics)
    guard let resumePoint else { return }
    let best = options.tracksBest ? run.monitor?.state.best?.step : nil
    if let best, options.resume != .newest, best != resumePoint.step {
      do {
        try folder.copy(step: best, from: CheckpointFolder(siblingsOf: resumePoint.path))
      } catch {
        let reason = Failure(error).message
        warn("the best checkpoint so far, of step \(best), can't be copied to this run: \(reason)")
      }
    }
    let before = try? folder.best()?.step
    try folder.repairBest(step: best)
    publishedBest = try folder.best()?.step
    // The run ended between writing a better checkpoint and removing the one before.
    if let before, let publishedBest, before < publishedBest, isKeptAsBestOnly(before) {
      try folder.remove(step: before)
    }
    if let best, publishedBest == nil, best != resumePoint.step, options.resume == .newest {
      warn("the best checkpoint so far, of step \(best), is gone; the next better one is kept")
    }
  }

  /// Whether the last evaluation was the best one, and its checkpoint is kept for that; the same on
  /// all ranks.
  var isAtBest: Bool { options.tracksBest && run.monitor?.best?.step == run.step }

  /// Writes all state and waits for the disk; all ranks, which agree on the success.
  ///
  /// - Returns: the file's path on rank 0.
  /// - Throws: `Failure`, the same on all ranks, that names the last good checkpoint; also for a
  ///   checkpoint that was begun before.
  @discardableResult
  func write() throws -> String {
    group.begin(.checkpoint, step: run.step)
    try finish()
    return try run.network.spans.record(.checkpoint) {
      let job = try gatherJob { _ in false }
      return try group.agree {
        guard let job else { return "" }
        return try recordingSuccess(Result { try job.write() })
      }
    }
  }

  /// Copies all state, and writes it while the next steps run; all ranks.
  ///
  /// The success is agreed on by ``poll()`` or ``finish()``. Where the state takes more than half of
  /// the memory that is free, or options say so, training waits for the writing.
  func begin() throws {
    group.begin(.checkpoint, step: run.step)
    try finish()
    try run.network.spans.record(.checkpoint) {
      var overlaps = false
      let job = try gatherJob { bytes in
        overlaps = !options.waitsForCheckpoints && bytes <= Memory.availableBytes / 2
        return overlaps
      }
      isPending = true
      guard let job else { return }
      writer.begin(job)
      if !overlaps { writer.wait() }
    }
  }

  /// Agrees on the success of the checkpoint that is being written, if it is written; all ranks.
  ///
  /// - Throws: `Failure` on all ranks if it could not be written.
  func poll() throws {
    try settle { $0.poll() }
  }

  /// Waits for the checkpoint that is being written, if any, and agrees on its success; all ranks.
  ///
  /// - Throws: `Failure` on all ranks if it could not be written.
  func finish() throws {
    try settle { $0.wait() }
  }

  private func settle(_ result: (CheckpointWriter) -> Result<String, any Error>?) throws {
    guard isPending else { return }
    let isDone = try group.agree {
      guard group.rank == 0, let result = result(writer) else { return false }
      _ = try recordingSuccess(result)
      return true
    }
    if try group.broadcast({ isDone }) { isPending = false }
  }

  /// Returns once nothing is being written any more; agrees on nothing.
  func waitForWriter() {
    writer.wait()
  }

  private func recordingSuccess(_ result: Result<String, any Error>) throws -> String {
    try explainingWriteErrors {
      let path = try result.get()
      lastGood = path
      return path
    }
  }

  /// Writes something, and adds to an error of the disk which checkpoint is left, and what to do.
  ///
  /// - Throws: ``TrainingError/writeFailed(_:)`` for an error of the disk, others as they are.
  func explainingWriteErrors<Success>(_ body: () throws -> Success) throws -> Success {
    do {
      return try body()
    } catch {
      let failure = Failure(error)
      guard [.inputOutput, .cannotCreate].contains(failure.status) else { throw error }
      guard let lastGood else { throw error }
      let isThere = FileManager.default.fileExists(atPath: lastGood)
      throw TrainingError.writeFailed(
        failure.message
          + (isThere
            ? "; the last good checkpoint is \(lastGood): once the disk is in order, "
              + "continue with --resume"
            : "; the checkpoint \(lastGood) is gone too: the run directory was removed"))
    }
  }

  /// What is to be written, on rank 0; all ranks.
  ///
  /// - Parameter copies: whether the network's state is to be copied, given the bytes of all state.
  private func gatherJob(_ copies: (_ bytes: Int) -> Bool) throws -> CheckpointJob? {
    let digest = try run.digest ?? group.agreedDigest(of: run.network.store, step: run.step)
    let moments = try group.gatherOptimizerState()
    guard let target else { return nil }
    let store = run.network.store
    let count =
      store.parameters.count + store.statistics.count + moments.reduce(0) { $0 + $1.count }
    let isCopied = copies(count * MemoryLayout<Float>.stride)
    let (parameters, statistics) =
      isCopied
      ? (AlignedBuffer(store.parameters.elements), AlignedBuffer(store.statistics.elements))
      : (store.parameters, store.statistics)
    return CheckpointJob(
      folder: target.folder, tensors: tensors(parameters, statistics, moments),
      metadata: try metadata(digest), metrics: target.metrics, isBest: isAtBest,
      superseded: supersededBest(), keep: options.keep,
      spared: options.tracksBest
        ? run.monitor?.state.best?.step : nil,
      heldOutLosses: options.tracksBest ? [:] : heldOutLosses)
  }

  /// The step of the checkpoint that has been the best one until now, if it was kept for nothing else;
  /// rank 0.
  private func supersededBest() -> Int? {
    guard isAtBest else { return nil }
    let before = publishedBest
    publishedBest = run.step
    guard let before, before != run.step, before != run.monitor?.state.best?.step,
      isKeptAsBestOnly(before)
    else { return nil }
    return before
  }

  /// Whether a checkpoint is there only for having been the best one.
  private func isKeptAsBestOnly(_ step: Int) -> Bool {
    step != firstStep && !run.schedule.hasOwnCheckpoint(step)
  }

  private func tensors(
    _ parameters: AlignedBuffer<Float>, _ statistics: AlignedBuffer<Float>,
    _ moments: [AlignedBuffer<Float>]
  ) -> [NamedTensor] {
    let entries = run.network.store.table.entries
    var tensors = entries.map { entry in
      NamedTensor(
        name: entry.name, layout: entry.specification.layout,
        in: entry.isStatistic ? statistics : parameters, at: entry.span.lowerBound)
    }
    for (name, moment) in zip(run.network.optimizer.momentNames, moments) {
      for entry in entries where !entry.isStatistic {
        tensors.append(
          NamedTensor(
            name: "optimizer.\(name).\(entry.name)", layout: entry.specification.layout,
            in: moment, at: entry.span.lowerBound))
      }
    }
    return tensors
  }

  private func metadata(_ digest: ContentHash) throws -> CheckpointMetadata {
    let determining = options.determining(slices: run.slices, ranks: group.size)
    var config = Dictionary(uniqueKeysWithValues: determining.map { ($0.name, $0.value) })
    config["data-hash"] = run.dataHash
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var metadata = CheckpointMetadata(
      step: run.step, epoch: run.step / run.schedule.stepsPerEpoch,
      positionInEpoch: run.step % run.schedule.stepsPerEpoch, seed: options.seed,
      slices: run.slices, config: String(decoding: try encoder.encode(config), as: UTF8.self),
      model: run.model.json, digest: digest)
    metadata.epochLoss = run.epochLoss
    metadata.monitor = run.monitor?.state
    return metadata
  }
}

// The way back.
extension CheckpointCoordinator {
  /// Loads all state of a checkpoint; all ranks, rank 0 reads.
  func restore(_ point: ResumePoint) throws {
    let (network, store) = (run.network, run.network.store)
    let checkpoint = group.rank == 0 ? try Checkpoint(path: point.path) : nil
    for entry in store.table.entries {
      try load(
        entry.name, entry.specification.layout, from: checkpoint, into: store.elements(of: entry))
    }
    let moments = try network.optimizer.momentNames.map { name in
      let moment = AlignedBuffer<Float>(count: store.table.parameterCount)
      for entry in store.table.entries where !entry.isStatistic {
        try load(
          "optimizer.\(name).\(entry.name)", entry.specification.layout, from: checkpoint,
          into: UnsafeMutableBufferPointer(rebasing: moment.mutableElements[entry.span]))
      }
      return moment
    }
    store.markChanged()
    group.loadOptimizerState(moments)
    run.resume(at: point)
    lastGood = point.path
    if options.resume != .newest { firstStep = point.step }
    guard group.rank == 0, options.resume == .newest, let path = options.run else { return }
    let log = try MetricsLog(path: RunDirectory(existing: path).metrics)
    for evaluation in log.evaluations where evaluation.step <= point.step {
      heldOutLosses[evaluation.step] = evaluation.testLoss?.ifFinite
    }
  }

  /// Reads a tensor on rank 0, and copies it to all ranks.
  private func load(
    _ name: String, _ layout: TensorLayout, from checkpoint: Checkpoint?,
    into target: UnsafeMutableBufferPointer<Float>
  ) throws {
    try group.agree { try checkpoint?.read(name, as: layout, into: target) }
    let bytes = try group.broadcast(
      bytes: group.rank == 0 ? Array(UnsafeRawBufferPointer(target)) : [])
    UnsafeMutableRawBufferPointer(target).copyBytes(from: bytes)
  }
}

/// All that is needed to write one checkpoint.
///
/// Unchecked: the tensors' memory belongs to the job alone until it is written, or, where the writing
/// is waited for, nothing else happens meanwhile.
struct CheckpointJob: @unchecked Sendable {
  let folder: CheckpointFolder
  let tensors: [NamedTensor]
  let metadata: CheckpointMetadata
  /// The log whose records must be on disk before the checkpoint is.
  let metrics: String
  /// Whether it is the best one so far, which the file `best` is to name.
  let isBest: Bool
  /// The step of the best one before, which is then removed; nil if there is none, or it is kept.
  let superseded: Int?
  /// How many of the newest checkpoints are kept; nil for all.
  let keep: Int?
  /// The step of a checkpoint that is kept besides; nil for that of the lowest held-out loss.
  let spared: Int?
  /// The held-out loss after each step at which it was evaluated.
  let heldOutLosses: [Int: Double]

  /// Writes the checkpoint, names it the best one if it is, then removes those that are not kept.
  ///
  /// - Returns: the file's path.
  func write() throws -> String {
    // A run that is resumed from here must find the records of all steps before.
    try JSONLinesLog.synchronize(metrics)
    let path = try folder.write(tensors: tensors, metadata: metadata)
    if isBest { try folder.publishBest(step: metadata.step) }
    if let superseded { try folder.remove(step: superseded) }
    try removeOld()
    return path
  }

  /// Removes what `--keep` doesn't keep; the best are those written right after an evaluation.
  private func removeOld() throws {
    guard let keep else { return }
    let losses = try folder.entries().compactMap { entry in
      heldOutLosses[entry.step].map { (step: entry.step, loss: $0) }
    }
    try folder.keep(keep, best: spared ?? losses.min { $0.loss < $1.loss }?.step)
  }
}

/// Writes checkpoints on a thread of its own while training continues, one at a time; on rank 0.
///
/// The thread makes no MPI call, and touches only what it was given.
final class CheckpointWriter: Sendable {
  private let queue = DispatchQueue(label: "lockstep.checkpoints")
  private let running = DispatchGroup()
  private let result = Mutex<Result<String, any Error>?>(nil)

  /// Begins to write; what was begun before must have been waited for.
  func begin(_ job: CheckpointJob) {
    result.withLock { $0 = nil }
    queue.async(group: running) { [self] in
      let written = Result { try job.write() }
      result.withLock { $0 = written }
    }
  }

  /// The outcome of the write that was begun last, nil while it is running.
  ///
  /// - Returns: the file's path, or why it was not written.
  func poll() -> Result<String, any Error>? {
    result.withLock { $0 }
  }

  /// Waits until nothing is being written any more.
  ///
  /// - Returns: as ``poll()``; nil only if nothing was ever begun.
  @discardableResult
  func wait() -> Result<String, any Error>? {
    running.wait()
    return poll()
  }
}
