// SPDX-License-Identifier: Apache-2.0
public import Coordination
internal import Datasets
internal import Failures
internal import NeuralCore
public import RunRecords
internal import Tracing

/// Trains a network as options say, and writes a run directory.
///
/// All replicas make one and call ``run(_:)``; rank 0 writes and tells.
public final class Trainer {
  let options: TrainingOptions
  let group: any ProcessGroup
  let version: String
  private let invariants: [Invariant]
  private let fault = InjectedFault()
  let attempt: LaunchAttempt?
  let stopSignal: () -> Int32

  /// Prepares a run.
  ///
  /// - Parameters:
  ///   - group: the replicas that train together.
  ///   - version: the program's version, for the logs.
  ///   - invariants: what must be equal on all ranks beside options and data: build, machine.
  ///   - attempt: which start of a launcher's this is, for the logs.
  ///   - stopSignal: the signal that asked this rank to stop, 0 if none has; called once a step.
  public init(
    _ options: TrainingOptions, group: any ProcessGroup, version: String,
    invariants: [Invariant] = [],
    attempt: LaunchAttempt? = nil, stopSignal: @escaping () -> Int32 = { 0 }
  ) {
    self.attempt = attempt
    self.stopSignal = stopSignal
    self.options = options
    self.group = group
    self.version = version
    self.invariants = invariants
  }

  /// Runs from the first step to the last; all replicas.
  ///
  /// - Throws: `Failure`, the same on all replicas, for everything that they can agree on, a signal
  ///   to stop included (status 128 plus its number); other errors concern this rank alone, and the
  ///   others don't know of them.
  public func run(_ observe: (TrainingEvent) -> Void) throws -> RunSummary {
    let run = try start(observe)
    // However the run ends, a checkpoint that is being written is not cut off.
    defer { run.checkpointWriter.wait() }
    observeStart(run, observe)
    while run.step < run.totalSteps {
      group.begin(.training, step: run.step + 1)
      let spans = run.network.spans
      spans?.begin(step: run.step + 1)
      let result = try spans.record(.step) {
        try train(spans.record(.batch) { run.nextBatch() }, run)
      }
      run.note(result)
      fault?.strike(run.network.store, rank: group.rank, step: run.step)
      let digest = try digestIfDue(run)
      try log(result, digest, run, observe)
      if group.rank == 0 { observe(.progress(run.progress(result))) }
      if run.isEvaluationDue { try spans.record(.evaluation) { try evaluate(run, observe) } }
      if run.isLogDue { try settleCheckpoint(run, waiting: false) }
      if run.isCheckpointDue { try beginCheckpoint(run) }
      if let signal = try agreedStop(result, run) { try stop(signal, run) }
    }
    return try finish(run, observe)
  }

  /// Checks options, data and ranks, makes the network and the run directory, writes step 0.
  private func start(_ observe: (TrainingEvent) -> Void) throws -> TrainingRun {
    try group.agree { try options.validate(ranks: group.size) }
    // Ranks that exchange in different ways would wait for each other for ever.
    let transport = Invariant("--transport", options.transport.rawValue)
    if let failure = try group.firstMismatch(in: invariants + [transport]) { throw failure }
    let data = try TrainingData(options, on: group) { observe(.warned($0)) }
    let point = try findResumePoint()
    let slices = options.slices ?? point?.slices ?? group.size
    let own =
      options.determining(slices: slices, ranks: group.size).map {
        Invariant("--\($0.name)", $0.value)
      }
      + [Invariant("the content of \(options.data)", data.contentHash)]
    if let failure = try group.firstMismatch(in: own) { throw failure }
    guard slices >= group.size else {
      throw Failure(
        .usage, "--resume: \(point?.path ?? "") has \(slices) slices; use at most as many ranks")
    }
    let run = try TrainingRun(options, data, group: group, slices: slices)
    if let point {
      try group.agree {
        try point.check(
          options, dataHash: data.contentHash, totalSteps: run.totalSteps, ranks: group.size)
      }
      try restore(point, run)
    }
    try prepareFiles(run, point, observe)
    return run
  }

  /// Makes the run directory, or opens that of the run that goes on, and writes the first checkpoint.
  private func prepareFiles(
    _ run: TrainingRun, _ point: ResumePoint?, _ observe: (TrainingEvent) -> Void
  ) throws {
    let goesOn = options.resume == .newest
    let placement = try Placement(of: group)
    try group.agree {
      guard group.rank == 0 else { return }
      if goesOn, let point {
        run.directory = try reopen(point, run)
      } else {
        run.directory = try RunDirectory(
          create: options.run ?? RunDirectory.defaultPath(data: options.data),
          overwrite: options.overwrite)
      }
    }
    do {
      try group.agree {
        if group.rank == 0, let warning = try run.openFiles(version: version, attempt, placement) {
          observe(.warned(warning))
        }
      }
      if !goesOn { try writeCheckpoint(run) }
    } catch {
      if !goesOn { run.directory?.discard() }
      throw error
    }
    if group.rank == 0, let point { run.resumedFrom = point }
  }

  private func observeStart(_ run: TrainingRun, _ observe: (TrainingEvent) -> Void) {
    guard group.rank == 0, let directory = run.directory else { return }
    let rows =
      [(name: "data", value: options.data), (name: "rows", value: run.rowsText)]
      + options.determining(slices: run.slices, ranks: group.size) + [
        (name: "ranks", value: "\(group.size)"),
        (name: "exchange", value: options.exchange.rawValue),
      ]
    observe(.started(options: rows, run: directory.path))
    if let point = run.resumedFrom {
      observe(.resumed(step: point.step, checkpoint: point.path, skipped: point.skipped))
    }
  }

  /// One step; a loss or gradient that is not finite ends the run with the last good weights kept.
  private func train(_ batch: Batch, _ run: TrainingRun) throws -> StepResult {
    run.keepStatistics()
    run.network.vote = StopVote.vote(for: stopSignal())
    do {
      return try run.network.train(batch) { run.batchAhead() }
    } catch NeuralCoreError.notFinite(let finding) {
      throw try divergence(finding, run)
    }
  }

  private func digestIfDue(_ run: TrainingRun) throws -> ContentHash? {
    guard run.isDigestDue else { return nil }
    group.begin(.digest, step: run.step)
    let digest = try run.network.spans.record(.digest) {
      try group.agreedDigest(of: run.network.store, step: run.step)
    }
    run.digest = digest
    return digest
  }

  private func log(
    _ result: StepResult, _ digest: ContentHash?, _ run: TrainingRun,
    _ observe: (TrainingEvent) -> Void
  ) throws {
    guard group.rank == 0, run.isLogDue || digest != nil else { return }
    let record = MetricsRecord.step(
      step: run.step, epoch: run.epoch, loss: result.loss, learningRate: result.learningRate,
      gradientNorm: result.gradientNorm, digest: digest?.description)
    let warning = try run.network.spans.record(.log) {
      try run.append(record)
      return run.appendTiming(run.timingRecord())
    }
    if let warning {
      observe(.warned(warning))
    }
  }

  private func evaluate(_ run: TrainingRun, _ observe: (TrainingEvent) -> Void) throws {
    guard let evaluator = run.evaluator else { return }
    group.begin(.evaluation, step: run.step)
    let totals = try evaluator.run()
    run.lastEvaluation = totals
    guard group.rank == 0 else { return }
    run.heldOutLosses[run.step] = totals.loss
    let accuracy = run.hasClasses ? totals.accuracy : nil
    try run.append(
      MetricsRecord.evaluation(
        step: run.step, epoch: run.epoch, loss: totals.loss, accuracy: accuracy, digest: nil))
    observe(.evaluated(run.progress(nil), loss: totals.loss, accuracy: accuracy))
  }

  /// Writes the last checkpoint and the summary.
  func finish(
    _ run: TrainingRun, _ observe: (TrainingEvent) -> Void
  ) throws -> RunSummary {
    let seconds = MonotonicClock.seconds - run.startTime
    let checkpoint = try writeCheckpoint(run)
    try writeTrace(run)
    let summary = run.summary(
      seconds: seconds, traffic: try TrafficBytes(ofAll: group), version: version,
      digest: run.network.store.digest().description)
    try group.agree {
      guard group.rank == 0, let directory = run.directory else { return }
      do {
        if let warning = try run.closeLogs() { observe(.warned(warning)) }
        try summary.write(to: directory.summary)
      } catch {
        throw run.failure(error)
      }
      observe(.finished(summary, run: directory.path, checkpoint: checkpoint))
    }
    return summary
  }
}
