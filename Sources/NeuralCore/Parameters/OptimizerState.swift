// SPDX-License-Identifier: Apache-2.0

/// The optimizer's moments for the parameters that this replica updates.
///
/// With a sharded optimizer these are the replica's shards only: 1/P of the memory and of the work
/// (Rajbhandari et al., "ZeRO", SC 2020, stage 1).
public final class OptimizerState {
  /// The ranges of the parameter buffer that this replica updates, ascending.
  public let ranges: [Range<Int>]
  /// The moments: all elements of the first, then all of the second.
  public let moments: AlignedBuffer<Float>
  /// How many moments each parameter has.
  public let momentCount: Int
  /// How many elements each moment has: those of all ranges, one after the other.
  public let elementCount: Int

  /// How new parameters come to where they are read.
  public enum Writing: Sendable {
    /// They are made there: no other process reads them.
    case inPlace
    /// They are made elsewhere and copied, a few at a time. A cache line that others have read is long in
    /// coming: a plain copy has many under way at once, an optimizer's arithmetic only a few.
    case copied
    /// The same, past the caches.
    case streamed
  }

  private let writing: Writing
  /// New parameters, a few at a time, where they are not made in place.
  private let staging: AlignedBuffer<Float>

  private struct Piece {
    let range: Int
    let parameters: Range<Int>
    let stateOffset: Int
    let decays: Bool
  }
  private var pieces: [Piece] = []

  /// Makes zero moments for ranges of the parameter buffer.
  public init(
    _ table: ParameterTable, ranges: [Range<Int>], moments: Int, writing: Writing = .inPlace
  ) {
    self.writing = writing
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
            decays: entry.specification.role == .weight))
      }
      offset += range.count
    }
  }

  /// The elements of moment `index`, in the order of the ranges.
  public func moment(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(
      rebasing: moments.mutableElements[index * elementCount..<(index + 1) * elementCount])
  }

  /// Takes this replica's part of moments that are laid out as the parameters.
  public func load(_ whole: [AlignedBuffer<Float>]) {
    for (index, source) in whole.prefix(momentCount).enumerated() {
      guard var target = moment(index).baseAddress else { continue }
      for range in ranges {
        target.update(from: source.base + range.lowerBound, count: range.count)
        target += range.count
      }
    }
  }

  /// Updates the parameters of this replica's ranges, or of one of them.
  ///
  /// - Parameters:
  ///   - gradients: the whole batch's gradient, laid out as the parameter buffer; only the ranges
  ///     are read.
  ///   - only: the index of the range to update; nil for all.
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
    store.noteChange()
  }

  /// Updates parameters that stand for a part of a piece.
  private func step(
    _ update: ParameterUpdate, _ piece: Piece, _ part: Range<Int>,
    of parameters: UnsafeMutablePointer<Float>, _ gradients: UnsafePointer<Float>, _ scale: Float
  ) {
    update.optimizer.updateGradients(
      OptimizerShard(
        parameters: parameters,
        gradients: gradients + piece.parameters.lowerBound + part.lowerBound,
        moments: moments.base + piece.stateOffset + part.lowerBound, momentStride: elementCount,
        count: part.count, decays: piece.decays, gradientScale: scale),
      update)
  }
}
/// A run of parameters of one tensor with their gradients and moments.
public struct OptimizerShard {
  /// The parameters, read and written.
  public let parameters: UnsafeMutablePointer<Float>
  /// The whole batch's gradient of each parameter.
  public let gradients: UnsafePointer<Float>
  /// How many parameters there are.
  public let count: Int
  /// Whether weight decay concerns them.
  public let decays: Bool
  /// What each gradient is multiplied by first: less than 1 when the global norm is clipped.
  public let gradientScale: Float
  private let moments: UnsafeMutablePointer<Float>
  private let momentStride: Int

  package init(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    moments: UnsafeMutablePointer<Float>, momentStride: Int, count: Int, decays: Bool,
    gradientScale: Float
  ) {
    self.parameters = parameters
    self.gradients = gradients
    self.moments = moments
    self.momentStride = momentStride
    self.count = count
    self.decays = decays
    self.gradientScale = gradientScale
  }

  /// Moment `index` of each parameter, in the order of the optimizer's `momentNames`.
  public func moment(_ index: Int) -> UnsafeMutablePointer<Float> {
    moments + index * momentStride
  }
}
