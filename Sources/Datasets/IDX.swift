// SPDX-License-Identifier: Apache-2.0
internal import Failures
internal import Files
internal import NeuralCore

/// A folder of IDX files, images and labels, as MNIST and the data sets made after it publish them.
enum IDXFolder {
  /// Loads the training set and the test set, or without targets the images to predict alone: the
  /// test images if there are any.
  static func load(_ folder: String, _ options: LoadOptions) throws(DatasetError) -> LoadedData {
    let files = try IDXFolderFiles(folder)
    guard options.readsTargets else {
      return LoadedData(training: try imagesToPredict(files), heldOut: nil)
    }
    let training = try files.pair(.training)
    let testing = try files.pair(.test)
    guard let first = training ?? testing else { throw files.nothingFound }
    let data = try load(first.images, first.labels, known: options.knownLabels)
    guard training != nil, let testing else { return LoadedData(training: data, heldOut: nil) }
    let heldOut = try load(testing.images, testing.labels, known: data.labels)
    guard heldOut.columns == data.columns else {
      throw .malformed(
        testing.images, "\(heldOut.columns) pixels per image, but \(data.columns) in training")
    }
    return LoadedData(training: data, heldOut: heldOut)
  }

  private static func imagesToPredict(_ files: IDXFolderFiles) throws(DatasetError) -> Dataset {
    let training = try files.path(.training, .images)
    guard let path = try files.path(.test, .images) ?? training else {
      throw files.nothingFound
    }
    let images = try IDXImages(path, labels: nil)
    return Dataset(
      rows: images.rows, columns: images.columns, features: images.features, targets: .absent)
  }

  private static func load(
    _ imagesPath: String, _ labelsPath: String, known: [String]?
  ) throws(DatasetError) -> Dataset {
    let labels = try IDXFile(labelsPath)
    let images = try IDXImages(imagesPath, labels: labels)
    let targets = try Dataset.Targets.classes(
      of: try classNames(labels), known: known, path: labelsPath
    ) { "label \($0 + 1)" }
    return Dataset(
      rows: images.rows, columns: images.columns, features: images.features, targets: targets)
  }

  /// The number of columns of QMNIST's labels, of which the first is the class
  /// (https://github.com/facebookresearch/qmnist).
  private static let qmnistColumns = 8

  private static func classNames(_ labels: IDXFile) throws(DatasetError) -> [String] {
    let columns = labels.shape.count == 1 ? 1 : labels.itemSize
    guard labels.shape.count <= 2, columns == 1 || columns == qmnistColumns else {
      throw .malformed(
        labels.path,
        "labels must be one class per image, or QMNIST's 8 columns, not of shape "
          + labels.shapeText)
    }
    var names: [String] = []
    names.reserveCapacity(labels.shape[0])
    for row in 0..<labels.shape[0] {
      let value = labels.element(row * columns)
      guard let label = Int(exactly: value) else {
        throw .malformed(
          path: labels.path, place: "label \(row + 1)",
          problem: "\(value) is not a class: labels must be integers")
      }
      names.append(String(label))
    }
    return names
  }
}

/// Images as rows of features.
private struct IDXImages {
  let rows: Int
  let columns: Int
  let features: AlignedBuffer<Float>

  /// Reads a file of images, which must be as many as the labels, if there are any.
  init(_ path: String, labels: IDXFile?) throws(DatasetError) {
    let file = try IDXFile(path)
    rows = file.shape[0]
    if let labels, labels.shape[0] != rows {
      throw .malformed(path, "\(rows) images, but \(labels.shape[0]) labels in \(labels.path)")
    }
    guard (2...4).contains(file.shape.count) else {
      throw .malformed(
        path, "images must have 2 to 4 dimensions, the images first, not \(file.shape.count)")
    }
    guard rows > 0, file.itemSize > 0 else { throw .malformed(path, "no images") }
    columns = file.itemSize
    try ByteFile.requireMemory(4, times: rows * columns, path)
    features = AlignedBuffer<Float>(count: rows * columns)
    if file.type == .unsignedByte {
      // Each byte's quotient is rounded once, so a table gives the same bits as dividing.
      let table = (0...255).map { Float($0) / 255 }
      for (index, byte) in file.content.enumerated() { features.base[index] = table[Int(byte)] }
    } else if let index = file.convert(to: features.base) {
      throw .malformed(
        path: path, place: "image \(index / columns + 1)",
        problem: "\(file.element(index)) is not a finite number in Float32")
    }
  }
}

// MARK: - File names

/// The IDX files of a folder, or of the one folder below it that has any.
private struct IDXFolderFiles {
  private let folder: String
  private let files: [IDXFileName]

  /// The error for a folder without files that can be used.
  var nothingFound: DatasetError {
    .unreadable(
      path: folder,
      reason: "no IDX files in it or one folder below: expected train-images-idx3-ubyte and "
        + "train-labels-idx1-ubyte, .gz or not")
  }

  init(_ folder: String) throws(DatasetError) {
    guard FileSystem.exists(folder) else {
      throw .unreadable(path: folder, reason: "no such file or folder")
    }
    let names: [String]
    do {
      names = try FileSystem.names(in: folder)
    } catch {
      throw .unreadable(
        path: folder, reason: "can't be read as a folder of IDX files: \(error.text)")
    }
    self.folder = folder
    let files = IDXFileName.all(in: folder, names)
    self.files = try files.isEmpty ? Self.below(folder, names) : files
    try requireOneDataSet()
  }

  /// The files one folder below, or in its folder `raw`, as torchvision stores them.
  private static func below(
    _ folder: String, _ names: [String]
  ) throws(DatasetError) -> [IDXFileName] {
    var found: [[IDXFileName]] = []
    for name in names.sorted() {
      for path in ["\(folder)/\(name)", "\(folder)/\(name)/raw"] {
        let files = IDXFileName.all(in: path, (try? FileSystem.names(in: path)) ?? [])
        if !files.isEmpty { found.append(files) }
      }
    }
    guard found.count <= 1 else {
      throw .malformed(
        folder,
        "several folders have IDX files: name one of "
          + found.compactMap(\.first?.folder).joined(separator: ", "))
    }
    return found.first ?? []
  }

  /// Refuses files with several prefixes, such as all data sets of EMNIST in one folder.
  private func requireOneDataSet() throws(DatasetError) {
    var prefixes: [String] = []
    var examples: [String] = []
    for file in files where !prefixes.contains(file.prefix) {
      prefixes.append(file.prefix)
      examples.append(file.name)
    }
    guard prefixes.count <= 1 else {
      throw .malformed(
        folder,
        "files of several data sets, such as \(examples.joined(separator: ", ")): put the files of "
          + "one into a folder of its own")
    }
  }

  /// The paths of the images and labels of a part, or nil if the folder has neither.
  func pair(
    _ part: IDXFileName.Part
  ) throws(DatasetError) -> (images: String, labels: String)? {
    let images = try file(part, .images)
    let labels = try file(part, .labels)
    switch (images, labels) {
    case (nil, nil): return nil
    case (let images?, let labels?): return (images.path, labels.path)
    case (let images?, nil):
      throw missing("images but no labels", images.counterpart(.labels))
    case (nil, let labels?):
      throw missing("labels but no images", labels.counterpart(.images))
    }
  }

  private func missing(_ problem: String, _ name: String) -> DatasetError {
    .unreadable(
      path: files.first?.folder ?? folder, reason: "\(problem): \(name) is missing, .gz or not")
  }

  /// The path of a file, or nil if the folder has no such file.
  func path(_ part: IDXFileName.Part, _ kind: IDXFileName.Kind) throws(DatasetError) -> String? {
    try file(part, kind)?.path
  }

  private func file(
    _ part: IDXFileName.Part, _ kind: IDXFileName.Kind
  ) throws(DatasetError) -> IDXFileName? {
    let candidates = files.filter { $0.part == part && $0.kind == kind }
    let chosen = candidates.min { $0.preference < $1.preference }
    if let chosen, let other = candidates.first(where: { $0.words != chosen.words }) {
      throw .malformed(
        chosen.folder,
        "both \(chosen.name) and \(other.name) hold \(kind.rawValue) of the "
          + "\(part.rawValue) set: remove one of them")
    }
    return chosen
  }
}

/// The name of an IDX file, such as `emnist-letters-train-images-idx3-ubyte.gz`, by its words.
private struct IDXFileName {
  enum Part: String {
    case training, test
  }

  enum Kind: String {
    case images, labels
  }

  let folder: String
  let name: String
  let part: Part
  let kind: Kind
  /// What precedes the part, such as `emnist-letters`; often empty.
  let prefix: String
  /// All words but `gz`: the names of copies of a file have the same words.
  let words: [String]

  var path: String { "\(folder)/\(name)" }

  /// Orders copies of a file: `-idx` before `.idx`, then uncompressed before compressed.
  var preference: (Int, Int, String) {
    (name.contains(".idx") ? 1 : 0, name.hasSuffix(".gz") ? 1 : 0, name)
  }

  /// The IDX files among the entries of a folder, sorted by name.
  static func all(in folder: String, _ names: [String]) -> [IDXFileName] {
    names.sorted().compactMap { IDXFileName($0, in: folder) }.filter { !$0.isFolder }
  }

  /// Archives are often unpacked into folders that have the names of the files in them.
  private var isFolder: Bool { (try? FileSystem.names(in: path)) != nil }

  private static let parts: [Substring: Part] = [
    "train": .training, "t10k": .test, "test": .test,
  ]
  private static let elementTypes: Set<Substring> = [
    "ubyte", "byte", "short", "int", "float", "double",
  ]

  init?(_ name: String, in folder: String) {
    guard !name.hasPrefix(".") else { return nil }
    var words = name.lowercased().split { "-_. ".contains($0) }
    if words.last == "gz" { words.removeLast() }
    self.words = words.map(String.init)
    if let last = words.last, Self.elementTypes.contains(last) { words.removeLast() }
    guard let format = words.popLast(), format.hasPrefix("idx"),
      format.dropFirst(3).allSatisfy(\.isNumber),
      let kind = words.popLast().flatMap({ Kind(rawValue: String($0)) }),
      let part = words.popLast().flatMap({ Self.parts[$0] })
    else { return nil }
    self.folder = folder
    self.name = name
    self.part = part
    self.kind = kind
    prefix = words.joined(separator: "-")
  }

  /// The name of the file that belongs to this one.
  func counterpart(_ kind: Kind) -> String {
    let word = words.lastIndex { $0 == self.kind.rawValue } ?? 0
    return (words[..<word] + [kind.rawValue, kind == .images ? "idx3" : "idx1", "ubyte"])
      .joined(separator: "-")
  }
}

// MARK: - Content

/// A file in the IDX format of the MNIST database.
///
/// Two zero bytes, the element type, the number of dimensions, each dimension as a big-endian 32-bit
/// integer, then the elements, big-endian (Y. LeCun, C. Cortes, C. Burges, "The MNIST Database").
private struct IDXFile {
  enum ElementType: UInt8 {
    case unsignedByte = 0x08
    case signedByte = 0x09
    case int16 = 0x0B
    case int32 = 0x0C
    case float32 = 0x0D
    case float64 = 0x0E

    /// The size of an element in bytes.
    var size: Int {
      switch self {
      case .unsignedByte, .signedByte: 1
      case .int16: 2
      case .int32, .float32: 4
      case .float64: 8
      }
    }
  }

  let path: String
  let type: ElementType
  /// The extent of each dimension.
  let shape: [Int]
  private let bytes: [UInt8]
  private let start: Int

  /// The number of elements of each item along the first dimension.
  var itemSize: Int { shape.dropFirst().reduce(1, *) }

  var shapeText: String { shape.map(String.init).joined(separator: " x ") }

  /// The bytes of the elements, item by item.
  var content: ArraySlice<UInt8> { bytes[start...] }

  init(_ path: String) throws(DatasetError) {
    let bytes = try ByteFile.read(path)
    guard bytes.count >= 4, bytes[0] == 0, bytes[1] == 0 else {
      throw .malformed(path, "not an IDX file: it does not begin with two zero bytes")
    }
    guard let type = ElementType(rawValue: bytes[2]) else {
      throw .malformed(
        path,
        "unsupported IDX element type 0x\(String(bytes[2], radix: 16)): must be 0x8 or 0x9 (bytes), "
          + "0xb or 0xc (integers), 0xd or 0xe (floating point)")
    }
    let dimensions = Int(bytes[3])
    guard dimensions >= 1, bytes.count >= 4 + 4 * dimensions else {
      throw .malformed(path, "truncated IDX header")
    }
    shape = (0..<dimensions).map { d in
      bytes[4 + 4 * d..<8 + 4 * d].reduce(0) { $0 << 8 | Int($1) }
    }
    start = 4 + 4 * dimensions
    self.path = path
    self.type = type
    self.bytes = bytes
    let expected = try ByteFile.size(shape, unit: type.size, path: path)
    guard bytes.count - start == expected else {
      let unit = type.size == 1 ? "" : " elements of \(type.size) bytes"
      throw .malformed(
        path,
        "the IDX header says \(shapeText)\(unit) = \(expected) bytes, the file holds "
          + "\(bytes.count - start): copy it again")
    }
  }

  /// The value of an element, which a `Double` represents exactly.
  func element(_ index: Int) -> Double {
    bytes.withUnsafeBytes { value(UnsafeRawBufferPointer(rebasing: $0[start...]), index) }
  }

  /// Rounds all elements once to `Float`, up to the first that is not finite, and returns its index.
  func convert(to destination: UnsafeMutablePointer<Float>) -> Int? {
    bytes.withUnsafeBytes { raw in
      let content = UnsafeRawBufferPointer(rebasing: raw[start...])
      for index in 0..<content.count / type.size {
        let rounded = Float(value(content, index))
        guard rounded.isFinite else { return index }
        destination[index] = rounded
      }
      return nil
    }
  }

  private func value(_ content: UnsafeRawBufferPointer, _ index: Int) -> Double {
    func bits<Bits: FixedWidthInteger>(_: Bits.Type) -> Bits {
      Bits(
        bigEndian: content.loadUnaligned(
          fromByteOffset: index * MemoryLayout<Bits>.size, as: Bits.self))
    }
    return switch type {
    case .unsignedByte: Double(content[index])
    case .signedByte: Double(Int8(bitPattern: content[index]))
    case .int16: Double(bits(Int16.self))
    case .int32: Double(bits(Int32.self))
    case .float32: Double(Float(bitPattern: bits(UInt32.self)))
    case .float64: Double(bitPattern: bits(UInt64.self))
    }
  }
}
