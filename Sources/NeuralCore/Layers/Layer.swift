// SPDX-License-Identifier: Apache-2.0

/// A layer of a network: a function from `rows x inputs` to `rows x outputs` with parameters.
///
/// The superclass of all layers, as `torch.nn.Module` is. A custom layer overrides ``tensors``,
/// ``forward(_:into:_:)``, ``backward(_:into:_:)`` and ``infer(_:into:_:)``. It computes slice by
/// slice (see ``LayerPass``), so that results don't depend on how slices are distributed over
/// replicas. The layer stores what `backward` needs from the forward pass: inputs and outputs are
/// valid during the call only.
open class Layer {
  /// The number of input features: columns of the input.
  public let inputs: Int
  /// The number of output features: columns of the output.
  public let outputs: Int

  /// Creates a layer with the given numbers of input and output features.
  public init(inputs: Int, outputs: Int) {
    self.inputs = inputs
    self.outputs = outputs
  }

  /// The layer's parameters and running statistics, in the order in which checkpoints store them.
  open var tensors: [TensorSpecification] { [] }

  /// The layers that a composite layer, such as ``Sequential``, is made of; none for all others.
  open var members: [Layer] { [] }

  /// Allocates buffers for batches of which this replica has at most `rows` rows.
  open func reserve(rows: Int) {}

  /// Training: computes, ahead of a batch's forward pass, what does not depend on parameters.
  ///
  /// All replicas call it, for the network's first layer only, with the input of the next forward
  /// pass, which then has ``LayerPass/isPrepared`` set. The step before is not finished yet, so
  /// ``LayerPass/updateNumber`` is still that step's.
  open func prepare(_ input: MatrixView, _ pass: LayerPass) throws {}

  /// Training: computes the outputs of this replica's rows, and stores what `backward` needs.
  ///
  /// All replicas call it for each batch, including replicas without rows.
  open func forward(
    _ input: MatrixView, into output: MutableMatrixView, _ pass: LayerPass
  ) throws {}

  /// Training: computes the gradients of the loss with respect to parameters and input.
  ///
  /// All replicas call it for each batch. The layer calls ``LayerPass/gradientsReady()`` once all
  /// its parameters' gradients are accumulated.
  ///
  /// - Parameters:
  ///   - outputGradient: the gradient with respect to this replica's outputs (`rows x outputs`);
  ///     may be overwritten.
  ///   - inputGradient: receives the gradient with respect to the input (`rows x inputs`); nil if
  ///     it is not needed, as in the first layer.
  open func backward(
    _ outputGradient: MutableMatrixView, into inputGradient: MutableMatrixView?,
    _ pass: LayerPass
  ) throws {}

  /// Inference: computes outputs from the running statistics, and leaves all tensors unchanged.
  open func infer(
    _ input: MatrixView, into output: MutableMatrixView, _ memory: LayerMemory
  ) throws {}

  /// Whether everything stored by the last forward pass, of `rows` rows, is finite.
  open func isFinite(rows: Int) -> Bool { true }
}

/// One layer's tensors in the network's buffers.
public final class LayerMemory {
  fileprivate let store: ParameterStore
  fileprivate let entries: [ParameterTable.Entry]
  fileprivate let span: Range<Int>

  init(_ store: ParameterStore, layer: Int) {
    self.store = store
    entries = store.table.entries(ofLayer: layer)
    span = store.table.parameterSpan(ofLayer: layer)
  }

  private init(_ whole: LayerMemory, tensors: Range<Int>) {
    store = whole.store
    entries = Array(whole.entries[tensors])
    span = ParameterTable.span(of: entries)
  }

  /// Some of the layer's tensors, as the tensors of a member of a composite layer.
  ///
  /// A composite makes it once per member and keeps it, since this allocates memory.
  ///
  /// - Parameter tensors: the range of the member's tensors in ``Layer/tensors``.
  public func part(_ tensors: Range<Int>) -> LayerMemory {
    LayerMemory(self, tensors: tensors)
  }

  /// The elements of the tensor at `index` of the layer's ``Layer/tensors``.
  public func tensor(_ index: Int) -> UnsafeMutablePointer<Float> {
    let entry = entries[index]
    return (entry.isStatistic ? store.statistics : store.parameters).base + entry.span.lowerBound
  }

  /// A counter that increases whenever parameters or running statistics change.
  public var version: Int { store.version }
}

/// The context of one layer's pass over one batch: its tensors, the slices, and the replicas.
public struct LayerPass {
  /// The layer's tensors.
  public let memory: LayerMemory
  /// This replica's slices of the batch.
  public let slices: BatchSlices
  /// The group of replicas, for operations over the whole batch.
  public let replicas: any Replicas
  let accumulator: GradientAccumulator
  /// The number of the update that this step of training ends in, 1 for the first.
  public let updateNumber: Int
  /// Whether ``Layer/prepare(_:_:)`` has been called for this batch.
  public let isPrepared: Bool
  /// The network's seed, for layers that draw random numbers.
  public let seed: UInt64
  /// A number that no other layer of the network has, for layers that draw random numbers.
  ///
  /// It is the index of a layer of the network, and `(q + 1) * 4096 + c` for the member at index c of a
  /// composite layer with number q.
  public let layerNumber: UInt64

  /// The context of a member of a composite layer.
  ///
  /// - Parameters:
  ///   - index: the member's index in ``Layer/members``.
  ///   - memory: the member's tensors, see ``LayerMemory/part(_:)``.
  ///   - isPrepared: whether the composite has prepared the member for this batch.
  public func member(
    _ index: Int, _ memory: LayerMemory, isPrepared: Bool = false
  ) -> LayerPass {
    LayerPass(
      memory: memory, slices: slices, replicas: replicas, accumulator: accumulator,
      updateNumber: updateNumber, isPrepared: isPrepared, seed: seed,
      layerNumber: (layerNumber &+ 1) &* 4096 &+ UInt64(index))
  }

  /// Accumulates the gradient of some elements of the tensor at `index` over this replica's slices.
  ///
  /// - Parameter compute: called once per slice, in order, with the slice's index among this
  ///   replica's, its rows counted from this replica's first row, and uninitialized memory that it
  ///   must fill with the slice's gradient.
  public func accumulateGradient(
    of index: Int, elements: Range<Int>,
    _ compute: (_ item: Int, _ rows: Range<Int>, _ gradient: UnsafeMutablePointer<Float>) throws
      -> Void
  ) throws {
    let span = memory.entries[index].span
    let start = span.lowerBound
    precondition(
      elements.lowerBound >= 0 && start + elements.upperBound <= span.upperBound,
      "elements outside the tensor")
    try accumulator.accumulate(
      start + elements.lowerBound..<start + elements.upperBound, of: slices, in: memory.store,
      compute)
  }

  /// Reports that the gradients of some elements of the tensor at `index` are accumulated.
  ///
  /// Their exchange can start while the layer computes the others. The layer calls
  /// ``gradientsReady()`` at the end all the same.
  public func gradientsReady(of index: Int, elements: Range<Int>) throws {
    let start = memory.entries[index].span.lowerBound
    try replicas.gradientsReady(
      part: start + elements.lowerBound..<start + elements.upperBound, of: slices)
  }

  /// Reports that all gradients of the layer are accumulated.
  public func gradientsReady() throws {
    guard !memory.span.isEmpty else { return }
    try replicas.gradientsReady(memory.span, of: slices)
  }
}

/// Accumulates the gradients of a replica's slices in the order of the slice tree.
///
/// Executes a ``ReductionPlan`` with memory as its stack. Position i from the bottom ends as
/// partial sum i, so the positions below the number of partial sums are the gradient buffers
/// themselves; the others are scratch. Where gradients are written with streaming stores, all
/// positions are scratch, and the partial sums are copied at the end.
final class GradientAccumulator {
  private var scratch = AlignedBuffer<Float>(count: 0)

  func accumulate(
    _ span: Range<Int>, of slices: BatchSlices, in store: ParameterStore,
    _ compute: (Int, Range<Int>, UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    let plan = slices.plan
    let results = plan.resultCount
    precondition(results <= store.gradients.count, "fewer gradient buffers than partial sums")
    let inPlace = store.unstreamedGradients == nil ? results : 0
    let scratchNeeded = (plan.depth - inPlace) * span.count
    if scratch.count < scratchNeeded { scratch = AlignedBuffer(count: scratchNeeded) }
    func place(_ index: Int) -> UnsafeMutablePointer<Float> {
      index < inPlace
        ? store.gradients[index].base + span.lowerBound
        : scratch.base + (index - inPlace) * span.count
    }
    try plan.run(
      push: { item, position in try compute(item, slices.localRows[item], place(position)) },
      merge: { step in
        Reductions.add(place(step.position + 1), to: place(step.position), span.count)
      })
    for result in inPlace..<results {
      store.write(place(result), asGradientsOf: span, node: result)
    }
  }
}
