// SPDX-License-Identifier: Apache-2.0

/// A file of bytes in the IDX format of the MNIST database.
///
/// Two zero bytes, the element type, the number of dimensions, each dimension as a big-endian 32-bit
/// number, then the elements (Y. LeCun, C. Cortes, C. Burges, "The MNIST Database").
struct IDXFile {
  let path: String
  /// The extent of each dimension.
  let shape: [Int]
  private let bytes: [UInt8]
  private let start: Int

  /// How many elements each item along the first dimension has.
  var itemSize: Int { shape.dropFirst().reduce(1, *) }

  /// The elements, item by item.
  var elements: ArraySlice<UInt8> { bytes[start...] }

  init(_ path: String) throws(DatasetError) {
    let bytes = try ByteFile.read(path)
    guard bytes.count >= 4, bytes[0] == 0, bytes[1] == 0 else {
      throw .malformed(path, "not an IDX file: it does not begin with two zero bytes")
    }
    guard bytes[2] == 8 else {
      throw .malformed(
        path,
        "IDX element type 0x\(String(bytes[2], radix: 16)): only unsigned bytes, 0x8, are read")
    }
    let dimensions = Int(bytes[3])
    guard dimensions >= 1, bytes.count >= 4 + 4 * dimensions else {
      throw .malformed(path, "truncated IDX header")
    }
    shape = (0..<dimensions).map { d in
      bytes[4 + 4 * d..<8 + 4 * d].reduce(0) { $0 << 8 | Int($1) }
    }
    start = 4 + 4 * dimensions
    let expected = try Shape.size(shape, path: path)
    guard bytes.count - start == expected else {
      throw .malformed(
        path,
        "IDX header says \(shape.map(String.init).joined(separator: " x ")) = \(expected) elements, "
          + "the file holds \(bytes.count - start)")
    }
    self.path = path
    self.bytes = bytes
  }
}
