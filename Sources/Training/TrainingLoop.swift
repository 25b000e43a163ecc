// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
public import Coordination
internal import Datasets
internal import Failures
internal import Foundation
public import NeuralCore
public import RunRecords
internal import Tracing

/// Trains a network as options say, and writes a run directory.
///
/// All ranks make one and call ``run()``; rank 0 writes files and reports events.
///
/// ```swift
/// let loop = try TrainingLoop(options, group: SingleProcessGroup(), version: "1.0")
/// let summary = try loop.run()
/// ```
public final class TrainingLoop {
  private let options: TrainingOptions
  private let group: any ProcessGroup
  private let stopSignal: () -> Int32
  private let observe: (TrainingEvent) -> Void
  private let version: String
  private let fault = InjectedBitFlip()

  private let training: TrainingRun
  private let log: RunLog
  private let checkpoints: CheckpointCoordinator
  /// The clocks of all ranks against that of rank 0, for a trace.
  private let clockOffsets: [Double]

  /// Starts up: checks options, data and ranks, makes the network and the run directory, and writes
  /// the first checkpoint, or loads the one to resume from; all ranks.
  ///
  /// - Parameters:
  ///   - group: the ranks that train together.
  ///   - version: the program's version, for the logs.
  ///   - invariants: what must be equal on all ranks besides options and data: build, hardware.
  ///   - attempt: the number of this start by a launcher, for the logs.
  ///   - stopSignal: the signal that asked this rank to stop, 0 if none has; called once per step.
  ///   - observe: receives the run's events, on rank 0 only.
  /// - Throws: `Failure`, the same on all ranks, for everything that they can agree on; other errors
  ///   concern this rank only, and the others don't know of them.
  public init(
    _ options: TrainingOptions, group: any ProcessGroup, version: String,
    invariants: [Invariant] = [], attempt: LaunchAttempt? = nil,
    stopSignal: @escaping () -> Int32 = { 0 },
    observe: @escaping (TrainingEvent) -> Void = { _ in }
  ) throws {
    self.group = group
    self.version = version
    self.stopSignal = stopSignal
    self.observe = observe
    try group.agree { try options.validate(ranks: group.size) }
    // Ranks that exchange in different ways would wait for each other indefinitely.
    let transport = Invariant("--transport", options.transport.rawValue)
    if let failure = try group.firstMismatch(in: invariants + [transport]) { throw failure }
    let resumePoint = try ResumePoint.find(options, group)
    var options = options
    if resumePoint?.predatesTargetScale == true { options.targetScale = .none }
    let data = try TrainingData(options, on: group) { observe(.warned($0)) }
    options.loss = data.loss
    self.options = options
    if group.rank == 0 { for notice in data.notices { observe(.noticed(notice)) } }
    let slices = options.slices ?? resumePoint?.slices ?? group.size
    try Self.checkRanks(options, data, slices: slices, resumePoint, group)
    let training = try TrainingRun(
      options, data, group: group, slices: slices, resumingFrom: resumePoint)
    let checkpoints = CheckpointCoordinator(options, training, group)
    (self.training, self.checkpoints) = (training, checkpoints)
    clockOffsets = options.trace ? try ClockOffsets.measure(group) : []
    if let resumePoint {
      try group.agree {
        try resumePoint.check(
          options, dataHash: data.contentHash, totalSteps: training.schedule.totalSteps,
          ranks: group.size)
      }
      try checkpoints.restore(resumePoint)
    }
    let log = try RunLog(options, training, group, resumePoint) { observe(.warned($0)) }
    self.log = log
    let placement = try Placement(of: group)
    do {
      try group.agree {
        guard let directory = log.directory else { return }
        try log.open(version: version, attempt, placement)
        try checkpoints.open(directory, resumePoint) { observe(.warned($0)) }
        // The last one, since it makes the folder's entries durable, too.
        try log.writeConfiguration()
      }
      if options.resume != .newest { try checkpoints.write() }
    } catch {
      if options.resume != .newest { log.directory?.discard() }
      throw error
    }
    announce(resumePoint)
  }

  /// Compares options and data over the ranks.
  private static func checkRanks(
    _ options: TrainingOptions, _ data: TrainingData, slices: Int, _ resumePoint: ResumePoint?,
    _ group: any ProcessGroup
  ) throws {
    let determining = options.determining(slices: slices, ranks: group.size)
    let own =
      determining.map { Invariant("--\($0.name)", $0.value) }
      + [
        Invariant("the content of \(options.data)", data.contentHash),
        Invariant("the schema of \(options.data)", data.schema?.contentHash ?? "none"),
      ]
    if let failure = try group.firstMismatch(in: own) { throw failure }
    guard slices >= group.size else {
      throw Failure(
        .usage,
        "--resume: \(resumePoint?.path ?? "") has \(slices) slices; use at most as many ranks")
    }
  }

  private func announce(_ resumePoint: ResumePoint?) {
    guard let directory = log.directory else { return }
    let rows =
      [(name: "data", value: options.data), (name: "rows", value: training.rowsText)]
      + training.schemaSummary + options.determining(slices: training.slices, ranks: group.size) + [
        (name: "ranks", value: "\(group.size)"),
        (name: "exchange", value: options.exchange.rawValue),
      ]
    observe(.started(options: rows, run: directory.path))
    if let resumePoint {
      observe(
        .resumed(
          step: resumePoint.step, checkpoint: resumePoint.path, skipped: resumePoint.skipped))
    }
  }

  /// Runs from the first step to the last; all ranks.
  ///
  /// - Throws: as ``init(_:group:version:invariants:attempt:stopSignal:observe:)``; a signal to stop
  ///   is a `Failure` too, of status 128 plus its number.
  public func run() throws -> RunSummary {
    // However the run ends, a checkpoint that is being written is not cut off.
    defer { checkpoints.waitForWriter() }
    let (schedule, spans) = (training.schedule, training.network.spans)
    // The summary of a run that is resumed after its end needs the last evaluation.
    if training.isDone { try evaluate(isRepeated: true) }
    while !training.isDone {
      group.begin(.training, step: training.step + 1)
      spans?.begin(step: training.step + 1)
      let result = try spans.record(.step) { try trainStep() }
      fault?.inject(into: training.network.store, rank: group.rank, step: training.step)
      if schedule.isDigestDue(training.step) { try computeDigest() }
      try record(result)
      if schedule.isEvaluationDue(training.step) {
        try spans.record(.evaluation) { try evaluate() }
      }
      if schedule.isLogDue(training.step) { try checkpoints.poll() }
      try beginCheckpoint()
      if let signal = try receivedSignal(result) { try stop(signal) }
    }
    let (summary, checkpoint) = try finish()
    if let directory = log.directory {
      if let stop = earlyStop { observe(.stoppedEarly(stop)) }
      observe(.finished(summary, run: directory.path, checkpoint: checkpoint))
    }
    return summary
  }

  /// One step; a loss or gradient that is not finite ends the run with the last good weights kept.
  private func trainStep() throws -> StepResult {
    do {
      return try training.trainStep(controlWord: ControlWord.word(forSignal: stopSignal()))
    } catch NeuralCoreError.notFinite(let finding) {
      throw try divergence(finding)
    }
  }

  /// Compares the weights over all ranks; all ranks.
  private func computeDigest() throws {
    group.begin(.digest, step: training.step)
    training.digest = try training.network.spans.record(.digest) {
      try group.agreedDigest(of: training.network.store, step: training.step)
    }
  }

  /// Logs a step where that is due, and reports progress; rank 0.
  private func record(_ result: StepResult) throws {
    log.countStep()
    guard group.rank == 0 else { return }
    if training.schedule.isLogDue(training.step) || training.digest != nil {
      try training.network.spans.record(.log) {
        try checkpoints.explainingWriteErrors { try log.append(result) }
      }
    }
    observe(.progress(log.progress(result)))
  }

  /// Evaluates the held-out rows; all ranks.
  ///
  /// - Parameter isRepeated: whether the run has done so before at this step, and what came of it has
  ///   been logged.
  private func evaluate(isRepeated: Bool = false) throws {
    guard let evaluator = training.evaluator else { return }
    group.begin(.evaluation, step: training.step)
    // The last evaluation is recorded in full.
    let metrics = options.evaluatedMetrics
    let isInFull = training.mayEndHere || metrics.contains(where: \.needsOutputs)
    let (totals, rows) =
      isInFull
      ? try evaluator.run(on: group, metrics: metrics)
      : (try evaluator.run(metrics: metrics), nil)
    log.lastEvaluation = totals
    // What an evaluation at the end of an epoch changes, the checkpoint knows of.
    if !isRepeated || !training.schedule.isRegularEvaluation(training.step) {
      training.observe(totals)
    }
    guard group.rank == 0 else { return }
    checkpoints.heldOutLosses[training.step] = totals.loss
    try checkpoints.explainingWriteErrors {
      if !isRepeated { try log.append(totals) }
      if training.isDone, let rows { try log.write(rows, totals) }
    }
    observe(
      .evaluated(
        log.progress(nil), loss: totals.loss,
        accuracy: training.hasAccuracy ? totals.accuracy : nil, scores: totals.scores,
        metrics: totals.metrics))
  }

  /// Begins a checkpoint where one is due, or the last evaluation was the best; all ranks.
  ///
  /// That of the last step is left to ``finish()``.
  private func beginCheckpoint() throws {
    guard !training.isDone else { return }
    if training.schedule.isCheckpointDue(training.step) || checkpoints.isAtBest {
      try checkpoints.begin()
    }
  }

  /// Writes the last checkpoint, the trace and the summary; all ranks.
  ///
  /// - Returns: the summary, and on rank 0 the checkpoint's path.
  private func finish() throws -> (summary: RunSummary, checkpoint: String) {
    let seconds = MonotonicClock.seconds - log.startTime
    let checkpoint = try checkpoints.write()
    try RunTrace.write(training.network.spans, clockOffsets, log.directory, group)
    let summary = log.summary(
      seconds: seconds, traffic: try TrafficBytes(ofAll: group), version: version)
    try group.agree {
      guard let directory = log.directory else { return }
      try checkpoints.explainingWriteErrors {
        try log.close()
        try summary.write(to: directory.summary)
      }
    }
    return (summary, checkpoint)
  }
}

// How a run ends early.
extension TrainingLoop {
  /// Why training has stopped before the last step; nil if it has not.
  private var earlyStop: EarlyStop? {
    guard training.stoppedEarly, let monitor = training.monitor else { return nil }
    return EarlyStop(
      epoch: training.epoch, metric: monitor.metric, minimumDelta: monitor.minimumDelta,
      best: monitor.best,
      bestEpoch: monitor.best.map { training.schedule.epoch(ofStep: $0.step) } ?? 0,
      hasBestCheckpoint: checkpoints.publishedBest != nil)
  }

  /// The signal on which all ranks stop now, if any of them has received one; all ranks.
  ///
  /// Control words travel with the step's sums, so agreeing costs nothing; only where a rank never
  /// has rows, and so no part in the sums, all are asked.
  private func receivedSignal(_ result: StepResult) throws -> Int32? {
    guard !training.isDone else { return nil }
    guard training.loader.hasIdleRank(ranks: group.size) else {
      return ControlWord.signal(inSum: result.controlWords)
    }
    let words = try group.allGather(values: ControlWord.word(forSignal: stopSignal()))
    return ControlWord.signal(inSum: words.reduce(0, +))
  }

  /// Keeps all state, and ends the run on every rank.
  private func stop(_ signal: Int32) throws {
    let saved = try finish().checkpoint
    let checkpoint = try group.broadcast { saved }
    throw Failure(
      .signal(signal),
      "\(signal == SIGINT ? "SIGINT" : "SIGTERM"): stopped after step \(training.step) of "
        + "\(training.schedule.totalSteps); \(checkpoint) holds all state: continue with --resume")
  }

  /// Keeps the weights of the last good step, and says what went wrong and why; all ranks.
  private func divergence(_ finding: NotFiniteFinding) throws -> Failure {
    training.restoreStatistics()
    let layer = try group.minimum(finding.layer ?? Int.max)
    let largestInput = try group.allGather(values: finding.largestInput.bitPattern)
      .map { Float(bitPattern: $0) }.reduce(0, Float.maximum)
    let checkpoint = try checkpoints.write()
    let saved = try group.broadcast { checkpoint }
    let place = layer == Int.max ? "" : ", first in layers.\(layer)"
    let rate = training.network.schedule.rate(at: training.step)
    let cause =
      if largestInput > 1e15 {
        "the data hold values as large as \(largestInput): scale them down"
      } else if rate > 1 || finding.largestParameter > 1e6 {
        "the learning rate \(rate) is probably too high (largest weight "
          + "\(finding.largestParameter)): lower --learning-rate"
      } else {
        "the steps are probably too long: lower --learning-rate or set --clip-norm"
      }
    return Failure(
      .configuration,
      "step \(training.step + 1): the \(finding.quantity.rawValue) is not finite\(place); \(cause); "
        + "the weights after step \(training.step) are in \(saved)")
  }
}

/// Signals to stop as control words: integers whose sum over the ranks tells which signals arrived.
enum ControlWord {
  /// More than there are ranks.
  private static let interrupt = 1 << 24

  static func word(forSignal signal: Int32) -> Int {
    switch signal {
    case 0: 0
    case SIGINT: interrupt
    default: 1
    }
  }

  /// The signal that the words' sum stands for; an interrupt outweighs others.
  static func signal(inSum sum: Int) -> Int32? {
    sum == 0 ? nil : sum >= interrupt ? SIGINT : SIGTERM
  }
}

/// What a run reports while it runs; on rank 0 only.
public enum TrainingEvent {
  /// The run is resumed from a checkpoint; `skipped` says what was wrong with newer ones.
  case resumed(step: Int, checkpoint: String, skipped: [String])
  /// The run starts, with these options.
  case started(options: [(name: String, value: String)], run: String)
  /// A step is done.
  case progress(TrainingProgress)
  /// An evaluation of the held-out rows is done.
  ///
  /// The accuracy where there are classes, the scores where the targets are numbers, and the metrics
  /// that were asked for.
  case evaluated(
    TrainingProgress, loss: Double, accuracy: Double?, scores: RegressionScores?,
    metrics: [MetricValue])
  /// Something about the data that a person should know.
  case noticed(String)
  /// Something went wrong that the run can continue without.
  case warned(String)
  /// Training has stopped because the monitored metric did not improve; ``finished`` follows.
  case stoppedEarly(EarlyStop)
  /// The run has ended.
  case finished(RunSummary, run: String, checkpoint: String)
}
