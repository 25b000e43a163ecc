// SPDX-License-Identifier: Apache-2.0
internal import CVectorMath

/// The random mask of a ``Dropout`` layer, one bit per unit, and its application.
///
/// The word of a unit is word `unit % 4` of the ``Philox`` block at the counter (unit / 4, row, update,
/// purpose and layer). Eight blocks are computed at a time: 32 units, one element of the mask, whose
/// lowest bit is the first unit's.
package struct DropoutMask {
  /// The last three words of the counter, and the key.
  private let row: UInt32
  private let update: UInt32
  private let stream: UInt32
  private let key: SIMD2<UInt32>
  /// Units are kept whose word is not below it.
  private let threshold: UInt64

  /// The mask of a pass over a batch.
  ///
  /// - Parameters:
  ///   - firstRow: the row of the global batch that is row 0 of ``fill(_:rows:units:)``.
  ///   - update: the number of the update that the step ends in, 1 for the first.
  ///   - layerNumber: see ``LayerPass/layerNumber``. The counter has room for 24 bits of it; the others
  ///     change the key.
  package init(
    seed: UInt64, firstRow: Int, update: Int, layerNumber: UInt64, probability: Double
  ) {
    row = UInt32(truncatingIfNeeded: firstRow)
    self.update = UInt32(truncatingIfNeeded: update)
    stream = RandomPurpose.dropout.rawValue | UInt32(truncatingIfNeeded: layerNumber << 8)
    let key = seed ^ ((layerNumber >> 24) << 32)
    self.key = SIMD2(UInt32(truncatingIfNeeded: key), UInt32(truncatingIfNeeded: key >> 32))
    threshold = Self.threshold(probability)
  }

  /// round(probability * 2^32): a word is below it with that probability.
  package static func threshold(_ probability: Double) -> UInt64 {
    UInt64((probability * 0x1p32).rounded())
  }

  /// The number of elements in the mask of a row.
  package static func stride(units: Int) -> Int { (units + 31) / 32 }

  /// Writes the mask of `rows` rows, ``stride(units:)`` elements each; bits beyond the units are random.
  package func fill(_ mask: UnsafeMutablePointer<UInt32>, rows: Int, units: Int) {
    let stride = Self.stride(units: units)
    for row in 0..<rows {
      let number = self.row &+ UInt32(truncatingIfNeeded: row)
      let target = mask + row &* stride
      var index = 0
      while index < stride {
        target[index] = keptUnits(firstBlock: UInt64(index &* 8), row: number)
        index &+= 1
      }
    }
  }

  /// Lanes of 64 bits, as products of 32-bit words are; where such a word stands in one, what its upper
  /// half holds is ignored.
  private typealias Words = SIMD8<UInt64>

  @inline(__always)
  private func keptUnits(firstBlock: UInt64, row: UInt32) -> UInt32 {
    let low = Words(repeating: 0xFFFF_FFFF)
    var x0 = Words(0, 1, 2, 3, 4, 5, 6, 7) &+ Words(repeating: firstBlock)
    var x1 = Words(repeating: UInt64(row))
    var x2 = Words(repeating: UInt64(update))
    var x3 = Words(repeating: UInt64(stream))
    var (k0, k1) = (key.x, key.y)
    for _ in 0..<10 {
      let p0 = (x0 & low) &* Words(repeating: 0xD251_1F53)
      let p1 = (x2 & low) &* Words(repeating: 0xCD9E_8D57)
      x0 = (p1 &>> 32) ^ x1 ^ Words(repeating: UInt64(k0))
      x1 = p1
      x2 = (p0 &>> 32) ^ x3 ^ Words(repeating: UInt64(k1))
      x3 = p0
      k0 &+= 0x9E37_79B9
      k1 &+= 0xBB67_AE85
    }
    // The sign of word - threshold, in 64 bits, says whether the unit is dropped.
    let limit = Words(repeating: threshold)
    let d0 = ((x0 & low) &- limit) &>> 63
    let d1 = ((x1 & low) &- limit) &>> 63
    let d2 = ((x2 & low) &- limit) &>> 63
    let d3 = ((x3 & low) &- limit) &>> 63
    let ofBlock = d0 | (d1 &<< 1) | (d2 &<< 2) | (d3 &<< 3)
    let placed = ofBlock &<< Words(0, 4, 8, 12, 16, 20, 24, 28)
    let four = placed.lowHalf | placed.highHalf
    let two = four.lowHalf | four.highHalf
    return ~UInt32(truncatingIfNeeded: two.x | two.y)
  }

  /// output_ij = scale * input_ij where the mask's bit is set, and 0 elsewhere.
  ///
  /// Both matrices have the same shape; `output` may be `input` itself.
  package static func apply(
    _ mask: UnsafePointer<UInt32>, to input: MatrixView, scale: Float,
    into output: MutableMatrixView
  ) {
    let n = input.columns
    let stride = stride(units: n)
    let factor = Vectors.broadcast(scale)
    for row in 0..<input.rows {
      let (source, target) = (input.base + row &* n, output.base + row &* n)
      let bits = mask + row &* stride
      @inline(__always)
      func keep(_ j: Int, _ lanes: Int) {
        let kept = clockstep_keep(
          Vectors.load(source + j, count: lanes) * factor,
          bits[j &>> 5] &>> UInt32(truncatingIfNeeded: j & 16))
        Vectors.store(kept, to: target + j, count: lanes)
      }
      Vectors.forEach(n, keep)
    }
  }
}
