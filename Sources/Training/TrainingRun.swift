// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Coordination
internal import Datasets
internal import NeuralCore
internal import Tracing

/// What is trained, and how far it is: the network, its batches and the number of steps done.
///
/// It takes steps and knows of no files; all ranks make one, from the same options and data.
final class TrainingRun {
  let network: NeuralNetwork
  let model: ModelDescription
  let slices: Int
  let schedule: RunSchedule
  let loader: BatchLoader
  /// Evaluates the held-out rows; nil if there are none.
  let evaluator: Evaluator?
  /// The hash of all rows, held-out ones included.
  let dataHash: String
  /// The numbers of rows, for the table of options.
  let rowsText: String
  /// What the data were understood as, for that table.
  let schemaSummary: [(name: String, value: String)]

  /// The number of steps done.
  private(set) var step = 0 {
    didSet { digest = nil }
  }
  /// The training loss of the last step's epoch up to that step; nil before the first.
  ///
  /// In a run that is resumed within an epoch from a checkpoint that doesn't have it, that of the
  /// rows since.
  private(set) var epochLoss: EpochLoss?
  /// Watches a metric on the held-out rows; nil if nothing depends on it.
  private(set) var monitor: MetricMonitor?
  /// The digest that all ranks have agreed on after this step, if they have.
  var digest: ContentHash?
  /// The running statistics before the last step.
  private let savedStatistics: AlignedBuffer<Float>

  /// Makes the network and joins it to the group; all ranks.
  ///
  /// - Parameter resumePoint: the checkpoint whose state will be loaded, which also determines the
  ///   rule by which running statistics are updated.
  init(
    _ options: TrainingOptions, _ data: TrainingData, group: any ProcessGroup, slices: Int,
    resumingFrom resumePoint: ResumePoint? = nil
  ) throws {
    self.slices = slices
    dataHash = data.contentHash
    rowsText = "\(data.trainingRows.count) for training, \(data.heldOutRows.count) held out"
    let dataset = data.training
    schemaSummary = data.schemaSummary
    let batches = BatchSchedule(
      rows: data.trainingRows.count, batchRows: options.batch, dropsLast: options.dropLast)
    schedule = RunSchedule(options, batches, evaluates: !data.heldOutRows.isEmpty)
    monitor = options.makeMonitor()
    var model = ModelDescription(
      options, inputs: dataset.columns, outputs: dataset.outputs, labels: dataset.labels,
      schema: data.schema)
    if let resumePoint { model.batchNormAveraging = resumePoint.model.batchNormAveraging }
    self.model = model
    network = try model.makeNetwork(
      optimizer: options.makeOptimizer,
      schedule: options.makeSchedule(totalSteps: schedule.totalSteps),
      clipNorm: options.clipNorm, seed: options.seed, dropout: options.dropoutProbabilities)
    network.maxNorm = options.maxNorm
    if options.trace { network.spans = Self.spanRecorder(options, network) }
    try group.join(network, slices: slices, exchange: options.exchangeOptions)
    loader = BatchLoader(
      dataset, batches, order: EpochOrder(rows: data.trainingRows, seed: options.seed),
      weights: data.rowWeights, partition: network.replicas.slices, spans: network.spans)
    evaluator =
      data.heldOutRows.isEmpty
      ? nil
      : Evaluator(
        network, data.heldOut, rows: data.heldOutRows, scales: data.schema?.scales ?? [])
    savedStatistics = AlignedBuffer(count: network.store.statistics.count)
  }

  private static func spanRecorder(
    _ options: TrainingOptions, _ network: NeuralNetwork
  ) -> SpanRecorder {
    let table = network.store.table
    let megabytes = Double(table.parameterCount * MemoryLayout<Float>.stride) / 1_048_576
    let buckets = (megabytes / options.bucketMegabytes).rounded(.up)
    return SpanRecorder(
      steps: options.traceSteps, layers: network.layers.count,
      buckets: Int(min(buckets, Double(table.blocks.count))))
  }

  /// The epoch of the last step, 1 for the first.
  var epoch: Int { schedule.epoch(ofStep: step) }
  /// Whether no step is left, or training has stopped early.
  var isDone: Bool { step >= schedule.totalSteps || stoppedEarly }
  /// Whether the monitored metric has not improved for so long that no further step is taken.
  var stoppedEarly: Bool { step < schedule.totalSteps && monitor?.isExhausted == true }
  /// Whether the run is done, or will be if the next evaluation is no improvement.
  var mayEndHere: Bool { isDone || monitor?.isAboutToExhaust == true }
  /// Whether predictions are right or wrong, rather than near or far.
  var hasAccuracy: Bool { model.hasAccuracy }

  /// One step; all ranks.
  ///
  /// - Parameter controlWord: see `NeuralNetwork.computeGradients`.
  func trainStep(controlWord: Int = 0) throws -> StepResult {
    // A step updates the running statistics before loss and gradient are known to be finite.
    savedStatistics.base.update(
      from: network.store.statistics.base, count: savedStatistics.count)
    let prepared = loader.batch(ofStep: step)
    try network.computeGradients(prepared, controlWord: controlWord)
    // The next batch is loaded while the gradients of this one are exchanged.
    if step + 1 < schedule.totalSteps { try loader.prefetch(step: step + 1, for: network) }
    let result = try network.update(after: prepared.batch)
    step += 1
    let rows = schedule.batchRows(ofStep: step)
    let before = schedule.isFirstOfEpoch(step) ? nil : epochLoss
    epochLoss = (before ?? EpochLoss()).adding(meanLoss: result.loss, rows: rows)
    return result
  }

  /// Takes the outcome of an evaluation after the last step, from which all ranks draw the same
  /// conclusions: whether it is the best one, whether to stop, and the learning rate.
  func observe(_ totals: EvaluationTotals) {
    guard let metric = monitor?.metric else { return }
    let value = totals.value(of: metric) ?? .nan
    if schedule.isRegularEvaluation(step) {
      monitor?.observe(value, afterStep: step)
    } else {
      monitor?.observeEnd(value, afterStep: step)
    }
    applyRateFactor()
  }

  private func applyRateFactor() {
    network.schedule.factor = monitor?.state.rateFactor ?? 1
  }

  /// Takes back what a step that failed has done to the running statistics.
  func restoreStatistics() {
    network.store.statistics.base.update(
      from: savedStatistics.base, count: savedStatistics.count)
    network.store.markChanged()
  }

  /// Continues after the step of a checkpoint whose tensors have been loaded.
  func resume(at point: ResumePoint) {
    step = point.step
    epochLoss = point.epochLoss
    network.stepsDone = point.step
    monitor?.restore(point.monitor ?? MonitorState())
    applyRateFactor()
  }
}

/// After which steps of a run something is due; steps count from 1.
struct RunSchedule {
  /// How an epoch's rows are cut into batches.
  let batches: BatchSchedule
  /// The number of steps of the run.
  let totalSteps: Int
  private let options: TrainingOptions
  private let evaluates: Bool

  init(_ options: TrainingOptions, _ batches: BatchSchedule, evaluates: Bool) {
    self.options = options
    self.batches = batches
    self.evaluates = evaluates
    totalSteps = options.totalSteps(stepsPerEpoch: batches.stepsPerEpoch)
  }

  var stepsPerEpoch: Int { batches.stepsPerEpoch }
  /// The number of epochs, the last of which may be cut short.
  var epochs: Int { (totalSteps + stepsPerEpoch - 1) / stepsPerEpoch }

  /// The epoch that a step belongs to, 1 for the first; before the first step 1, too.
  func epoch(ofStep step: Int) -> Int { max(step - 1, 0) / stepsPerEpoch + 1 }

  func isFirstOfEpoch(_ step: Int) -> Bool { (step - 1) % stepsPerEpoch == 0 }

  /// The rows of the global batch of a step.
  func batchRows(ofStep step: Int) -> Int {
    batches.range(ofStep: (step - 1) % stepsPerEpoch).count
  }

  func isLogDue(_ step: Int) -> Bool {
    step == 1 || step % options.logEvery == 0 || step == totalSteps
  }

  func isDigestDue(_ step: Int) -> Bool {
    guard let every = options.digestEvery else { return isLogDue(step) }
    return step % every == 0 || step == totalSteps
  }

  func isEvaluationDue(_ step: Int) -> Bool {
    evaluates && (step == totalSteps || isRegularEvaluation(step))
  }

  /// Whether an evaluation after a step does not depend on where the run ends.
  func isRegularEvaluation(_ step: Int) -> Bool {
    step % (stepsPerEpoch * options.evaluateEvery) == 0
  }

  /// Whether a checkpoint is due besides those of the first and the last step.
  func isCheckpointDue(_ step: Int) -> Bool {
    guard let every = options.checkpointEvery else { return false }
    return step % every == 0 && step != totalSteps
  }

  /// Whether a step has a checkpoint whatever the evaluations say.
  func hasOwnCheckpoint(_ step: Int) -> Bool {
    step == 0 || step == totalSteps || isCheckpointDue(step)
  }
}

extension TrainingOptions {
  /// How gradients are exchanged.
  var exchangeOptions: ExchangeOptions {
    ExchangeOptions(
      mode: exchange, schedule: exchangeSchedule, transport: transport,
      bucketBytes: Int(bucketMegabytes * 1_048_576))
  }
}
