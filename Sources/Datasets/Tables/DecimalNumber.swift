// SPDX-License-Identifier: Apache-2.0

/// Reads decimal numbers fast, and exactly.
enum DecimalNumber {
  /// Powers of ten from 0 to 22, which a Float64 holds exactly.
  ///
  /// Never written to after it is made.
  nonisolated(unsafe) static let powerTable: UnsafePointer<Double> = {
    let powers = UnsafeMutablePointer<Double>.allocate(capacity: 23)
    for exponent in 0...22 {
      powers[exponent] = exponent == 0 ? 1 : powers[exponent - 1] * 10
    }
    return UnsafePointer(powers)
  }()

  /// The number that the bytes from `here` on begin with, and moves `here` behind it; nil, with nothing
  /// moved, if it has very many digits, or an exponent, or is near the end of the bytes.
  ///
  /// Digits are found and put together 8 at a time within a 64-bit word (D. Lemire, "Number Parsing at
  /// a Gigabyte per Second", Software: Practice and Experience 51, 2021), and the result is as exact
  /// as that of ``prefix(_:_:_:)``.
  @inline(__always)
  static func short(
    _ base: UnsafePointer<UInt8>, _ here: inout Int, _ count: Int,
    _ powers: UnsafePointer<Double>
  ) -> (value: Double, isExact: Bool)? {
    guard here + 40 <= count else { return nil }
    let isNegative = base[here] == UInt8(ascii: "-")
    var at = here + (isNegative ? 1 : 0)
    var (mantissa, digits) = digits8(base + at)
    guard digits < 8 else { return nil }
    at += digits
    var exponent = 0
    if base[at] == UInt8(ascii: ".") {
      at += 1
      // At most 7 digits and 16 more: those above 19 may not fit into the mantissa.
      for _ in 0..<3 {
        let (fraction, length) = digits8(base + at)
        mantissa = mantissa &* UInt64(powers[length]) &+ fraction
        exponent += length
        at += length
        if length < 8 { break }
      }
      digits += exponent
    }
    guard digits > 0, digits <= 19, exponent <= 22, base[at] | 0x20 != UInt8(ascii: "e"),
      base[at] &- 48 > 9
    else { return nil }
    here = at
    let value = Double(mantissa) / powers[exponent]
    return (isNegative ? -value : value, mantissa < 1 << 53)
  }

  /// The number of digits, at most 8, that the next 8 bytes begin with, and the integer that they are.
  @inline(__always)
  private static func digits8(_ start: UnsafePointer<UInt8>) -> (value: UInt64, count: Int) {
    let word = UnsafeRawPointer(start).loadUnaligned(as: UInt64.self).littleEndian
    var digits = word ^ 0x3030_3030_3030_3030
    let others =
      ((digits &+ 0x0606_0606_0606_0606) | digits) & 0xF0F0_F0F0_F0F0_F0F0
    let count = others.trailingZeroBitCount >> 3
    guard count > 0 else { return (0, 0) }
    // The digits move to the end, behind zeros.
    digits = digits &<< UInt64(64 - 8 * count)
    digits = digits &* 10 &+ digits &>> 8
    let low = (digits & 0x0000_00FF_0000_00FF) &* 0x000F_4240_0000_0064
    let high = (digits &>> 16 & 0x0000_00FF_0000_00FF) &* 0x0000_2710_0000_0001
    return ((low &+ high) &>> 32, count)
  }

  /// The number that `count` bytes spell out, nil if they spell none.
  static func parse(_ start: UnsafePointer<UInt8>, _ count: Int) -> Double? {
    var end = 0
    guard let (value, isExact) = prefix(start, &end, count) else {
      // What has too many digits for the fast way, among others.
      guard let first = (0..<count).first(where: { start[$0] != 43 && start[$0] != 45 }),
        first <= 1, start[first] &- 48 < 10 || start[first] == UInt8(ascii: ".")
      else { return nil }
      return slow(start, count)
    }
    guard end == count else { return nil }
    return isExact ? value : slow(start, count)
  }

  /// The number that the bytes from `here` on begin with, and moves `here` behind it; nil, with `here`
  /// anywhere if it moved, where there is none, or one with more digits or a larger exponent than the
  /// fast way can take.
  ///
  /// A mantissa below 2^53 and a power of ten up to 22 are one multiplication or division, which is
  /// correctly rounded (W. Clinger, "How to Read Floating Point Numbers Accurately", PLDI 1990).
  /// Mantissas of up to 19 digits are rounded before that, so the result is off by less than 2 units
  /// in the last place: not exact.
  @inline(__always)
  static func prefix(
    _ base: UnsafePointer<UInt8>, _ here: inout Int, _ count: Int
  ) -> (value: Double, isExact: Bool)? {
    var at = here
    guard at < count else { return nil }
    let isNegative = base[at] == UInt8(ascii: "-")
    if isNegative || base[at] == UInt8(ascii: "+") { at += 1 }
    let first = at
    var mantissa: UInt64 = 0
    while at < count {
      let digit = base[at] &- 48
      guard digit < 10 else { break }
      mantissa = mantissa &* 10 &+ UInt64(digit)
      at += 1
    }
    var digits = at - first
    var exponent = 0
    if at < count, base[at] == UInt8(ascii: ".") {
      at += 1
      let point = at
      while at < count {
        let digit = base[at] &- 48
        guard digit < 10 else { break }
        mantissa = mantissa &* 10 &+ UInt64(digit)
        at += 1
      }
      exponent = point - at
      digits -= exponent
    }
    if digits == 0 {
      // A sign or a point alone.
      if at > here { here = at }
      return nil
    }
    if at < count, base[at] | 0x20 == UInt8(ascii: "e") {
      guard let power = exponentPart(base, &at, count) else {
        here = at
        return nil
      }
      exponent += power
    }
    here = at
    guard digits <= 19, exponent >= -22, exponent <= 18 else { return nil }
    let magnitude = Double(mantissa)
    let value =
      exponent < 0 ? magnitude / powerTable[-exponent] : magnitude * powerTable[exponent]
    return (isNegative ? -value : value, mantissa < 1 << 53)
  }

  private static func exponentPart(
    _ base: UnsafePointer<UInt8>, _ at: inout Int, _ count: Int
  ) -> Int? {
    at += 1
    var isNegative = false
    if at < count, base[at] == UInt8(ascii: "-") || base[at] == UInt8(ascii: "+") {
      isNegative = base[at] == UInt8(ascii: "-")
      at += 1
    }
    let first = at
    var power = 0
    while at < count {
      let digit = base[at] &- 48
      guard digit < 10 else { break }
      power = min(power * 10 + Int(digit), 100_000)
      at += 1
    }
    guard at > first else { return nil }
    return isNegative ? -power : power
  }

  /// The number that all of the bytes spell out, by the system's library.
  static func slow(_ start: UnsafePointer<UInt8>, _ count: Int) -> Double? {
    let text = UnsafeBufferPointer(start: start, count: count)
    // The library reads hexadecimal numbers and words, too.
    guard
      text.allSatisfy({ $0 &- 48 < 10 || $0 == 43 || $0 == 45 || $0 == 46 || $0 | 0x20 == 0x65 })
    else { return nil }
    return Double(String(decoding: text, as: UTF8.self))
  }

  /// The Float32 that is nearest to the number that the bytes spell out.
  ///
  /// Rounding its Float64 once more is wrong only where that lies at, or if it is not exact near, the
  /// middle between two Float32; there the digits decide.
  @inline(__always)
  static func float(
    _ number: Double, isExact: Bool, _ start: UnsafePointer<UInt8>, _ count: Int
  ) -> Float {
    let distance = Int64(number.bitPattern & 0x1FFF_FFFF) - 0x1000_0000
    if abs(distance) > (isExact ? 0 : 4) && abs(number) > 1e-37 { return Float(number) }
    if number == 0 { return Float(number) }
    return nearest(start, count) ?? Float(number)
  }

  @inline(never)
  private static func nearest(_ start: UnsafePointer<UInt8>, _ count: Int) -> Float? {
    Float(String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self))
  }
}
