// SPDX-License-Identifier: Apache-2.0
internal import Tracing

/// Where each tensor of a network lies in its two flat buffers.
///
/// Trained parameters share one buffer, running statistics another; layers come in order. Each
/// tensor starts on a 64-byte boundary, and the gap before it holds zeros that stay zero.
public struct ParameterTable: Sendable {
  /// A tensor's place.
  public struct Entry: Sendable {
    /// The full name, such as `layers.0.weight`.
    public let name: String
    /// The layer's number, 0 for the first.
    public let layer: Int
    /// What the layer asked for.
    public let specification: TensorSpecification
    /// The tensor's elements in its buffer.
    public let span: Range<Int>
    /// Whether it lies in the buffer of statistics.
    public var isStatistic: Bool { specification.role == .statistic }
  }

  /// All tensors, layer by layer, each layer's in the order that it declares.
  public let entries: [Entry]
  /// The length of the parameter buffer, gaps included.
  public let parameterCount: Int
  /// The length of the statistics buffer, gaps included.
  public let statisticCount: Int
  /// The parameter buffer in pieces that no shard boundary cuts.
  public let blocks: ParameterBlocks

  /// Lays out the tensors of layers, given in order.
  public init(layers: [[TensorSpecification]]) {
    var entries: [Entry] = []
    var parameters = 0
    var statistics = 0
    for (layer, tensors) in layers.enumerated() {
      for tensor in tensors {
        let start = tensor.role == .statistic ? statistics : parameters
        entries.append(
          Entry(
            name: "layers.\(layer).\(tensor.name)", layer: layer, specification: tensor,
            span: start..<start + tensor.count))
        let end = (start + tensor.count + 15) / 16 * 16
        if tensor.role == .statistic { statistics = end } else { parameters = end }
      }
    }
    self.entries = entries
    parameterCount = parameters
    statisticCount = statistics
    blocks = ParameterBlocks(parameterCount: parameters)
  }

  /// How many numbers are trained, gaps not counted.
  public var trainedCount: Int {
    entries.reduce(0) { $0 + ($1.isStatistic ? 0 : $1.specification.count) }
  }

  /// The entries of one layer, in the order that it declares.
  public func entries(ofLayer layer: Int) -> [Entry] {
    entries.filter { $0.layer == layer }
  }

  /// The span of the parameter buffer that one layer's tensors take up together.
  public func parameterSpan(ofLayer layer: Int) -> Range<Int> {
    let spans = entries.filter { $0.layer == layer && !$0.isStatistic }.map(\.span)
    guard let first = spans.first, let last = spans.last else { return 0..<0 }
    return first.lowerBound..<last.upperBound
  }
}

/// A fixed cut of the parameter buffer into equal blocks.
///
/// Shards are runs of blocks, and the gradient's norm is added block by block, so that the norm
/// has the same bits whoever owns which shard. The size depends on the parameter count alone: 256
/// elements, or the power of two that gives at most 4,096 blocks.
public struct ParameterBlocks: Hashable, Sendable {
  /// The length of the parameter buffer.
  public let parameterCount: Int
  /// The length of each block but the last.
  public let size: Int
  /// How many blocks there are.
  public let count: Int

  init(parameterCount: Int) {
    var size = 256
    while (parameterCount + size - 1) / size > 4096 { size *= 2 }
    self.parameterCount = parameterCount
    self.size = size
    count = (parameterCount + size - 1) / size
  }

  /// The elements of block `index`.
  public func range(_ index: Int) -> Range<Int> {
    index * size..<Swift.min((index + 1) * size, parameterCount)
  }

  /// The elements of a run of blocks.
  public func range(_ blocks: Range<Int>) -> Range<Int> {
    let end = Swift.min(blocks.upperBound * size, parameterCount)
    return Swift.min(blocks.lowerBound * size, end)..<end
  }
}
