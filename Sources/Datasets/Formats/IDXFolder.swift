// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// A folder of MNIST-style IDX files: images and labels, for training and for testing.
enum IDXFolder {
  static func load(_ folder: String, _ options: LoadOptions) throws(DatasetError) -> LoadedData {
    guard ByteFile.isThere(folder) else {
      throw .unreadable(path: folder, reason: "no such file or folder")
    }
    let pairs = ["train", "t10k"].map {
      (find(folder, $0, "images", 3), find(folder, $0, "labels", 1))
    }
    var found: [(images: String, labels: String)] = []
    for (name, pair) in zip(["train", "t10k"], pairs) {
      switch pair {
      case (let images?, let labels?): found.append((images, labels))
      case (nil, nil): break
      default:
        throw .unreadable(
          path: folder,
          reason: "\(name) has \(pair.0 == nil ? "labels but no images" : "images but no labels")")
      }
    }
    guard let first = found.first else {
      throw .unreadable(
        path: folder,
        reason:
          "no IDX files: expected train-images-idx3-ubyte and train-labels-idx1-ubyte, .gz or not")
    }
    let training = try load(first.images, first.labels, known: options.knownLabels, options)
    guard found.count == 2 else { return LoadedData(training: training, heldOut: nil) }
    let known = training.labels.isEmpty ? nil : training.labels
    let heldOut = try load(found[1].images, found[1].labels, known: known, options)
    guard heldOut.columns == training.columns else {
      throw .malformed(
        found[1].images, "\(heldOut.columns) pixels an image, but \(training.columns) in training")
    }
    return LoadedData(training: training, heldOut: heldOut)
  }

  private static func find(
    _ folder: String, _ part: String, _ kind: String, _ dimensions: Int
  ) -> String? {
    for separator in ["-", "."] {
      for ending in ["", ".gz"] {
        let path = "\(folder)/\(part)-\(kind)\(separator)idx\(dimensions)-ubyte\(ending)"
        if ByteFile.isThere(path) { return path }
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
      : try ClassLabels.targets(names, known: known, path: labelsPath) { "label \($0 + 1)" }
    return Dataset(
      rows: images.shape[0], columns: images.itemSize, features: features, targets: targets)
  }
}
