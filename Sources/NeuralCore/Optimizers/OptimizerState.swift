// SPDX-License-Identifier: Apache-2.0

/// The optimizer's state, such as momentum, for the parameters that this replica updates.
///
/// With a sharded optimizer these are the replica's shards only: 1/P of the memory and the work on
/// P replicas.
///
/// Source: Rajbhandari, Rasley, Ruwase, He, "ZeRO: Memory Optimizations Toward Training Trillion
/// Parameter Models", SC 2020 (https://arxiv.org/abs/1910.02054), stage 1.
public final class OptimizerState {
  /// The ranges of the parameter buffer that this replica updates, in ascending order.
  public let ranges: [Range<Int>]
  /// The state: all elements of the first moment, then all of the second.
  public let moments: AlignedBuffer<Float>
  /// The number of moments per parameter.
  public let momentCount: Int
  /// The number of elements of each moment: those of all ranges, concatenated.
  public let elementCount: Int

  /// How updated parameters are written to memory.
  public enum Writing: Sendable {
    /// In place: no other process reads them.
    case inPlace
    /// Computed in a staging buffer, and copied block by block.
    ///
    /// Fetching a cache line that other cores have read takes long: a plain copy keeps many such
    /// requests in flight, an optimizer's arithmetic only a few.
    case copied
    /// The same, copied with streaming (non-temporal) stores.
    case streamed
  }

  private let writing: Writing
  /// One block of updated parameters, unless they are updated in place.
  private let staging: AlignedBuffer<Float>

  /// The part of a tensor that lies in one of the ranges.
  private struct Piece {
    let range: Int
    let parameters: Range<Int>
    let stateOffset: Int
    let decays: Bool
    /// The index of the tensor in ``OptimizerState/trustRatios``; nil where the ratio is 1.
    let layerwiseTensor: Int?
  }
  private var pieces: [Piece] = []

  /// The trust ratios of a ``LayerwiseOptimizer``; nil with other optimizers.
  package let trustRatios: TrustRatios?

  /// Creates zero state of an optimizer for ranges of the parameter buffer.
  public init(
    _ table: ParameterTable, ranges: [Range<Int>], optimizer: any Optimizer,
    writing: Writing = .inPlace
  ) {
    self.writing = writing
    let trustRatios = (optimizer as? any LayerwiseOptimizer).map { TrustRatios(table, $0) }
    self.trustRatios = trustRatios
    let moments = optimizer.momentNames.count
    staging = AlignedBuffer(count: writing == .inPlace ? 0 : 4096)
    self.ranges = ranges
    elementCount = ranges.reduce(0) { $0 + $1.count }
    momentCount = moments
    self.moments = AlignedBuffer(count: elementCount * moments)
    var offset = 0
    for (index, range) in ranges.enumerated() {
      for entry in table.entries where !entry.isStatistic && entry.span.overlaps(range) {
        let part = entry.span.clamped(to: range)
        pieces.append(
          Piece(
            range: index, parameters: part,
            stateOffset: offset + part.lowerBound - range.lowerBound,
            decays: entry.specification.role == .weight,
            layerwiseTensor: trustRatios?.tensor(containing: part)))
      }
      offset += range.count
    }
  }

  /// The elements of the moment at `index`, in the order of the ranges.
  public func moment(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(
      rebasing: moments.mutableElements[index * elementCount..<(index + 1) * elementCount])
  }

  /// Loads this replica's part of moments that are laid out as the parameter buffer.
  public func load(_ whole: [AlignedBuffer<Float>]) {
    for (index, source) in whole.prefix(momentCount).enumerated() {
      guard var target = moment(index).baseAddress else { continue }
      for range in ranges {
        target.update(from: source.base + range.lowerBound, count: range.count)
        target += range.count
      }
    }
  }

  /// Updates the parameters of all of this replica's ranges, or of one.
  ///
  /// - Parameters:
  ///   - gradientNorm: the global norm of the gradient, before clipping.
  ///   - gradients: the gradient of the global batch's loss, laid out as the parameter buffer; only
  ///     the ranges are read.
  ///   - only: the index of the range to update; nil to update all.
  public func apply(
    _ update: ParameterUpdate, gradientNorm: Double, to store: ParameterStore,
    gradients: UnsafePointer<Float>, only: Int? = nil
  ) {
    let scale = update.gradientScale(norm: gradientNorm)
    for piece in pieces where only == nil || piece.range == only {
      let target = store.parameters.base + piece.parameters.lowerBound
      guard writing != .inPlace else {
        step(update, piece, 0..<piece.parameters.count, of: target, gradients, scale)
        continue
      }
      var first = 0
      while first < piece.parameters.count {
        let part = first..<Swift.min(first + staging.count, piece.parameters.count)
        staging.base.update(from: target + first, count: part.count)
        step(update, piece, part, of: staging.base, gradients, scale)
        if writing == .streamed {
          StreamingStores.copy(staging.base, to: target + first, part.count)
        } else {
          (target + first).update(from: staging.base, count: part.count)
        }
        first = part.upperBound
      }
    }
    if writing == .streamed { StreamingStores.finish() }
    store.markChanged()
  }

  /// The first pass of a ``LayerwiseOptimizer`` over all of this replica's ranges, which consist of
  /// whole blocks: adds up the squares of their parameters and steps.
  ///
  /// Parameters stay as they are. Call it before ``apply(_:gradientNorm:to:gradients:only:)``, and set
  /// the ratios in between, once the sums of all replicas are there.
  package func computeSteps(
    _ update: ParameterUpdate, gradientNorm: Double, of store: ParameterStore,
    gradients: UnsafePointer<Float>, _ trustRatios: TrustRatios
  ) {
    let scale = update.gradientScale(norm: gradientNorm)
    for piece in pieces {
      let elements = piece.parameters
      trustRatios.computeSteps(elements, ofTensor: piece.layerwiseTensor, update) { part in
        let first = part.lowerBound - elements.lowerBound
        return shard(
          piece, first..<first + part.count, of: store.parameters.base + part.lowerBound,
          gradients, scale)
      }
    }
  }

  /// Updates one part of a piece, whose parameters may be in the staging buffer.
  private func step(
    _ update: ParameterUpdate, _ piece: Piece, _ part: Range<Int>,
    of parameters: UnsafeMutablePointer<Float>, _ gradients: UnsafePointer<Float>, _ scale: Float
  ) {
    update.optimizer.updateGradients(
      shard(piece, part, of: parameters, gradients, scale), update)
  }

  @inline(__always)
  private func shard(
    _ piece: Piece, _ part: Range<Int>, of parameters: UnsafeMutablePointer<Float>,
    _ gradients: UnsafePointer<Float>, _ scale: Float
  ) -> OptimizerShard {
    OptimizerShard(
      parameters: parameters,
      gradients: gradients + piece.parameters.lowerBound + part.lowerBound,
      moments: moments.base + piece.stateOffset + part.lowerBound, momentStride: elementCount,
      count: part.count, decays: piece.decays, gradientScale: scale,
      trustRatio: piece.layerwiseTensor.map { trustRatios?.ratio(ofTensor: $0) ?? 1 } ?? 1)
  }
}
