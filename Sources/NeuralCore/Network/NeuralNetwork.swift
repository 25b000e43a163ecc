// SPDX-License-Identifier: Apache-2.0
package import Tracing

/// The backbone: layers, a loss function and an optimizer.
///
/// ```swift
/// let network = try NeuralNetwork(
///   layers: [
///     FullyConnectedLayer(inputs: 64, outputs: 32, activation: Relu()),
///     FullyConnectedLayer(inputs: 32, outputs: 10, activation: Identity()),
///   ],
///   loss: CrossEntropy(), optimizer: AdamOptimizer(), seed: 0)
/// let result = try network.train(batch)
/// ```
///
/// It trains alone until ``replicas`` is replaced by a group that communicates with other processes.
public final class NeuralNetwork {
  /// The layers, first to last.
  public let layers: [Layer]
  /// The loss function.
  public let loss: any LossFunction
  /// The optimizer.
  public let optimizer: any Optimizer
  /// The learning-rate schedule.
  public var schedule: LearningRateSchedule
  /// The maximum norm of the global gradient, nil for no clipping.
  public var clipNorm: Double?
  /// The maximum norm of each unit's incoming weights, a row of W; nil for no limit.
  ///
  /// Longer rows are scaled down to it after each update.
  ///
  /// Source: Srivastava et al., "Dropout", Journal of Machine Learning Research 15, 2014, section 5.1.
  public var maxNorm: Double?
  /// Parameters, gradients and statistics.
  public let store: ParameterStore
  /// The group of replicas that trains this network together.
  public var replicas: any Replicas {
    didSet { sliceCache.removeAll() }
  }
  /// The seed of the initial parameters and of ``Dropout``.
  public let seed: UInt64
  /// The number of updates done.
  public var stepsDone = 0
  /// Records when the parts of a step are done; nil if nobody wants to know.
  package var spans: SpanRecorder?

  let memories: [LayerMemory]
  /// The most columns of any layer's input or output.
  private let widest: Int
  /// The index of the first layer with tensors: those before it have no gradients.
  private let firstTrained: Int
  var activations: [AlignedBuffer<Float>] = []
  private let accumulator = GradientAccumulator()
  let totals = SliceSums(count: 3)
  private var sliceCache: [Int: BatchSlices] = [:]
  /// How often the first layer was prepared for a batch: the number of the last preparation.
  private var preparations = 0

  /// Makes a network with the initial parameters of `seed`.
  ///
  /// - Throws: ``NeuralCoreError/shapeMismatch(what:expected:found:)`` when a layer's inputs are not
  ///   the outputs of the one before.
  public init(
    layers: [Layer], loss: any LossFunction, optimizer: any Optimizer,
    schedule: LearningRateSchedule = LearningRateSchedule(base: 1e-3), clipNorm: Double? = nil,
    seed: UInt64
  ) throws {
    for (index, (before, after)) in zip(layers, layers.dropFirst()).enumerated()
    where before.outputs != after.inputs {
      throw NeuralCoreError.shapeMismatch(
        what: "inputs of layer \(index + 1)", expected: before.outputs, found: after.inputs)
    }
    self.layers = layers
    self.seed = seed
    firstTrained = layers.firstIndex { !$0.tensors.isEmpty } ?? 0
    widest = layers.map { Swift.max($0.inputs, $0.outputs) }.max() ?? 0
    self.loss = loss
    self.optimizer = optimizer
    self.schedule = schedule
    self.clipNorm = clipNorm
    let store = ParameterStore(ParameterTable(layers: layers.map(\.tensors)), seed: seed)
    self.store = store
    memories = layers.indices.map { LayerMemory(store, layer: $0) }
    replicas = SingleReplica(store, optimizer: optimizer)
  }

  /// The number of columns of the first layer's input.
  public var inputs: Int { layers.first?.inputs ?? 0 }
  /// The number of columns of the last layer's output.
  public var outputs: Int { layers.last?.outputs ?? 0 }

  /// One step of all replicas: forward, loss, backward, update.
  ///
  /// A loop that has other work to do while gradients are exchanged calls
  /// ``computeGradients(_:controlWord:)`` and ``update(after:)`` itself.
  ///
  /// - Returns: loss and accuracy of the whole batch before the update, and the gradient's norm.
  /// - Throws: ``NeuralCoreError/notFinite(_:)`` on every replica, before any parameter changes,
  ///   when loss or gradient are not finite; whatever the group throws.
  public func train(_ batch: Batch) throws -> StepResult {
    try computeGradients(PreparedBatch(batch))
    return try update(after: batch)
  }

  /// The first part of a step: forward, loss and backward; all replicas.
  ///
  /// When it returns, gradients are final on this replica and may still be on their way to others.
  ///
  /// - Parameter controlWord: a number that is added up over the replicas with the loss
  ///   (``StepResult/controlWords``); that of a replica without rows of the batch is not.
  public func computeGradients(_ prepared: PreparedBatch, controlWord: Int = 0) throws {
    let batch = prepared.batch
    let outputs = try forward(prepared)
    let gradient = try spans.record(.loss) {
      try differentiateLoss(outputs.readOnly, batch, controlWord: controlWord)
    }
    try backward(gradient, batch)
  }

  /// Computes what the first layer can compute of a batch before its weights are known: the
  /// statistics of its inputs; all replicas.
  ///
  /// Called between the two parts of the step before, it uses the time in which gradients travel.
  ///
  /// - Returns: the batch for ``computeGradients(_:controlWord:)``, with its rows unchanged until then.
  public func prepare(_ batch: Batch) throws -> PreparedBatch {
    guard let first = layers.first else { return PreparedBatch(batch) }
    let slices = try begin(batch)
    preparations += 1
    try spans.record(.statisticsAhead) { try first.prepare(batch.inputs, pass(0, slices)) }
    return PreparedBatch(batch, preparation: preparations)
  }

  /// The second part of a step: the update of the parameters; all replicas.
  ///
  /// - Parameter batch: that of the last ``computeGradients(_:controlWord:)``.
  /// - Throws: ``NeuralCoreError/notFinite(_:)`` as ``train(_:)``.
  public func update(after batch: Batch) throws -> StepResult {
    let rate = schedule.rate(at: stepsDone)
    let update = ParameterUpdate(
      optimizer: optimizer, number: stepsDone + 1, learningRate: rate, clipNorm: clipNorm,
      maxNorm: maxNorm, sums: totals)
    let outcome = try spans.record(.update) { try replicas.updateParameters(update) }
    let total = BatchTotals(
      rows: batch.globalRows, lossSum: totals.whole[0],
      correctRows: Int(exactly: totals.whole[1]) ?? 0)
    guard outcome.applied else {
      throw notFinite(total.loss.isFinite ? .gradient : .loss, batch)
    }
    stepsDone += 1
    return StepResult(
      loss: total.loss, accuracy: total.accuracy, learningRate: rate,
      gradientNorm: outcome.gradientNorm, controlWords: Int(exactly: totals.whole[2]) ?? 0)
  }

  /// The forward pass of training, on all replicas: the outputs of this replica's rows.
  ///
  /// The result lies in the network's own memory, valid until the next call. The batch updates the
  /// running statistics.
  public func forward(_ prepared: PreparedBatch) throws -> MutableMatrixView {
    let batch = prepared.batch
    let slices = try begin(batch)
    // What was prepared lies in the first layer's memory until it is prepared for another batch.
    let isPrepared = prepared.preparation == preparations
    preparations += 1
    var input = batch.inputs
    var output = MutableMatrixView(activations[0].base, rows: slices.rows, columns: 0)
    for (index, layer) in layers.enumerated() {
      output = activations[index % 2].mutableMatrix(rows: slices.rows, columns: layer.outputs)
      try spans.record(.forward, index) {
        try layer.forward(
          input, into: output, pass(index, slices, isPrepared: isPrepared && index == 0))
      }
      input = output.readOnly
    }
    store.markChanged()
    return output
  }

  /// The loss's gradient with respect to this replica's outputs; this replica.
  ///
  /// Rows count with the batch's weights, if it has some; correct predictions don't.
  /// Loss and correct predictions of its slices are kept until they are added up with the update.
  /// The gradient lies in the network's own memory, valid until the next call.
  public func differentiateLoss(
    _ outputs: MatrixView, _ batch: Batch, controlWord: Int = 0
  ) throws -> MutableMatrixView {
    let slices = slices(of: batch.globalRows)
    let gradient = activations[layers.count % 2].mutableMatrix(
      rows: slices.rows, columns: self.outputs)
    totals.begin(slices)
    for (item, rows) in slices.localRows.enumerated() {
      let (part, targets) = (outputs.rows(rows), batch.targets.rows(rows))
      totals.row(item)[0] =
        if let weights = batch.weights {
          try loss.computeWithDerivative(
            part, targets, weights: UnsafeBufferPointer(rebasing: weights[rows]),
            batchRows: batch.globalRows, into: gradient.rows(rows))
        } else {
          try loss.computeWithDerivative(
            part, targets, batchRows: batch.globalRows, into: gradient.rows(rows))
        }
      totals.row(item)[1] = Double(Targets.correctRows(part, targets))
      totals.row(item)[2] = item == 0 ? Double(controlWord) : 0
    }
    return gradient
  }

  /// The backward pass, on all replicas, from the loss's gradient with respect to the outputs of the
  /// last forward pass.
  ///
  /// Leaves this replica's part of the gradient in ``store``.
  public func backward(_ outputGradient: MutableMatrixView, _ batch: Batch) throws {
    let slices = slices(of: batch.globalRows)
    var place = layers.count % 2
    var gradient = outputGradient
    for (index, layer) in layers.enumerated().reversed() where index >= firstTrained {
      place = 1 - place
      let next = activations[place].mutableMatrix(rows: slices.rows, columns: layer.inputs)
      try spans.record(.backward, index) {
        try layer.backward(gradient, into: index > firstTrained ? next : nil, pass(index, slices))
      }
      gradient = next
    }
  }

  /// The slices of a batch of `batchRows` rows; made once per size.
  public func slices(of batchRows: Int) -> BatchSlices {
    if let known = sliceCache[batchRows] { return known }
    let made = BatchSlices(replicas.slices, batchRows: batchRows)
    sliceCache[batchRows] = made
    return made
  }

  private func begin(_ batch: Batch) throws -> BatchSlices {
    let slices = slices(of: batch.globalRows)
    guard batch.inputs.columns == inputs else {
      throw NeuralCoreError.shapeMismatch(
        what: "columns of the batch", expected: inputs, found: batch.inputs.columns)
    }
    guard batch.inputs.rows == slices.rows else {
      throw NeuralCoreError.shapeMismatch(
        what: "this replica's rows of the batch", expected: slices.rows, found: batch.inputs.rows)
    }
    reserve(rows: slices.rows)
    return slices
  }

  /// Allocates memory for batches with at most `rows` of this replica's rows.
  public func reserve(rows: Int) {
    guard activations.count < 2 || activations[0].count < rows * widest else { return }
    activations = (0..<2).map { _ in AlignedBuffer(count: rows * widest) }
    layers.forEach { $0.reserve(rows: rows) }
  }

  private func pass(
    _ layer: Int, _ slices: BatchSlices, isPrepared: Bool = false
  ) -> LayerPass {
    LayerPass(
      memory: memories[layer], slices: slices, replicas: replicas, accumulator: accumulator,
      updateNumber: stepsDone + 1, isPrepared: isPrepared, seed: seed, layerNumber: UInt64(layer))
  }

  private func notFinite(_ quantity: NotFiniteFinding.Quantity, _ batch: Batch) -> NeuralCoreError {
    let rows = slices(of: batch.globalRows).rows
    return .notFinite(
      NotFiniteFinding(
        quantity: quantity, layer: layers.firstIndex { !$0.isFinite(rows: rows) },
        largestParameter: store.parameters.elements.lazy.map(abs).max() ?? 0,
        largestInput: batch.inputs.elements.lazy.map(abs).max() ?? 0))
  }
}

extension NeuralNetwork {
  /// The outputs for some rows, with the running statistics; changes nothing that is learned.
  ///
  /// This replica alone. The result lies in the network's own memory, valid until the next call.
  ///
  /// - Throws: ``NeuralCoreError/shapeMismatch(what:expected:found:)`` when the rows have another
  ///   number of columns than the first layer.
  public func infer(_ rows: MatrixView) throws -> MutableMatrixView {
    guard rows.columns == inputs else {
      throw NeuralCoreError.shapeMismatch(
        what: "columns of the data", expected: inputs, found: rows.columns)
    }
    reserve(rows: rows.rows)
    var input = rows
    var output = MutableMatrixView(activations[0].base, rows: rows.rows, columns: 0)
    for (index, layer) in layers.enumerated() {
      output = activations[index % 2].mutableMatrix(rows: rows.rows, columns: layer.outputs)
      try layer.infer(input, into: output, memories[index])
      input = output.readOnly
    }
    return output
  }
}
