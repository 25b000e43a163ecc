// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// A matrix of features and its targets, each in a NumPy file.
enum NPYPair {
  static func load(
    _ featuresPath: String, _ targetsPath: String, _ options: LoadOptions
  ) throws(DatasetError) -> Dataset {
    let features = try NPYFile(featuresPath)
    guard features.shape.count == 2, features.count > 0 else {
      throw .malformed(
        featuresPath,
        "features must be a matrix with rows and columns, not of shape \(features.shape)")
    }
    let (rows, columns) = (features.shape[0], features.shape[1])
    let matrix = try floats(features, rows, columns)
    guard options.readsTargets else {
      return Dataset(rows: rows, columns: columns, features: matrix, targets: .absent)
    }
    let file = try NPYFile(targetsPath)
    guard (1...2).contains(file.shape.count), file.shape[0] == rows else {
      throw .malformed(
        targetsPath, "targets of shape \(file.shape) for \(rows) rows of features")
    }
    let width = file.shape.count == 2 ? file.shape[1] : 1
    let targets: Dataset.Targets
    if options.targets == .numeric && (file.isFloatingPoint || width > 1) {
      targets = .values(
        try floats(file, rows, width), names: (0..<width).map { "target \($0 + 1)" })
    } else {
      targets = try classes(file, width, options)
    }
    return Dataset(rows: rows, columns: columns, features: matrix, targets: targets)
  }

  private static func floats(
    _ file: NPYFile, _ rows: Int, _ columns: Int
  ) throws(DatasetError) -> AlignedBuffer<Float> {
    try ByteFile.requireMemory(4, times: rows * columns, file.path)
    let result = AlignedBuffer<Float>(count: rows * columns)
    for row in 0..<rows {
      for column in 0..<columns {
        let value = Float(file.element(row, column))
        guard value.isFinite else {
          throw .malformed(
            path: file.path, place: "row \(row), column \(column)",
            problem: "\(file.element(row, column)) is not a finite number in Float32")
        }
        result.base[row * columns + column] = value
      }
    }
    return result
  }

  private static func classes(
    _ file: NPYFile, _ width: Int, _ options: LoadOptions
  ) throws(DatasetError) -> Dataset.Targets {
    guard width == 1 else {
      throw .malformed(file.path, "classes must be one column, not \(width)")
    }
    var labels: [String] = []
    for row in 0..<file.shape[0] {
      guard let label = Int(exactly: file.element(row)) else {
        throw .malformed(
          path: file.path, place: "row \(row)",
          problem: "\(file.element(row)) is not a class: use integers, or --loss mse")
      }
      labels.append("\(label)")
    }
    return try .classes(of: labels, known: options.knownLabels, path: file.path) { "row \($0)" }
  }
}

/// An array in NumPy's file format, versions 1.0 to 3.0.
///
/// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
private struct NPYFile {
  let path: String
  /// The extent of each dimension.
  let shape: [Int]
  /// The element type, such as `<f4`.
  private let type: String
  private let isFortranOrder: Bool
  private let bytes: [UInt8]
  private let start: Int

  var count: Int { shape.reduce(1, *) }
  var isFloatingPoint: Bool { type.contains("f") }

  private static let sizes = [
    "<f4": 4, "<f8": 8, "|u1": 1, "|i1": 1, "<u2": 2, "<i2": 2, "<u4": 4, "<i4": 4, "<i8": 8,
  ]

  init(_ path: String) throws(DatasetError) {
    self.path = path
    bytes = try ByteFile.read(path)
    guard bytes.starts(with: [0x93] + Array("NUMPY".utf8)), bytes.count >= 12 else {
      throw .malformed(path, "not a NumPy file: write it with numpy.save")
    }
    let isFirstVersion = bytes[6] == 1
    let lengthBytes = isFirstVersion ? bytes[8..<10] : bytes[8..<12]
    let length = lengthBytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    let headerStart = isFirstVersion ? 10 : 12
    guard (1...3).contains(bytes[6]), length <= 1 << 16, bytes.count >= headerStart + length else {
      throw .malformed(path, "the header of the NumPy file is truncated or of an unknown version")
    }
    start = headerStart + length
    let header = String(decoding: bytes[headerStart..<start], as: UTF8.self)
    let parsed = Self.parse(header)
    guard let parsed else { throw .malformed(path, "the header of the NumPy file is damaged") }
    (type, isFortranOrder, shape) = parsed
    guard let size = Self.sizes[type] else {
      throw .malformed(
        path, "unsupported element type \(type): use float32, float64 or integers")
    }
    let total = try ByteFile.size(shape, unit: size, path: path)
    guard bytes.count - start == total else {
      throw .malformed(
        path, "the header says \(total) bytes of data, the file holds \(bytes.count - start)")
    }
  }

  private static func parse(_ header: String) -> (String, Bool, [Int])? {
    guard
      let type = header.firstMatch(of: /'descr'\s*:\s*'([^']{2,8})'/),
      let order = header.firstMatch(of: /'fortran_order'\s*:\s*(True|False)/),
      let extents = header.firstMatch(of: /'shape'\s*:\s*\(([0-9, ]*)\)/)
    else { return nil }
    let shape = extents.1.split(whereSeparator: { $0 == "," || $0 == " " }).map { Int($0) }
    guard shape.count <= 4, shape.allSatisfy({ $0 != nil }) else { return nil }
    return (String(type.1), order.1 == "True", shape.compactMap { $0 })
  }

  /// The element in row `row` and column `column` of a matrix, or element `row` of a vector.
  func element(_ row: Int, _ column: Int = 0) -> Double {
    let columns = shape.count == 2 ? shape[1] : 1
    let index = isFortranOrder ? column * shape[0] + row : row * columns + column
    return bytes.withUnsafeBytes { raw in
      switch type {
      case "<f4": Double(raw.loadUnaligned(fromByteOffset: start + 4 * index, as: Float.self))
      case "<f8": raw.loadUnaligned(fromByteOffset: start + 8 * index, as: Double.self)
      case "|u1": Double(raw[start + index])
      case "|i1": Double(Int8(bitPattern: raw[start + index]))
      case "<u2": Double(raw.loadUnaligned(fromByteOffset: start + 2 * index, as: UInt16.self))
      case "<i2": Double(raw.loadUnaligned(fromByteOffset: start + 2 * index, as: Int16.self))
      case "<u4": Double(raw.loadUnaligned(fromByteOffset: start + 4 * index, as: UInt32.self))
      case "<i4": Double(raw.loadUnaligned(fromByteOffset: start + 4 * index, as: Int32.self))
      default: Double(raw.loadUnaligned(fromByteOffset: start + 8 * index, as: Int64.self))
      }
    }
  }
}
