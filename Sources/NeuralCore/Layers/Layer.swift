// SPDX-License-Identifier: Apache-2.0

/// The superclass of layers: a function from `rows x inputs` to `rows x outputs` with parameters.
///
/// A layer of your own overrides `tensors`, `forward`, `backward` and `infer`. It computes slice by
/// slice (see ``LayerPass``), so that its results don't depend on how slices are spread over ranks.
/// What `backward` needs of the forward pass the layer keeps itself: inputs and outputs are valid
/// during the call only.
open class Layer {
  /// The number of columns of the input.
  public let inputs: Int
  /// The number of columns of the output.
  public let outputs: Int

  /// Sets the layer's shape.
  public init(inputs: Int, outputs: Int) {
    self.inputs = inputs
    self.outputs = outputs
  }

  /// The parameters and statistics that the layer needs, in the order of checkpoints.
  open var tensors: [TensorSpecification] { [] }

  /// Makes room for batches with at most that many of this replica's rows.
  open func reserve(rows: Int) {}

  /// Training: does ahead of a batch's forward pass what needs no parameters; all replicas.
  ///
  /// Called for the network's first layer, with the rows that the next forward pass gets: that one
  /// finds ``LayerPass/isPrepared`` set.
  open func prepare(_ input: MatrixView, _ pass: LayerPass) throws {}

  /// Training: computes the outputs of this replica's rows and keeps what `backward` needs.
  ///
  /// All replicas call it for each batch, also those without rows.
  open func forward(
    _ input: MatrixView, into output: MutableMatrixView, _ pass: LayerPass
  ) throws {}

  /// Training: from the loss's gradient by the outputs, adds up that by the parameters.
  ///
  /// - Parameters:
  ///   - outputGradient: the gradient by this replica's outputs; may be overwritten.
  ///   - inputGradient: receives the gradient by the inputs; nil if nobody needs it.
  ///
  /// The layer calls ``LayerPass/gradientsReady()`` once all its gradients are added up.
  open func backward(
    _ outputGradient: MutableMatrixView, into inputGradient: MutableMatrixView?,
    _ pass: LayerPass
  ) throws {}

  /// Inference: computes outputs with the running statistics and changes nothing.
  open func infer(
    _ input: MatrixView, into output: MutableMatrixView, _ memory: LayerMemory
  ) throws {}

  /// Whether all that the last forward pass kept of this replica's rows is finite.
  open func isFinite(rows: Int) -> Bool { true }
}

/// One layer's tensors in the network's buffers.
public final class LayerMemory {
  let store: ParameterStore
  let entries: [ParameterTable.Entry]
  let span: Range<Int>

  init(_ store: ParameterStore, layer: Int) {
    self.store = store
    entries = store.table.entries(ofLayer: layer)
    span = store.table.parameterSpan(ofLayer: layer)
  }

  /// The elements of the layer's tensor `index`, in the order of `Layer.tensors`.
  public func tensor(_ index: Int) -> UnsafeMutablePointer<Float> {
    let entry = entries[index]
    return (entry.isStatistic ? store.statistics : store.parameters).base + entry.span.lowerBound
  }

  /// Changes whenever parameters or statistics change.
  public var version: Int { store.version }
}

/// What a layer gets for one batch: its tensors, the slices, and the group of replicas.
public struct LayerPass {
  /// The layer's tensors.
  public let memory: LayerMemory
  /// The slices of the batch that are this replica's.
  public let slices: BatchSlices
  /// The group of replicas, for what concerns the whole batch.
  public let replicas: any Replicas
  let accumulator: GradientAccumulator
  /// Whether `prepare` has been called for this batch.
  public let isPrepared: Bool

  /// Adds up the gradient of some elements of tensor `index` over this replica's slices.
  ///
  /// Calls `compute` for each slice in order with the item's number, its rows counted from this
  /// replica's first, and memory that receives the slice's gradient (it holds other numbers before).
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

  /// Tells the group that the gradients of some elements of tensor `index` are added up, while the layer
  /// goes on with others; ``gradientsReady()`` is called all the same.
  public func gradientsReady(of index: Int, elements: Range<Int>) throws {
    let start = memory.entries[index].span.lowerBound
    try replicas.gradientsReady(
      part: start + elements.lowerBound..<start + elements.upperBound, of: slices)
  }

  /// Tells the group that all gradients of the layer are added up.
  public func gradientsReady() throws {
    guard !memory.span.isEmpty else { return }
    try replicas.gradientsReady(memory.span, of: slices)
  }
}
