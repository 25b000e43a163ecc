// SPDX-License-Identifier: Apache-2.0
public import NeuralCore

/// What a training step asks the group of replicas for, in order, and when.
///
/// The requests are those that a network really makes: it is trained for two steps with a group that
/// takes notes. When they come is told by the arithmetic before them: `2 m n` operations a row for
/// each matrix product, one forward and two backward a layer, one for the first.
public struct StepSchedule: Sendable {
  /// What is asked for.
  public enum Request: Hashable, Sendable {
    /// Small partial results of that many Float64 numbers a node are merged, which all wait for.
    case partials(width: Int)
    /// The gradients of some parameters, and of all after them, are final.
    case gradients(Range<Int>)
    /// Some gradients of a layer are final, ahead of the rest.
    case part(Range<Int>)
    /// Parameters are to be updated; so many Float64 numbers a node are added up with the norm.
    case update(width: Int)
  }

  /// A request, and the share of the step's computing that is done before it.
  public struct Event: Hashable, Sendable {
    /// What is asked for.
    public let request: Request
    /// From 0 to 1.
    public let computed: Double
  }

  /// The requests of a step.
  public let events: [Event]
  /// How parameters are cut into blocks.
  let blocks: ParameterBlocks
  /// How many parameters travel, gaps between tensors included.
  public var parameterCount: Int { blocks.parameterCount }

  /// Finds out what `network` asks for; its weights stay, its running statistics move.
  ///
  /// - Parameter usesClasses: whether its loss takes classes.
  /// - Throws: what training throws.
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
    let work = StepWork(network.layers.map { Double($0.inputs) * Double($0.outputs) })
    events = work.events(recorder.requests)
  }
}

/// Where in the arithmetic of a step requests come.
private struct StepWork {
  /// Products of each layer's widths.
  private let layers: [Double]

  init(_ layers: [Double]) { self.layers = layers }

  private var forward: Double { layers.reduce(0, +) }
  private var total: Double { 3 * forward - layers[0] }

  func events(_ requests: [StepSchedule.Request]) -> [StepSchedule.Event] {
    var (merges, finished, isBackward) = (0, 0, false)
    return requests.map { request in
      let layer = layers.count - 1 - finished
      let done: Double
      switch request {
      case .partials where finished == layers.count || layer < 0: done = total
      case .partials where !isBackward && merges + 1 < layers.count:
        merges += 1
        done = layers[..<merges].reduce(0, +)
      case .partials:
        isBackward = true
        done = backward(from: layer + 1) + 2 * layers[layer]
      case .gradients:
        isBackward = true
        done = backward(from: layer)
        finished += 1
      case .part(let span):
        isBackward = true
        done = backward(from: layer + 1) + Double(span.count)
      case .update: done = total
      }
      return StepSchedule.Event(request: request, computed: done / total)
    }
  }

  /// What is done once the layers from `layer` on have gone backward.
  private func backward(from layer: Int) -> Double {
    forward + layers[layer...].reduce(0) { $0 + 2 * $1 } - (layer == 0 ? layers[0] : 0)
  }
}

/// A group of one that takes notes, and updates nothing.
private final class RequestRecorder: Replicas {
  let slices = SlicePartition(count: 1)
  var requests: [StepSchedule.Request] = []

  func mergeStatistics(_ moments: SliceStatistics) { note(moments) }

  func sumOverBatch(_ sums: SliceSums) { note(sums) }

  private func note(_ partials: SlicePartials) {
    requests.append(.partials(width: partials.width))
    keepRoot(of: partials)
  }

  func gradientsReady(_ span: Range<Int>, of slices: BatchSlices) {
    requests.append(.gradients(span))
  }

  func gradientsReady(part: Range<Int>, of slices: BatchSlices) {
    requests.append(.part(part))
  }

  func updateParameters(_ update: ParameterUpdate) -> UpdateOutcome {
    requests.append(.update(width: update.sums.width))
    keepRoot(of: update.sums)
    return UpdateOutcome(gradientNorm: 0, of: update)
  }

  private func keepRoot(of partials: SlicePartials) {
    guard partials.mergeOwn() > 0 else { return }
    partials.whole.base.update(from: partials.row(partials.node(0)), count: partials.width)
  }
}
