// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Coordination
internal import Files
internal import Foundation
internal import Machine
internal import NeuralCore
internal import RunRecords
internal import Tracing

/// What a run records of itself: the options, a line of metrics and one of times per logged step, and
/// the summary at the end.
///
/// All ranks count; rank 0 writes, and only its log has a directory.
final class RunLog {
  let directory: RunDirectory?
  let startTime = MonotonicClock.seconds
  /// The last evaluation of the held-out rows.
  var lastEvaluation: EvaluationTotals?

  private let options: TrainingOptions
  private let run: TrainingRun
  private let group: any ProcessGroup
  private let firstStep: Int
  private let warn: (String) -> Void
  private var metrics: JSONLinesLog?
  private var timing: JSONLinesLog?
  private var samples = 0
  private var lastInterval: Interval

  /// The state at the end of the last interval of `timing.jsonl`.
  private struct Interval {
    var time: Double
    var samples = 0
    var times = CommunicationTimes()
    var traffic = CommunicationTraffic()
  }

  /// Makes the run directory, or reopens that of the run that is resumed; all ranks.
  ///
  /// - Parameter warn: receives what goes wrong that the run can continue without.
  init(
    _ options: TrainingOptions, _ run: TrainingRun, _ group: any ProcessGroup,
    _ resumePoint: ResumePoint?, warn: @escaping (String) -> Void
  ) throws {
    self.options = options
    self.run = run
    self.group = group
    self.warn = warn
    firstStep = resumePoint?.step ?? 0
    lastInterval = Interval(time: startTime)
    directory = try group.agree {
      guard group.rank == 0 else { return nil }
      if options.resume == .newest, let resumePoint {
        return try Self.reopen(options.run ?? ".", resumePoint, run.schedule)
      }
      return try RunDirectory(
        create: options.run ?? RunDirectory.defaultPath(data: options.data),
        overwrite: options.overwrite)
    }
  }

  /// Opens the directory of the run that is resumed, and cuts its metrics back to the checkpoint.
  private static func reopen(
    _ path: String, _ point: ResumePoint, _ schedule: RunSchedule
  ) throws -> RunDirectory {
    let directory = RunDirectory(existing: path)
    // The last step has records of its own; a run that continues beyond it would not have them.
    let wasLast = point.lastStep(stepsPerEpoch: schedule.stepsPerEpoch) == point.step
    let isDigestDue = schedule.isDigestDue(point.step)
    try JSONLinesLog.truncate(
      directory.metrics, afterStep: point.step,
      records: wasLast
        ? JSONLinesLog.Records(
          step: schedule.isLogDue(point.step) || isDigestDue, digest: isDigestDue,
          evaluation: schedule.isEvaluationDue(point.step)) : .all)
    return directory
  }

  /// Opens the logs, and records the start; rank 0.
  ///
  /// - Throws: `RunRecordError`.
  func open(version: String, _ attempt: LaunchAttempt?, _ placement: Placement) throws {
    guard let directory else { return }
    let mode: JSONLinesLog.Mode = options.resume == .newest ? .append : .truncate
    metrics = try JSONLinesLog(path: directory.metrics, mode: mode)
    timing = try JSONLinesLog(path: directory.timing, mode: mode)
    appendTiming(
      .start(
        startTime: ISO8601DateFormatter().string(from: Date()), ranks: group.size,
        hosts: group.hosts, slices: run.slices, version: version,
        resumedFrom: options.resume == nil ? nil : firstStep, attempt: attempt,
        placement: placement))
  }

  /// Writes `config.yaml`; rank 0.
  func writeConfiguration() throws {
    guard let directory else { return }
    try TextFile.publish(options.configuration(slices: run.slices), to: directory.configuration)
  }

  /// Counts a step that is done.
  func countStep() {
    samples += run.schedule.batchRows(ofStep: run.step)
  }

  /// Logs a step, and where its time went; rank 0.
  ///
  /// - Throws: `RunRecordError` if the metrics can't be written: they are part of what a run promises,
  ///   so it can't continue without.
  func append(_ result: StepResult) throws {
    try metrics?.append(
      MetricsRecord.step(
        step: run.step, epoch: run.epoch, loss: result.loss, learningRate: result.learningRate,
        gradientNorm: result.gradientNorm, digest: run.digest?.description))
    appendTiming(intervalRecord())
  }

  /// Logs an evaluation of the held-out rows; rank 0.
  func append(_ totals: EvaluationTotals) throws {
    try metrics?.append(
      MetricsRecord.evaluation(
        step: run.step, epoch: run.epoch, loss: totals.loss,
        accuracy: run.hasAccuracy ? totals.accuracy : nil, scores: totals.scores,
        metrics: totals.metrics, digest: nil))
  }

  /// Writes the last evaluation of the held-out rows in full; rank 0.
  func write(_ rows: EvaluatedRows, _ totals: EvaluationTotals) throws {
    guard let directory else { return }
    var record = try rows.record(totals, keepsCurves: true)
    record.step = run.step
    try record.write(to: directory.evaluation)
  }

  /// Closes both logs; rank 0.
  ///
  /// - Throws: `RunRecordError` if the metrics could not be written.
  func close() throws {
    try metrics?.close()
    withTiming { try $0.close() }
  }

  private func appendTiming(_ record: TimingRecord) {
    withTiming { try $0.append(record) }
  }

  /// If times can't be written, the run continues without them.
  private func withTiming(_ body: (JSONLinesLog) throws -> Void) {
    guard let log = timing else { return }
    do {
      try body(log)
    } catch {
      timing = nil
      warn("\(error); training continues without \(log.path)")
    }
  }

  /// Where the time since the last record went; what is not communication is computing.
  private func intervalRecord() -> TimingRecord {
    let now = Interval(
      time: MonotonicClock.seconds, samples: samples, times: group.communicationTimes,
      traffic: group.communicationTraffic)
    let seconds = now.time - lastInterval.time
    let spent = now.times.since(lastInterval.times)
    let record = TimingRecord.interval(
      step: run.step, epoch: run.epoch, seconds: seconds,
      samplesPerSecond: Double(now.samples - lastInterval.samples) / seconds,
      phases: PhaseSeconds(
        compute: seconds - spent.wait - spent.exchange - spent.update, wait: spent.wait,
        exchange: spent.exchange, update: spent.update),
      traffic: TrafficBytes(now.traffic.since(lastInterval.traffic)))
    lastInterval = now
    return record
  }

  /// How far training is, for the person who watches.
  ///
  /// - Parameter result: that of the last step, for its accuracy; nil for the last evaluation's.
  func progress(_ result: StepResult?) -> TrainingProgress {
    let seconds = MonotonicClock.seconds - startTime
    let schedule = run.schedule
    return TrainingProgress(
      epoch: run.epoch, epochs: schedule.epochs, step: run.step, steps: schedule.totalSteps,
      loss: run.epochLoss?.mean ?? 0,
      accuracy: run.hasAccuracy ? result?.accuracy ?? lastEvaluation?.accuracy : nil,
      samplesPerSecond: seconds > 0 ? Double(samples) / seconds : nil,
      secondsLeft: seconds / Double(max(run.step - firstStep, 1))
        * Double(schedule.totalSteps - run.step))
  }

  /// The outcome.
  ///
  /// - Parameter traffic: what all ranks have sent.
  func summary(seconds: Double, traffic: TrafficBytes, version: String) -> RunSummary {
    var summary = RunSummary(
      ranks: group.size, slices: run.slices, steps: run.step, epochs: run.epoch,
      finalLoss: run.epochLoss?.mean, testLoss: lastEvaluation?.loss,
      testAccuracy: run.hasAccuracy ? lastEvaluation?.accuracy : nil,
      digest: run.network.store.digest().description,
      samplesPerSecond: Double(samples) / seconds, seconds: seconds, traffic: traffic,
      parameters: run.network.store.table.trainedCount, version: version, completed: run.isDone,
      testScores: lastEvaluation?.scores, testMetrics: lastEvaluation?.metrics ?? [])
    if options.tracksBest, let monitor = run.monitor {
      summary.stoppedEarly = run.stoppedEarly
      summary.monitor = monitor.metric
      (summary.best, summary.bestStep) = (monitor.best?.value, monitor.best?.step)
    }
    return summary
  }
}

extension Placement {
  /// Where the ranks of a group are, after it has joined a network; all ranks.
  init(of group: any ProcessGroup) throws {
    let cores = try group.allGather(values: Host.cores)
    let machines = try group.allGather(values: Host.bootID)
    var known: [String] = []
    for machine in machines where !known.contains(machine) { known.append(machine) }
    self.init(
      cores: cores,
      machines: machines.contains("") ? nil : machines.map { known.firstIndex(of: $0) ?? 0 },
      participants: group.exchangeParticipants)
  }
}

extension TrafficBytes {
  /// A rank's traffic, as the logs have it.
  init(_ traffic: CommunicationTraffic) {
    self.init(
      exchange: traffic.exchange, statistics: traffic.statistics, shared: traffic.shared)
  }

  /// The traffic of all ranks since they joined; all ranks.
  init(ofAll group: any ProcessGroup) throws {
    self.init()
    for traffic in try group.allGather(values: group.communicationTraffic) {
      exchange += traffic.exchange
      statistics += traffic.statistics
      shared += traffic.shared
    }
  }
}
