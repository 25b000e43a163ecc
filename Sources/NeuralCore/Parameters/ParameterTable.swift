// SPDX-License-Identifier: Apache-2.0
internal import Tracing

/// The layout of a network's tensors in its two flat buffers.
///
/// Trainable parameters share one buffer, running statistics another, both in the order of layers.
/// Each tensor starts on a 64-byte boundary; the gaps between tensors are always zero.
public struct ParameterTable: Sendable {
  /// One tensor and its position.
  public struct Entry: Sendable {
    /// The full name, such as `layers.0.weight`.
    public let name: String
    /// The index of the layer, 0 for the first.
    public let layer: Int
    /// The specification from ``Layer/tensors``.
    public let specification: TensorSpecification
    /// The positions of the tensor's elements in its buffer.
    public let span: Range<Int>
    /// Whether the tensor is in the buffer of running statistics.
    public var isStatistic: Bool { specification.role == .statistic }
  }

  /// All tensors, layer by layer, in the order of ``Layer/tensors``.
  public let entries: [Entry]
  /// The length of the parameter buffer, including gaps.
  public let parameterCount: Int
  /// The length of the statistics buffer, including gaps.
  public let statisticCount: Int
  /// The blocks of the parameter buffer that shards consist of.
  public let blocks: ParameterBlocks

  /// Lays out the tensors of the layers, first to last.
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

  /// The number of trainable parameters, excluding gaps.
  public var trainedCount: Int {
    entries.reduce(0) { $0 + ($1.isStatistic ? 0 : $1.specification.count) }
  }

  /// The entries of one layer, in the order of ``Layer/tensors``.
  public func entries(ofLayer layer: Int) -> [Entry] {
    entries.filter { $0.layer == layer }
  }

  /// The span of the parameter buffer from the first to the last of one layer's tensors.
  public func parameterSpan(ofLayer layer: Int) -> Range<Int> {
    Self.span(of: entries(ofLayer: layer))
  }

  /// The span of the parameter buffer from the first to the last of some adjacent tensors.
  static func span(of entries: [Entry]) -> Range<Int> {
    let spans = entries.filter { !$0.isStatistic }.map(\.span)
    guard let first = spans.first, let last = spans.last else { return 0..<0 }
    return first.lowerBound..<last.upperBound
  }
}

/// A fixed partition of the parameter buffer into equal blocks.
///
/// Shards are contiguous blocks, and the gradient's norm is summed block by block, so that its bits
/// do not depend on which replica owns which shard. The block size depends on the length of the
/// buffer alone: 256 elements, or the smallest power of two that gives at most 4,096 blocks.
public struct ParameterBlocks: Hashable, Sendable {
  /// The length of the parameter buffer.
  public let parameterCount: Int
  /// The length of each block; the last one may be shorter.
  public let size: Int
  /// The number of blocks.
  public let count: Int

  init(parameterCount: Int) {
    var size = 256
    while (parameterCount + size - 1) / size > 4096 { size *= 2 }
    self.parameterCount = parameterCount
    self.size = size
    count = (parameterCount + size - 1) / size
  }

  /// The elements of the block at `index`.
  public func range(_ index: Int) -> Range<Int> {
    index * size..<Swift.min((index + 1) * size, parameterCount)
  }

  /// The elements of contiguous blocks.
  public func range(_ blocks: Range<Int>) -> Range<Int> {
    let end = Swift.min(blocks.upperBound * size, parameterCount)
    return Swift.min(blocks.lowerBound * size, end)..<end
  }
}
