// SPDX-License-Identifier: Apache-2.0

/// The trust ratios of all weight tensors in an update by a ``LayerwiseOptimizer``.
///
/// A tensor's norms come from sums of squares over its pieces, the parts of it that lie in one block of
/// ``ParameterBlocks`` each. A shard consists of whole blocks, so each piece belongs to one replica;
/// sums are in Float64 and added in the order of the pieces, so the ratios' bits don't depend on the
/// number of replicas.
package final class TrustRatios {
  /// The number of pieces of all weight tensors.
  package let pieceCount: Int
  /// Of each piece, the sum of squares of the parameters; then, of each piece, that of the steps.
  package let sums: AlignedBuffer<Double>

  private let optimizer: any LayerwiseOptimizer
  private let blocks: ParameterBlocks
  private let tensors: [Tensor]
  /// Of each block, the index of its first piece; then the number of all pieces.
  private let firstPieces: [Int]
  private let ratios: AlignedBuffer<Float>
  /// The steps of whole blocks.
  private let steps: AlignedBuffer<Float>

  private struct Tensor {
    let elements: Range<Int>
    /// The block in which the tensor begins.
    let firstBlock: Int
    let pieces: Range<Int>
  }

  package init(_ table: ParameterTable, _ optimizer: any LayerwiseOptimizer) {
    self.optimizer = optimizer
    let blocks = table.blocks
    self.blocks = blocks
    var tensors: [Tensor] = []
    var piecesOfBlock = Array(repeating: 0, count: blocks.count)
    for entry in table.entries where entry.specification.role == .weight && !entry.span.isEmpty {
      let first = entry.span.lowerBound / blocks.size
      let count = (entry.span.upperBound - 1) / blocks.size - first + 1
      let start = tensors.last?.pieces.upperBound ?? 0
      tensors.append(
        Tensor(elements: entry.span, firstBlock: first, pieces: start..<start + count))
      for block in first..<first + count { piecesOfBlock[block] += 1 }
    }
    // Pieces are in ascending order, since tensors are.
    firstPieces = piecesOfBlock.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    self.tensors = tensors
    let pieceCount = tensors.last?.pieces.upperBound ?? 0
    self.pieceCount = pieceCount
    sums = AlignedBuffer(count: 2 * pieceCount)
    ratios = AlignedBuffer(count: tensors.count)
    steps = AlignedBuffer(count: Swift.max(blocks.size, 4096))
  }

  /// The indices of the pieces that lie in some blocks.
  package func pieces(inBlocks wanted: Range<Int>) -> Range<Int> {
    firstPieces[wanted.lowerBound]..<firstPieces[wanted.upperBound]
  }

  /// The index of the weight tensor that `elements` belong to; nil if they are no weights.
  func tensor(containing elements: Range<Int>) -> Int? {
    tensors.firstIndex { $0.elements.overlaps(elements) }
  }

  /// The ratio of a weight tensor, once all sums are there.
  func ratio(ofTensor index: Int) -> Float { ratios.base[index] }

  /// The first pass over part of one tensor, which must consist of the whole pieces that it overlaps.
  ///
  /// - Parameters:
  ///   - elements: their positions in the parameter buffer.
  ///   - tensor: the index of the weight tensor; nil for parameters that have the ratio 1.
  ///   - shard: the memory of a part of them.
  func computeSteps(
    _ elements: Range<Int>, ofTensor tensor: Int?, _ update: ParameterUpdate,
    _ shard: (_ part: Range<Int>) -> OptimizerShard
  ) {
    var first = elements.lowerBound
    while first < elements.upperBound {
      let end = (first / blocks.size * blocks.size) + steps.count
      let part = first..<Swift.min(end, elements.upperBound)
      let shard = shard(part)
      optimizer.computeSteps(shard, into: steps.base, update)
      if let tensor { addSquares(part, ofTensor: tensor, shard) }
      first = part.upperBound
    }
  }

  /// Sets the sums of the pieces of a part, whose steps are computed.
  private func addSquares(_ part: Range<Int>, ofTensor index: Int, _ shard: OptimizerShard) {
    let tensor = tensors[index]
    var first = part.lowerBound
    while first < part.upperBound {
      let block = first / blocks.size
      let end = Swift.min((block + 1) * blocks.size, part.upperBound)
      let piece = tensor.pieces.lowerBound + block - tensor.firstBlock
      let offset = first - part.lowerBound
      sums.base[piece] = Reductions.sumOfSquares(shard.parameters + offset, end - first)
      sums.base[pieceCount + piece] = Reductions.sumOfSquares(steps.base + offset, end - first)
      first = end
    }
  }

  /// Sets the ratios, once the sums of all pieces are there.
  package func finish() {
    for (index, tensor) in tensors.enumerated() {
      let (start, count) = (tensor.pieces.lowerBound, tensor.pieces.count)
      let parameters = Reductions.sum(sums.base + start, count).squareRoot()
      let steps = Reductions.sum(sums.base + pieceCount + start, count).squareRoot()
      ratios.base[index] =
        parameters == 0 || steps == 0
        ? 1 : Float(optimizer.trustRatio(parameterNorm: parameters, stepNorm: steps))
    }
  }
}
