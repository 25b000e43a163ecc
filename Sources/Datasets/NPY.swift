// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import NeuralCore

/// A matrix of features and its targets, each in a NumPy file.
enum NPYPair {
  /// Loads features, and targets unless the options read none.
  static func load(
    _ featuresPath: String, _ targetsPath: String?, _ options: LoadOptions
  ) throws(DatasetError) -> Dataset {
    guard options.readsTargets else {
      return try dataset(NPYArray(ByteFile.read(featuresPath), featuresPath), nil, options)
    }
    guard let targetsPath else {
      throw .usage("\(featuresPath): name two files, FEATURES.npy,TARGETS.npy")
    }
    let features = try NPYArray(ByteFile.read(featuresPath), featuresPath)
    let targets = try NPYArray(ByteFile.read(targetsPath), targetsPath)
    return try dataset(features, targets, options)
  }

  /// Rows of features with their targets; arrays of more than two dimensions are flattened.
  static func dataset(
    _ features: NPYArray, _ targets: NPYArray?, _ options: LoadOptions
  ) throws(DatasetError) -> Dataset {
    try requireMatrix(features)
    let (rows, columns) = (features.shape[0], features.count / features.shape[0])
    let matrix = try features.floats()
    return Dataset(
      rows: rows, columns: columns, features: matrix,
      targets: try targets.map { array throws(DatasetError) in
        try self.targets(array, of: features, options)
      } ?? .absent)
  }

  /// Requires features of rows and columns, or images.
  static func requireMatrix(_ features: NPYArray) throws(DatasetError) {
    guard (2...4).contains(features.shape.count), features.count > 0 else {
      let advice = features.shape.count == 1 ? ": for a single feature, save x.reshape(-1, 1)" : ""
      throw .malformed(
        features.path,
        "features must be a matrix with rows and columns, or images, not of shape "
          + "\(features.shape)\(advice)")
    }
  }

  private static func targets(
    _ array: NPYArray, of features: NPYArray, _ options: LoadOptions
  ) throws(DatasetError) -> Dataset.Targets {
    let (rows, shape) = (features.shape[0], array.shape)
    guard let first = shape.first, first == rows else {
      let isTransposed = features.shape.count == 2 && shape.first == features.shape[1]
      throw .malformed(
        array.path,
        "targets of shape \(shape) for \(rows) rows of features"
          + (isTransposed ? ": if rows and columns are swapped, save x.T" : ""))
    }
    guard array.count > 0, shape.dropFirst().filter({ $0 != 1 }).count <= 1 else {
      throw .malformed(array.path, "targets must be one or more columns, not of shape \(shape)")
    }
    let width = array.count / rows
    if try areNumbers(array, width, options) {
      return .values(try array.floats(), names: (0..<width).map { "target \($0 + 1)" })
    }
    if width > 1 { return try oneHotClasses(array, width, options) }
    let labels = spelled(try array.labels(), like: options.knownLabels)
    return try .classes(of: labels, known: options.knownLabels, path: array.path) { "row \($0)" }
  }

  /// Whether targets are numbers to be predicted, not classes.
  private static func areNumbers(
    _ array: NPYArray, _ width: Int, _ options: LoadOptions
  ) throws(DatasetError) -> Bool {
    guard array.isNumeric else { return false }
    guard options.targets == .automatic else { return options.targets == .numeric }
    if let schema = options.schema { return schema.labels.isEmpty }
    let numbers = try array.floats()
    if width > 1 {
      return !(0..<array.shape[0]).allSatisfy {
        oneHotPlace(numbers, $0 * width..<($0 + 1) * width) != nil
      }
    }
    var distinct: Set<Float> = []
    for number in numbers.elements where distinct.count <= TargetRule.mostClasses {
      distinct.insert(number)
    }
    return !TargetRule.areClasses(distinct.map(Double.init), rows: array.count, .automatic)
  }

  /// Classes from rows of zeros with a single 1, whose place is the class.
  private static func oneHotClasses(
    _ array: NPYArray, _ width: Int, _ options: LoadOptions
  ) throws(DatasetError) -> Dataset.Targets {
    guard array.isNumeric else {
      throw .malformed(array.path, "classes must be one column, not \(width)")
    }
    let labels = options.knownLabels ?? (0..<width).map { "\($0)" }
    guard labels.count == width else {
      throw .malformed(
        array.path, "one-hot rows of \(width) classes, but the model has \(labels.count)")
    }
    let numbers = try array.floats()
    let indices = AlignedBuffer<Int32>(count: array.shape[0])
    for row in 0..<indices.count {
      guard let place = oneHotPlace(numbers, row * width..<(row + 1) * width) else {
        throw .malformed(
          path: array.path, place: "row \(row)",
          problem: "not one-hot (a single 1 among zeros): save one column of classes, or use "
            + "--loss mse for \(width) columns of numbers, or --loss binary-cross-entropy for "
            + "\(width) columns of 0 and 1")
      }
      indices[row] = Int32(place)
    }
    return .classes(indices, labels: labels)
  }

  /// The place of the 1 among zeros, or nil if there is none or anything else.
  private static func oneHotPlace(_ numbers: AlignedBuffer<Float>, _ cells: Range<Int>) -> Int? {
    var place: Int?
    for index in cells where numbers[index] != 0 {
      guard numbers[index] == 1, place == nil else { return nil }
      place = index - cells.lowerBound
    }
    return place
  }

  /// Labels in the spelling of the known ones, or in the shortest, if all are numbers: 1.0 is 1.
  private static func spelled(_ labels: [String], like known: [String]?) -> [String] {
    let distinct = Array(Set(labels))
    let numbers = distinct.compactMap(Double.init)
    let knownNumbers = (known ?? []).compactMap(Double.init)
    guard (numbers + knownNumbers).allSatisfy(\.isFinite), numbers.count == distinct.count,
      knownNumbers.count == known?.count ?? 0
    else { return labels }
    let names = Dictionary(zip(knownNumbers, known ?? [])) { first, _ in first }
    var spelling: [String: String] = [:]
    for (label, number) in zip(distinct, numbers)
    where Int(label).map({ "\($0)" }) != label
      || known != nil
    {
      spelling[label] =
        known?.contains(label) == true
        ? label : names[number] ?? Int(exactly: number).map { "\($0)" } ?? label
    }
    return spelling.isEmpty ? labels : labels.map { spelling[$0] ?? $0 }
  }
}

// MARK: - Arrays

/// An array in NumPy's file format, versions 1.0 to 3.0.
///
/// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
struct NPYArray {
  /// The file, and the member if it is an archive, for error messages.
  let path: String
  /// The extent of each dimension.
  let shape: [Int]
  /// The product of all extents.
  let count: Int
  private let type: ElementType
  private let isFortranOrder: Bool
  private let bytes: [UInt8]
  private let start: Int
  /// The number of the first row, for error messages.
  private var firstRow = 0

  /// Whether the elements are numbers or booleans, not text.
  var isNumeric: Bool { type.kind != .bytes && type.kind != .unicode }

  /// The first bytes of each such file.
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// An array in a file with this content.
  init(_ bytes: [UInt8], _ path: String) throws(DatasetError) {
    try self.init(header: bytes, path, fileSize: bytes.count)
  }

  /// Rows of the array in a file that begins with the header; they are in C order.
  fileprivate init(_ header: NPYArray, first: Int, rows: Int, _ bytes: [UInt8]) {
    path = header.path
    shape = [rows] + header.shape.dropFirst()
    count = rows * header.rowSize
    type = header.type
    isFortranOrder = false
    self.bytes = bytes
    start = 0
    firstRow = first
  }

  /// Parses a header, behind which the array's elements may be missing.
  ///
  /// - Parameter fileSize: the size of the file with all elements.
  fileprivate init(
    header bytes: [UInt8], _ path: String, fileSize: Int
  ) throws(DatasetError) {
    self.path = path
    self.bytes = bytes
    guard bytes.starts(with: Self.magic), bytes.count >= 12 else {
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
    if header.firstMatch(of: /'descr'\s*:\s*\[/) != nil {
      throw .malformed(
        path,
        "structured elements are not supported: save a plain matrix, as made by "
          + "numpy.lib.recfunctions.structured_to_unstructured")
    }
    guard let (name, isFortranOrder, shape) = Self.parse(header) else {
      throw .malformed(path, "the header of the NumPy file is damaged")
    }
    guard let type = ElementType(name) else {
      throw .malformed(path, "unsupported element type \(name)\(ElementType.advice(name))")
    }
    (self.type, self.isFortranOrder, self.shape) = (type, isFortranOrder, shape)
    count = try ByteFile.size(shape, path: path)
    let total = try ByteFile.size(shape, unit: type.size, path: path)
    guard fileSize - start == total else {
      throw .malformed(
        path, "the header says \(total) bytes of data, the file holds \(fileSize - start)")
    }
  }

  private static func parse(_ header: String) -> (String, Bool, [Int])? {
    // Python 2 wrote some extents as 600L.
    guard
      let type = header.firstMatch(of: /'descr'\s*:\s*'([^']{2,24})'/),
      let order = header.firstMatch(of: /'fortran_order'\s*:\s*(True|False)/),
      let extents = header.firstMatch(of: /'shape'\s*:\s*\(([0-9L, ]*)\)/)
    else { return nil }
    let shape = extents.1.split(whereSeparator: { $0 == "," || $0 == " " }).map {
      Int($0.hasSuffix("L") ? $0.dropLast() : $0)
    }
    guard shape.count <= 64, shape.allSatisfy({ $0 != nil }) else { return nil }
    return (String(type.1), order.1 == "True", shape.compactMap { $0 })
  }
}

/// Reads the rows of an array in a file, some at a time, in constant memory.
public final class NPYRows {
  /// The number of elements of a row; those of an image are in one row.
  public let columns: Int
  private let file: InputFile<DatasetError>
  private let header: NPYArray
  private var next = 0

  /// The longest header, and what precedes it.
  private static let longestHeader = (1 << 16) + 12

  /// Opens a file.
  ///
  /// - Returns: nil for an array whose rows are not together in the file (Fortran order).
  /// - Throws: ``DatasetError`` if it is malformed, or no matrix or images.
  public init?(_ path: String) throws(DatasetError) {
    file = try InputFile<DatasetError>(path: path)
    let start = try file.bytes(at: 0, count: min(file.size, Self.longestHeader))
    header = try NPYArray(header: start, path, fileSize: file.size)
    try NPYPair.requireMatrix(header)
    guard header.hasWholeRows else { return nil }
    columns = header.rowSize
  }

  /// Reads at most `count` rows into `features`; returns how many, 0 at the end.
  public func read(
    _ count: Int, into features: UnsafeMutablePointer<Float>
  ) throws(DatasetError) -> Int {
    let rows = min(count, header.shape[0] - next)
    guard rows > 0 else { return 0 }
    let bytes = try file.bytes(at: header.place(ofRow: next), count: rows * header.rowBytes)
    let block = try NPYArray(header, first: next, rows: rows, bytes).floats()
    features.update(from: block.base, count: rows * columns)
    withExtendedLifetime(block) {}
    next += rows
    return rows
  }
}

extension NPYArray {
  /// Whether the elements of a row are together.
  fileprivate var hasWholeRows: Bool { !isFortranOrder || shape.count < 2 }
  /// The size of a row.
  fileprivate var rowBytes: Int { rowSize * type.size }

  /// The place of a row in the file.
  fileprivate func place(ofRow row: Int) -> Int { start + row * rowBytes }
}

/// The type of an array's elements, such as `<f4`.
private struct ElementType {
  enum Kind: String {
    case bool = "b1"
    case int8 = "i1", int16 = "i2", int32 = "i4", int64 = "i8"
    case uint8 = "u1", uint16 = "u2", uint32 = "u4", uint64 = "u8"
    case float16 = "f2", float32 = "f4", float64 = "f8"
    case bytes = "S", unicode = "U"
  }

  let kind: Kind
  /// The size of an element in bytes.
  let size: Int
  let isBigEndian: Bool

  init?(_ name: String) {
    let order = name.first.flatMap { "<>=|".contains($0) ? $0 : nil }
    let code = order == nil ? name[...] : name.dropFirst()
    isBigEndian = order == ">"
    if let kind = Kind(rawValue: String(code)), let size = Int(code.dropFirst()) {
      (self.kind, self.size) = (kind, size)
      return
    }
    guard let kind = Kind(rawValue: String(code.prefix(1))), let width = Int(code.dropFirst()),
      (1...1 << 24).contains(width)
    else { return nil }
    (self.kind, size) = (kind, kind == .unicode ? 4 * width : width)
  }

  /// What to do about an unsupported type.
  static func advice(_ name: String) -> String {
    switch name.drop(while: { "<>=|".contains($0) }).first {
    case "O": " (Python objects): save x.astype('float32'), or y.astype(str) for text labels"
    case "c": " (complex numbers): save real numbers, such as x.real or abs(x)"
    case "M", "m": " (dates or times): save numbers, such as x.astype('int64')"
    case "V": " (raw or structured data): save a plain matrix of numbers"
    case "f": ": save x.astype('float32')"
    default: ": use float32, float64 or integers"
    }
  }
}

// MARK: - Numbers

extension NPYArray {
  /// The elements as rows of the first dimension, in C order, each rounded once.
  ///
  /// - Throws: ``DatasetError`` if one is not finite in Float32, or if they are text.
  func floats() throws(DatasetError) -> AlignedBuffer<Float> {
    try ByteFile.requireMemory(4, times: count, path)
    let result = AlignedBuffer<Float>(count: count)
    let areFinite =
      switch type.kind {
      case .bool: convert(Bool.self, to: result.base)
      case .int8: convert(Int8.self, to: result.base)
      case .int16: convert(Int16.self, to: result.base)
      case .int32: convert(Int32.self, to: result.base)
      case .int64: convert(Int64.self, to: result.base)
      case .uint8: convert(UInt8.self, to: result.base)
      case .uint16: convert(UInt16.self, to: result.base)
      case .uint32: convert(UInt32.self, to: result.base)
      case .uint64: convert(UInt64.self, to: result.base)
      case .float16: convert(Float16.self, to: result.base)
      case .float32: convert(Float.self, to: result.base)
      case .float64: convert(Double.self, to: result.base)
      case .bytes, .unicode:
        throw .malformed(path, "the features are text: encode them as numbers, such as float32")
      }
    if !areFinite, let place = result.elements.firstIndex(where: { !$0.isFinite }) {
      let (row, column) = (place / rowSize, place % rowSize)
      let number =
        type.kind == .float64 ? "\(element(row, column, Double.self))" : "\(result[place])"
      throw .malformed(
        path: path, place: "row \(firstRow + row), column \(column)",
        problem: "\(number) is not a finite number in Float32")
    }
    return result
  }

  /// The number of elements of a row; only if there are elements.
  fileprivate var rowSize: Int { count / (shape.first ?? 1) }

  /// The place of each column within row 0, and the distance of rows, counted in elements.
  private var strides: (columns: [Int], row: Int) {
    guard isFortranOrder, let rows = shape.first else { return (Array(0..<rowSize), rowSize) }
    var offsets = [0]
    var stride = rows
    for extent in shape.dropFirst() {
      offsets = offsets.flatMap { offset in (0..<extent).map { offset + $0 * stride } }
      stride *= extent
    }
    return (offsets, 1)
  }

  /// Converts all elements; returns whether all are finite.
  private func convert<T: StoredNumber>(_: T.Type, to result: UnsafeMutablePointer<Float>) -> Bool {
    guard count > 0 else { return true }
    let (isBigEndian, count) = (type.isBigEndian, count)
    return bytes.withUnsafeBytes { whole in
      let raw = UnsafeRawBufferPointer(rebasing: whole[start...])
      var areFinite = true
      guard isFortranOrder && shape.count > 1 else {
        for index in 0..<count {
          let value = T(raw, index, isBigEndian).float
          areFinite = areFinite && value.isFinite
          result[index] = value
        }
        return areFinite
      }
      let (offsets, _) = strides
      let (rows, columns) = (shape[0], offsets.count)
      // Blocks of rows: the destination stays in the cache while columns are read contiguously.
      for first in stride(from: 0, to: rows, by: 32) {
        for (column, offset) in offsets.enumerated() {
          for row in first..<min(first + 32, rows) {
            let value = T(raw, offset + row, isBigEndian).float
            areFinite = areFinite && value.isFinite
            result[row * columns + column] = value
          }
        }
      }
      return areFinite
    }
  }

  private func element<T: StoredNumber>(_ row: Int, _ column: Int, _: T.Type) -> T {
    let (columns, stride) = strides
    return bytes.withUnsafeBytes { whole in
      T(
        UnsafeRawBufferPointer(rebasing: whole[start...]), row * stride + columns[column],
        type.isBigEndian)
    }
  }
}

/// A number or boolean as NumPy stores it.
private protocol StoredNumber {
  associatedtype Bits: FixedWidthInteger & BitwiseCopyable
  init(bits: Bits)
  /// The value, rounded once.
  var float: Float { get }
  /// The value as the name of a class; nil if it is not an integer.
  var label: String? { get }
}

extension StoredNumber {
  /// Reads element `index`.
  @inline(__always)
  fileprivate init(_ raw: UnsafeRawBufferPointer, _ index: Int, _ isBigEndian: Bool) {
    let bits = raw.loadUnaligned(
      fromByteOffset: index * MemoryLayout<Bits>.size, as: Bits.self)
    self.init(bits: isBigEndian ? Bits(bigEndian: bits) : Bits(littleEndian: bits))
  }
}

extension StoredNumber where Self: FixedWidthInteger {
  fileprivate init(bits: Self) { self = bits }
  fileprivate var float: Float { Float(self) }
  fileprivate var label: String? { "\(self)" }
}

extension Int8: StoredNumber {}
extension Int16: StoredNumber {}
extension Int32: StoredNumber {}
extension Int64: StoredNumber {}
extension UInt8: StoredNumber {}
extension UInt16: StoredNumber {}
extension UInt32: StoredNumber {}
extension UInt64: StoredNumber {}

extension Bool: StoredNumber {
  fileprivate init(bits: UInt8) { self = bits != 0 }
  fileprivate var float: Float { self ? 1 : 0 }
  fileprivate var label: String? { self ? "1" : "0" }
}

extension StoredNumber where Self: BinaryFloatingPoint {
  fileprivate var float: Float { Float(self) }
  fileprivate var label: String? { Int(exactly: self).map { "\($0)" } }
}

extension Float16: StoredNumber {
  fileprivate init(bits: UInt16) { self.init(bitPattern: bits) }
}

extension Float: StoredNumber {
  fileprivate init(bits: UInt32) { self.init(bitPattern: bits) }
}

extension Double: StoredNumber {
  fileprivate init(bits: UInt64) { self.init(bitPattern: bits) }
}

// MARK: - Labels

extension NPYArray {
  /// The elements of a single column as names of classes.
  ///
  /// - Throws: ``DatasetError`` if a number is not an integer, or a text is empty or malformed.
  func labels() throws(DatasetError) -> [String] {
    switch type.kind {
    case .bool: try labels(Bool.self)
    case .int8: try labels(Int8.self)
    case .int16: try labels(Int16.self)
    case .int32: try labels(Int32.self)
    case .int64: try labels(Int64.self)
    case .uint8: try labels(UInt8.self)
    case .uint16: try labels(UInt16.self)
    case .uint32: try labels(UInt32.self)
    case .uint64: try labels(UInt64.self)
    case .float16: try labels(Float16.self)
    case .float32: try labels(Float.self)
    case .float64: try labels(Double.self)
    case .bytes, .unicode: try texts()
    }
  }

  private func labels<T: StoredNumber>(_: T.Type) throws(DatasetError) -> [String] {
    var labels: [String] = []
    labels.reserveCapacity(count)
    let isBigEndian = type.isBigEndian
    for row in 0..<count {
      let value = bytes.withUnsafeBytes {
        T(UnsafeRawBufferPointer(rebasing: $0[start...]), row, isBigEndian)
      }
      guard let label = value.label else {
        throw .malformed(
          path: path, place: "row \(row)",
          problem: "\(value) is not a class: use integers, or --loss mse")
      }
      labels.append(label)
    }
    return labels
  }

  private func texts() throws(DatasetError) -> [String] {
    var labels: [String] = []
    labels.reserveCapacity(count)
    for row in 0..<count {
      let cell = bytes[start + row * type.size..<start + (row + 1) * type.size]
      let label = type.kind == .unicode ? unicode(cell) : utf8(cell)
      guard let label, !label.isEmpty else {
        throw .malformed(
          path: path, place: "row \(row)",
          problem: label != nil
            ? "empty label"
            : "damaged text: it is not valid \(type.kind == .unicode ? "UTF-32" : "UTF-8")")
      }
      labels.append(label)
    }
    return labels
  }

  private func utf8(_ cell: ArraySlice<UInt8>) -> String? {
    let end = cell.lastIndex { $0 != 0 }.map { $0 + 1 } ?? cell.startIndex
    return String(validating: cell[..<end], as: UTF8.self)
  }

  private func unicode(_ cell: ArraySlice<UInt8>) -> String? {
    var scalars = String.UnicodeScalarView()
    // NULs are dropped at the end only.
    var nulls = 0
    for place in stride(from: cell.startIndex, to: cell.endIndex, by: 4) {
      let bytes = cell[place..<place + 4]
      let code =
        type.isBigEndian
        ? bytes.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        : bytes.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      guard let scalar = Unicode.Scalar(code) else { return nil }
      guard code != 0 else {
        nulls += 1
        continue
      }
      scalars.append(contentsOf: repeatElement("\0", count: nulls))
      nulls = 0
      scalars.append(scalar)
    }
    return String(scalars)
  }
}
