// SPDX-License-Identifier: Apache-2.0
internal import Files
internal import NeuralCore

/// A folder of MNIST-style IDX files: images and labels, for training and for testing.
enum IDXFolder {
  static func load(_ folder: String, _ options: LoadOptions) throws(DatasetError) -> LoadedData {
    guard FileSystem.exists(folder) else {
      throw .unreadable(path: folder, reason: "no such file or folder")
    }
    let training = try pair(folder, "train")
    let testing = try pair(folder, "t10k")
    guard let first = training ?? testing else {
      throw .unreadable(
        path: folder,
        reason:
          "no IDX files: expected train-images-idx3-ubyte and train-labels-idx1-ubyte, .gz or not")
    }
    let data = try load(first.images, first.labels, known: options.knownLabels, options)
    guard training != nil, let testing else { return LoadedData(training: data, heldOut: nil) }
    let known = data.labels.isEmpty ? nil : data.labels
    let heldOut = try load(testing.images, testing.labels, known: known, options)
    guard heldOut.columns == data.columns else {
      throw .malformed(
        testing.images, "\(heldOut.columns) pixels per image, but \(data.columns) in training")
    }
    return LoadedData(training: data, heldOut: heldOut)
  }

  /// The paths of the images and labels with a prefix, or nil if the folder has neither.
  private static func pair(
    _ folder: String, _ prefix: String
  ) throws(DatasetError) -> (images: String, labels: String)? {
    let images = find(folder, prefix, "images", dimensions: 3)
    let labels = find(folder, prefix, "labels", dimensions: 1)
    guard let images, let labels else {
      guard images == nil && labels == nil else {
        throw .unreadable(
          path: folder,
          reason: "\(prefix) has \(images == nil ? "labels but no images" : "images but no labels")"
        )
      }
      return nil
    }
    return (images, labels)
  }

  private static func find(
    _ folder: String, _ prefix: String, _ kind: String, dimensions: Int
  ) -> String? {
    for separator in ["-", "."] {
      for suffix in ["", ".gz"] {
        let path = "\(folder)/\(prefix)-\(kind)\(separator)idx\(dimensions)-ubyte\(suffix)"
        if FileSystem.exists(path) { return path }
      }
    }
    return nil
  }

  private static func load(
    _ imagesPath: String, _ labelsPath: String, known: [String]?, _ options: LoadOptions
  ) throws(DatasetError) -> Dataset {
    let images = try IDXFile(imagesPath)
    let labels = try IDXFile(labelsPath)
    guard labels.shape.count == 1 else {
      throw .malformed(labelsPath, "labels must have 1 dimension, not \(labels.shape.count)")
    }
    guard images.shape[0] == labels.shape[0] else {
      throw .malformed(
        imagesPath, "\(images.shape[0]) images, but \(labels.shape[0]) labels in \(labelsPath)")
    }
    guard images.shape[0] > 0, images.itemSize > 0 else {
      throw .malformed(imagesPath, "no images")
    }
    try ByteFile.requireMemory(4, times: images.shape[0] * images.itemSize, imagesPath)
    // Each byte's quotient is rounded once, so a table gives the same bits as dividing.
    let table = (0...255).map { Float($0) / 255 }
    let features = AlignedBuffer<Float>(count: images.shape[0] * images.itemSize)
    for (index, byte) in images.elements.enumerated() {
      features.base[index] = table[Int(byte)]
    }
    let names = labels.elements.map { String($0) }
    let targets: Dataset.Targets =
      !options.readsTargets
      ? .absent
      : try .classes(of: names, known: known, path: labelsPath) { "label \($0 + 1)" }
    return Dataset(
      rows: images.shape[0], columns: images.itemSize, features: features, targets: targets)
  }
}

/// A file of bytes in the IDX format of the MNIST database.
///
/// Two zero bytes, the element type, the number of dimensions, each dimension as a big-endian 32-bit
/// integer, then the elements (Y. LeCun, C. Cortes, C. Burges, "The MNIST Database").
private struct IDXFile {
  /// The extent of each dimension.
  let shape: [Int]
  private let bytes: [UInt8]
  private let start: Int

  /// The number of elements of each item along the first dimension.
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
        "unsupported IDX element type 0x\(String(bytes[2], radix: 16)): must be 0x8, unsigned bytes"
      )
    }
    let dimensions = Int(bytes[3])
    guard dimensions >= 1, bytes.count >= 4 + 4 * dimensions else {
      throw .malformed(path, "truncated IDX header")
    }
    shape = (0..<dimensions).map { d in
      bytes[4 + 4 * d..<8 + 4 * d].reduce(0) { $0 << 8 | Int($1) }
    }
    start = 4 + 4 * dimensions
    let expected = try ByteFile.size(shape, path: path)
    guard bytes.count - start == expected else {
      let product = shape.map(String.init).joined(separator: " x ")
      throw .malformed(
        path,
        "the IDX header says \(product) = \(expected) elements, the file holds "
          + "\(bytes.count - start)")
    }
    self.bytes = bytes
  }
}
