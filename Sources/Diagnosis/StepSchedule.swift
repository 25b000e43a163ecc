// SPDX-License-Identifier: Apache-2.0
public import NeuralCore

/// What a training step asks the replicas for, in order, and when.
///
/// The requests are those that a network really makes: it is trained for two steps with replicas that
/// record them. Their times are the arithmetic before them: `2 m n` operations per row for each matrix
/// product, of which a fully connected layer has one forward and two backward, the first layer one.
public struct StepSchedule: Sendable {
  /// What is asked for.
  public enum Request: Hashable, Sendable {
    /// Partial results of `width` Float64 numbers each are merged, which all ranks wait for.
    case partials(width: Int)
    /// The gradients of some parameters, and of all after them, are final.
    case gradients(Range<Int>)
    /// A part of a layer's gradients is final, ahead of the rest.
    case part(Range<Int>)
    /// Parameters are updated; partial sums of `width` Float64 numbers each travel with the norm.
    case update(width: Int)
  }

  /// A request, and the fraction of the step's computing that is done before it.
  public struct Event: Hashable, Sendable {
    /// What is asked for.
    public let request: Request
    /// From 0 to 1.
    public let computed: Double
  }

  /// The requests of a step.
  public let events: [Event]
  /// The blocks of the parameters.
  let blocks: ParameterBlocks
  /// The number of parameters that travel, gaps between tensors included.
  public var parameterCount: Int { blocks.parameterCount }

  /// Records what `network` asks for; its weights stay the same, its running statistics change.
  ///
  /// - Parameter usesClasses: whether its loss takes classes as targets.
  /// - Throws: whatever a training step throws.
  public init(of network: NeuralNetwork, usesClasses: Bool) throws {
    let recorder = RequestRecorder()
    let before = network.replicas
    network.replicas = recorder
    defer { network.replicas = before }
    let rows = 2
    let inputs = AlignedBuffer<Float>(count: rows * network.inputs)
    let values = AlignedBuffer<Float>(count: rows * network.outputs)
    let classes = AlignedBuffer<Int32>(count: rows)
    try withExtendedLifetime((inputs, values, classes)) {
      let batch = Batch(
        inputs: MatrixView(inputs.base, rows: rows, columns: network.inputs),
        targets: usesClasses
          ? .classes(classes.elements)
          : .values(MatrixView(values.base, rows: rows, columns: network.outputs)))
      // The first step has nothing prepared; the second is as all others.
      var prepared = PreparedBatch(batch)
      for _ in 0..<2 {
        recorder.requests.removeAll()
        try network.computeGradients(prepared)
        prepared = try network.prepare(batch)
        _ = try network.update(after: batch)
      }
    }
    blocks = network.store.table.blocks
    let work = StepWork(network)
    events = work.events(recorder.requests)
  }
}

/// The position of requests within the arithmetic of a step.
private struct StepWork {
  /// The number of inputs times the number of outputs, of each layer that has parameters, be it a member
  /// of a composite layer; 0 for those that have no matrix product.
  private let layers: [Double]
  /// The layers that normalize over the batch.
  private let normalized: [Int]

  init(_ network: NeuralNetwork) {
    let trained = network.layers.flatMap(\.leaves).filter {
      $0.tensors.contains { $0.role != .statistic }
    }
    layers = trained.map { $0 is LayerNorm ? 0 : Double($0.inputs) * Double($0.outputs) }
    normalized = trained.indices.filter {
      (trained[$0] as? FullyConnectedLayer)?.normalization != nil
    }
  }

  private var forward: Double { layers.reduce(0, +) }
  private var total: Double { Swift.max(3 * forward - (layers.first ?? 0), 1) }

  func events(_ requests: [StepSchedule.Request]) -> [StepSchedule.Event] {
    // The statistics of the first layer's inputs are merged in the step before.
    let merging = Array(normalized.suffix(requests.prefix(while: \.isPartials).count))
    var (merges, finished, isBackward) = (0, 0, false)
    return requests.map { request in
      let layer = layers.count - 1 - finished
      let done: Double
      switch request {
      case .partials where layer < 0: done = total
      case .partials where !isBackward && merges < merging.count:
        done = layers[..<merging[merges]].reduce(0, +)
        merges += 1
      case .partials:
        isBackward = true
        done = backward(from: layer + 1) + 2 * layers[layer]
      case .gradients:
        isBackward = true
        done = backward(from: Swift.max(layer, 0))
        finished += 1
      case .part(let span):
        isBackward = true
        done = backward(from: layer + 1) + Double(span.count)
      case .update: done = total
      }
      return StepSchedule.Event(request: request, computed: done / total)
    }
  }

  /// What is done after the backward pass of the layers from `layer` on.
  private func backward(from layer: Int) -> Double {
    forward + layers[layer...].reduce(0) { $0 + 2 * $1 } - (layer == 0 ? layers[0] : 0)
  }
}

extension StepSchedule.Request {
  fileprivate var isPartials: Bool {
    if case .partials = self { true } else { false }
  }
}

extension Layer {
  /// The layer itself, or what its members are made of.
  fileprivate var leaves: [Layer] { members.isEmpty ? [self] : members.flatMap(\.leaves) }
}

/// A single replica that records requests, and updates nothing.
private final class RequestRecorder: Replicas {
  let slices = SlicePartition(count: 1)
  var requests: [StepSchedule.Request] = []

  func mergeStatistics(_ statistics: SliceStatistics) { merge(statistics) }

  func sumOverBatch(_ sums: SliceSums) { merge(sums) }

  private func merge(_ partials: SlicePartials) {
    requests.append(.partials(width: partials.width))
    partials.mergeOwnIntoWhole()
  }

  func gradientsReady(_ span: Range<Int>, of slices: BatchSlices) {
    requests.append(.gradients(span))
  }

  func gradientsReady(part: Range<Int>, of slices: BatchSlices) {
    requests.append(.part(part))
  }

  func updateParameters(_ update: ParameterUpdate) -> UpdateOutcome {
    requests.append(.update(width: update.sums.width))
    update.sums.mergeOwnIntoWhole()
    return UpdateOutcome(gradientNorm: 0, of: update)
  }
}
