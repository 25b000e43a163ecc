// SPDX-License-Identifier: Apache-2.0

/// The extents of an array that a file says it holds.
enum Shape {
  /// The product of `unit` and all extents, checked before anything is sized by it.
  static func size(
    _ extents: [Int], unit: Int = 1, path: String
  ) throws(DatasetError) -> Int {
    var size = unit
    for extent in extents {
      let (product, overflow) = size.multipliedReportingOverflow(by: extent)
      guard !overflow else {
        throw .malformed(path, "the array's shape \(extents) is out of range")
      }
      size = product
    }
    return size
  }
}
