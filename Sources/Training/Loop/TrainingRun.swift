internal import Checkpoints
internal import Coordination
internal import Datasets
internal import NeuralCore
// SPDX-License-Identifier: Apache-2.0
internal import Reports
internal import RunRecords
internal import Tracing

/// Where a run stands: its network, its rows, its files and its counters.
final class TrainingRun {
  let network: NeuralNetwork
  let model: ModelDescription
  let slices: Int
  let totalSteps: Int
  let evaluator: Evaluator?
  let startTime = MonotonicClock.seconds
  var directory: RunDirectory?
  /// The logs and checkpoints of the run directory; on rank 0.
  var metrics: JSONLinesLog?
  var timing: JSONLinesLog?
  var checkpointFolder: CheckpointFolder?
  let checkpointWriter = CheckpointWriter()
  /// Whether replicas have yet to agree on a checkpoint that was begun; the same on all.
  var isCheckpointPending = false
  /// The checkpoint that is known to be on the disk; on rank 0.
  var lastGoodCheckpoint: String?
  /// How many steps are done.
  private(set) var step = 0 {
    didSet { digest = nil }
  }
  /// The digest that all replicas have agreed on after this step, if they have.
  var digest: ContentHash?
  var lastEvaluation: BatchTotals?
  /// The held-out loss after each step at which it was evaluated; known on rank 0.
  var heldOutLosses: [Int: Double] = [:]
  /// The checkpoint that the run goes on with; known on rank 0.
  var resumedFrom: ResumePoint?
  let dataHash: String
  /// Seconds that the clocks of all replicas are ahead of that of replica 0, for a trace.
  private(set) var clockOffsets: [Double] = []

  let options: TrainingOptions
  private let data: TrainingData
  let group: any ProcessGroup
  private let schedule: BatchSchedule
  private let order: EpochOrder
  private let buffers: [BatchBuffer]
  /// The batch that was gathered ahead, and the step that it is for.
  private var gathered: (step: Int, batch: Batch?) = (-1, nil)
  private let statistics: AlignedBuffer<Float>
  private var lastLoss: Double?
  private var lastLog:
    (
      time: Double, step: Int, samples: Int, times: CommunicationTimes,
      traffic: CommunicationTraffic
    )
  private var samples = 0

  init(
    _ options: TrainingOptions, _ data: TrainingData, group: any ProcessGroup, slices: Int
  ) throws {
    self.options = options
    self.data = data
    self.group = group
    self.slices = slices
    dataHash = data.contentHash
    let dataset = data.training
    schedule = BatchSchedule(
      rows: data.trainingRows.count, batchRows: options.batch, dropsLast: options.dropLast)
    totalSteps = options.totalSteps(stepsPerEpoch: schedule.stepsPerEpoch)
    model = ModelDescription(
      options, inputs: dataset.columns, outputs: dataset.outputs, labels: dataset.labels)
    network = try model.makeNetwork(
      optimizer: options.makeOptimizer, schedule: options.makeSchedule(totalSteps: totalSteps),
      clipNorm: options.clipNorm, seed: options.seed)
    if options.trace {
      let table = network.store.table
      let megabytes = Double(table.parameterCount * MemoryLayout<Float>.stride) / 1_048_576
      let buckets = (megabytes / options.bucketMegabytes).rounded(.up)
      network.spans = SpanRecorder(
        steps: options.traceSteps, layers: network.layers.count,
        buckets: Int(Swift.min(buckets, Double(table.blocks.count))))
      clockOffsets = try ClockOffsets.measure(group)
    }
    try group.join(
      network, slices: slices,
      exchange: ExchangeOptions(
        mode: options.exchange, schedule: options.exchangeSchedule,
        transport: options.transport,
        bucketBytes: Int(options.bucketMegabytes * 1_048_576)))
    let most = Swift.min(options.batch, schedule.rows)
    let capacity = network.replicas.slices.rowCapacity(batchRows: most)
    buffers = (0..<2).map { _ in BatchBuffer(dataset, capacity: capacity) }
    order = EpochOrder(rows: data.trainingRows, seed: options.seed)
    evaluator =
      data.heldOutRows.isEmpty
      ? nil : Evaluator(network, data.heldOut, rows: data.heldOutRows)
    statistics = AlignedBuffer(count: network.store.statistics.count)
    lastLog = (startTime, 0, 0, CommunicationTimes(), CommunicationTraffic())
  }

  var stepsPerEpoch: Int { schedule.stepsPerEpoch }
  var hasClasses: Bool { !model.labels.isEmpty }
  /// The epoch of the step done last, 1 for the first.
  var epoch: Int { Swift.max(step - 1, 0) / stepsPerEpoch + 1 }
  var isLogDue: Bool { step == 1 || step % options.logEvery == 0 || step == totalSteps }
  var isDigestDue: Bool {
    guard let every = options.digestEvery else { return isLogDue }
    return step % every == 0 || step == totalSteps
  }
  var isEvaluationDue: Bool {
    guard evaluator != nil else { return false }
    return step == totalSteps || step % (stepsPerEpoch * options.evaluateEvery) == 0
  }
  var rowsText: String {
    "\(data.trainingRows.count) to train on, \(data.heldOutRows.count) held out"
  }

  var isCheckpointDue: Bool {
    guard let every = options.checkpointEvery else { return false }
    return step % every == 0 && step != totalSteps
  }

  /// Goes on from a step whose state has been loaded.
  func resume(atStep loaded: Int) {
    step = loaded
    network.stepsDone = loaded
    lastLog.step = loaded
  }

  /// This replica's rows of the next batch.
  func nextBatch() -> Batch {
    let batch = gathered.step == step ? gathered.batch : nil
    return batch ?? gather(step)
  }

  /// This replica's rows of the batch after the one in hand, which stay until it has been trained on;
  /// nil after the last.
  func batchAhead() -> Batch? {
    guard step + 1 < totalSteps else { return nil }
    let batch = network.spans.record(.batch) { gather(step + 1) }
    gathered = (step + 1, batch)
    return batch
  }

  /// Copies this replica's rows of a step's batch together; two steps in a row have memory each.
  private func gather(_ step: Int) -> Batch {
    let rows = order.rows(ofEpoch: step / stepsPerEpoch)
    let range = schedule.range(ofStep: step % stepsPerEpoch)
    let owned = network.replicas.slices.ownedRows(batchRows: range.count)
    let start = range.lowerBound + owned.lowerBound
    let buffer = buffers[step % 2]
    buffer.gather(UnsafeBufferPointer(rebasing: rows[start..<start + owned.count]))
    return buffer.batch(globalRows: range.count)
  }

  /// Whether some replica has no rows even of a full batch, so that its vote never arrives.
  var hasIdleReplica: Bool {
    (0..<group.size).contains { rank in
      SlicePartition(count: slices, rank: rank, of: group.size)
        .ownedRows(batchRows: Swift.min(options.batch, schedule.rows)).isEmpty
    }
  }

  func note(_ result: StepResult) {
    samples += schedule.range(ofStep: step % stepsPerEpoch).count
    step += 1
    lastLoss = result.loss
  }

  /// A step takes its batch into the running statistics before it is known to be good.
  func keepStatistics() {
    statistics.base.update(from: network.store.statistics.base, count: statistics.count)
  }

  func restoreStatistics() {
    network.store.statistics.base.update(from: statistics.base, count: statistics.count)
    network.store.markChanged()
  }

  func progress(_ result: StepResult?) -> Progress {
    let seconds = MonotonicClock.seconds - startTime
    return Progress(
      epoch: epoch, epochs: (totalSteps + stepsPerEpoch - 1) / stepsPerEpoch, step: step,
      steps: totalSteps, loss: result?.loss ?? lastEvaluation?.loss ?? lastLoss ?? 0,
      accuracy: hasClasses ? result?.accuracy ?? lastEvaluation?.accuracy : nil,
      samplesPerSecond: seconds > 0 ? Double(samples) / seconds : nil,
      secondsLeft: seconds / Double(Swift.max(step - (resumedFrom?.step ?? 0), 1))
        * Double(totalSteps - step))
  }

  /// What the time since the last record went to; the rest of it is computing.
  func timingRecord() -> TimingRecord {
    let (now, times) = (MonotonicClock.seconds, group.communicationTimes)
    let traffic = group.communicationTraffic
    let seconds = now - lastLog.time
    let spent = times.since(lastLog.times)
    let record = TimingRecord.interval(
      step: step, epoch: epoch, seconds: seconds,
      samplesPerSecond: Double(samples - lastLog.samples) / seconds,
      phases: PhaseSeconds(
        compute: seconds - spent.wait - spent.exchange - spent.update, wait: spent.wait,
        exchange: spent.exchange, update: spent.update),
      traffic: TrafficBytes(traffic.since(lastLog.traffic)))
    lastLog = (now, step, samples, times, traffic)
    return record
  }

  func summary(
    seconds: Double, traffic: TrafficBytes, version: String, digest: String
  ) -> RunSummary {
    RunSummary(
      ranks: group.size, slices: slices, steps: step, epochs: epoch, finalLoss: lastLoss,
      testLoss: lastEvaluation?.loss, testAccuracy: hasClasses ? lastEvaluation?.accuracy : nil,
      digest: digest, samplesPerSecond: Double(samples) / seconds, seconds: seconds,
      traffic: traffic, parameters: network.store.table.trainedCount, version: version,
      completed: step == totalSteps)
  }
}
