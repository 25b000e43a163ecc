// SPDX-License-Identifier: Apache-2.0
import Datasets
import Failures
import NeuralCore
import TestSupport
import Testing

@Suite("Folders of IDX files")
struct IDXTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private static let predicting = LoadOptions(targets: .absent)
  private static let images = idx([3, 1, 2], [0, 255, 51, 102, 204, 255])
  private static let pixels: [Float] = [0, 1, 0.2, 0.4, 0.8, 1]
  private static let labels = idx([3], [7, 2, 7])

  private func write(_ names: String...) throws {
    for name in names {
      try folder.write(name, name.contains("images") ? Self.images : Self.labels)
    }
  }

  private func load(
    _ path: String = "", _ options: LoadOptions = LoadOptions()
  ) throws -> LoadedData {
    try Dataset.load(.idx(folder: folder.path + path), options)
  }

  private func problem(_ options: LoadOptions = LoadOptions()) -> String {
    refusal(.idx(folder: folder.path), options)?.description ?? ""
  }

  private static func bigEndian<T: FixedWidthInteger & BitwiseCopyable>(_ values: [T]) -> [UInt8] {
    bytes(values.map(\.bigEndian))
  }

  private static func classes(_ data: Dataset) -> [Int32] {
    guard case .classes(let indices, _) = data.targets else { return [] }
    return Array(indices.elements)
  }

  private static func features(_ data: Dataset) -> [Float] {
    withExtendedLifetime(data) { Array(data.features.elements) }
  }

  // MARK: Types

  @Test(
    "elements of every type but unsigned bytes are taken as they are",
    arguments: [
      (0x09, [0xFF, 5, 0x80, 0, 1, 2], [-1, 5, -128, 0, 1, 2]),
      (0x0B, bigEndian([-2, 300, .min, 0, 1, .max] as [Int16]), [-2, 300, -32768, 0, 1, 32767]),
      // 2^24 + 1 and 2^24 + 3 lie between two floats: ties are rounded to even.
      (
        0x0C, bigEndian([-2, 70000, 16_777_217, 16_777_219, 1, 0] as [Int32]),
        [-2, 70000, 16_777_216, 16_777_220, 1, 0]
      ),
      (
        0x0D, bigEndian(([0.1, -1.5, 0, 3e38, 1, 2] as [Float]).map(\.bitPattern)),
        [0.1, -1.5, 0, 3e38, 1, 2]
      ),
      (
        0x0E, bigEndian(([0.1, -1.5, 0, 3e38, 1, 2] as [Double]).map(\.bitPattern)),
        [0.1, -1.5, 0, 3e38, 1, 2]
      ),
    ] as [(UInt8, [UInt8], [Float])])
  func types(type: UInt8, elements: [UInt8], features: [Float]) throws {
    try folder.write("train-labels-idx1-ubyte", Self.labels)
    for shape in [[3, 2], [3, 1, 2], [3, 1, 2, 1]] {
      try folder.write("train-images-idx3-ubyte", idx(shape, elements, type: type))
      let data = try load().training
      #expect(data.rows == 3 && data.columns == 2)
      #expect(Self.features(data) == features)
    }
  }

  @Test(
    "labels may have any type, and the first column of QMNIST's labels is the class",
    arguments: [
      (idx([3], [7, 0xFF, 7], type: 0x09), ["-1", "7"]),
      (idx([3], bigEndian([700, -1, 700] as [Int16]), type: 0x0B), ["-1", "700"]),
      (idx([3, 1], bigEndian([70000, 2, 70000] as [Int32]), type: 0x0C), ["2", "70000"]),
      (
        idx([3], bigEndian(([7, 2, 7] as [Float]).map(\.bitPattern)), type: 0x0D), ["2", "7"]
      ),
      (
        idx([3], bigEndian(([7, 2, 7] as [Double]).map(\.bitPattern)), type: 0x0E), ["2", "7"]
      ),
      (
        idx(
          [3, 8],
          bigEndian([7, 0, 1, 2, 3, 4, 5, 6, 2, 9, 9, 9, 9, 9, 9, 9, 7] + Array(1...7) as [Int32]),
          type: 0x0C), ["2", "7"]
      ),
    ] as [([UInt8], [String])])
  func labelTypes(labels: [UInt8], names: [String]) throws {
    try write("train-images-idx3-ubyte")
    try folder.write("train-labels-idx1-ubyte", labels)
    let data = try load().training
    #expect(data.labels == names)
    #expect(Self.classes(data) == [1, 0, 1])
  }

  @Test(
    "images and labels that can't be used are refused with the image or label and the reason",
    arguments: [
      (
        idx([3, 2], bigEndian(([1, 2, 3, .nan, 5, 6] as [Float]).map(\.bitPattern)), type: 0x0D),
        labels, "image 2: nan is not a finite number in Float32"
      ),
      (
        idx([3, 1], bigEndian(([1, 2, 1e300] as [Double]).map(\.bitPattern)), type: 0x0E),
        labels, "image 3: 1e+300 is not a finite number in Float32"
      ),
      (
        images, idx([3], bigEndian(([7, 2.5, 7] as [Float]).map(\.bitPattern)), type: 0x0D),
        "label 2: 2.5 is not a class: labels must be integers"
      ),
      (images, idx([3, 2], [7, 2, 7, 2, 7, 2]), "QMNIST's 8 columns, not of shape 3 x 2"),
      (images, idx([3, 1, 1], [7, 2, 7]), "QMNIST's 8 columns, not of shape 3 x 1 x 1"),
      (idx([3], [1, 2, 3]), labels, "images must have 2 to 4 dimensions, the images first, not 1"),
      (
        idx([3, 1], [0, 1, 2, 3, 4], type: 0x0B), labels,
        "the IDX header says 3 x 1 elements of 2 bytes = 6 bytes, the file holds 5: copy it again"
      ),
      (
        idx([0x7FFF_FFFF, 0x7FFF_FFFF, 2], [], type: 0x0E), labels, "is out of range"
      ),
      (
        idx([0xFFFF_FFFF, 0xFFFF], [1, 2, 3], type: 0x0C), labels, "the file holds 3: copy it again"
      ),
    ] as [([UInt8], [UInt8], String)])
  func unusable(images: [UInt8], labels: [UInt8], problem: String) throws {
    try folder.write("train-images-idx3-ubyte", images)
    try folder.write("train-labels-idx1-ubyte", labels)
    let error = refusal(.idx(folder: folder.path))
    #expect(error?.exitStatus == .badData)
    #expect(error?.description.hasSuffix(problem) == true, "\(error?.description ?? "")")
    #expect(error?.description.contains("-idx") == true)
  }

  // MARK: Names

  @Test(
    "the files of the MNIST family are found under the names that they are published under",
    arguments: [
      ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"],
      ["train-images.idx3-ubyte", "train-labels.idx1-ubyte", "t10k-images.idx3-ubyte"],
      ["train-images-idx3-ubyte", "train-labels-idx2-int", "t10k-images-idx3-ubyte"],
      [
        "emnist-letters-train-images-idx3-ubyte", "emnist-letters-train-labels-idx1-ubyte",
        "emnist-letters-test-images-idx3-ubyte",
      ],
      [
        "qmnist-train-images-idx3-ubyte", "qmnist-train-labels-idx2-int",
        "qmnist-test-images-idx3-ubyte",
      ],
      [
        "kmnist-train-images-idx3-ubyte", "kmnist-train-labels-idx1-ubyte",
        "kmnist-t10k-images-idx3-ubyte",
      ],
    ])
  func names(names: [String]) throws {
    let testLabels = names[1].replacing("train", with: names[2].contains("t10k") ? "t10k" : "test")
    for name in names + [testLabels] {
      try write(name)
      _ = try compress(folder.file(name))
      try folder.remove(name)
    }
    // Neither other files nor folders with the names of files are in the way.
    try folder.makeFolder(names[0])
    try write("._" + names[2], names[0] + ".md5", "train-images.png", "readme-images")
    let data = try load()
    #expect(Self.features(data.training) == Self.pixels)
    #expect(data.training.labels == ["2", "7"])
    #expect(try #require(data.heldOut).contentHash == data.training.contentHash)
  }

  @Test("the uncompressed file is read if the compressed one is there, too")
  func copies() throws {
    try write("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    try folder.write("train-images-idx3-ubyte.gz", "no gzip file")
    try folder.write("train-images.idx3-ubyte", "no IDX file")
    #expect(try Self.features(load().training) == Self.pixels)
  }

  @Test(
    "the files are found one folder below, and in torchvision's layout",
    arguments: ["raw", "MNIST/raw", "FashionMNIST/raw", "emnist"])
  func below(place: String) throws {
    try folder.makeFolder(place)
    try write("\(place)/train-images-idx3-ubyte", "\(place)/train-labels-idx1-ubyte")
    #expect(try load().training.rows == 3)
    #expect(try load("/" + place).training.rows == 3)
    try folder.write("\(place)/train-images-idx3-ubyte", [9])
    #expect(problem().hasPrefix("\(folder.path)/\(place)/train-images-idx3-ubyte: "))
    // The folder itself comes first.
    try write("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    #expect(try load().training.rows == 3)
  }

  @Test("a folder with files of several data sets is refused with their names")
  func ambiguous() throws {
    for name in ["balanced", "letters"] {
      try write(
        "emnist-\(name)-train-images-idx3-ubyte", "emnist-\(name)-train-labels-idx1-ubyte")
    }
    #expect(
      problem().hasSuffix(
        "files of several data sets, such as emnist-balanced-train-images-idx3-ubyte, "
          + "emnist-letters-train-images-idx3-ubyte: put the files of one into a folder of its own")
    )
    let two = try TemporaryFolder()
    for place in ["KMNIST/raw", "MNIST/raw"] {
      try two.makeFolder(place)
      try two.write("\(place)/train-images-idx3-ubyte", Self.images)
    }
    let error = refusal(.idx(folder: two.path))?.description ?? ""
    #expect(
      error.hasSuffix(
        "several folders have IDX files: name one of \(two.path)/KMNIST/raw, \(two.path)/MNIST/raw")
    )
  }

  @Test("two different files for one purpose are refused with their names")
  func twoTestSets() throws {
    try write(
      "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
      "test-images-idx3-ubyte", "test-labels-idx1-ubyte")
    #expect(
      problem().hasSuffix(
        "both t10k-images-idx3-ubyte and test-images-idx3-ubyte hold images of the test set: "
          + "remove one of them"))
  }

  // MARK: Parts

  @Test("images without labels are enough to predict, but not to train")
  func unlabeled() throws {
    try write("t10k-images-idx3-ubyte")
    let data = try load("", Self.predicting)
    #expect(Self.features(data.training) == Self.pixels)
    #expect(data.training.outputs == 0 && data.heldOut == nil)
    let error = refusal(.idx(folder: folder.path))
    #expect(error?.exitStatus == .missingInput)
    #expect(
      error?.description.hasSuffix(
        "images but no labels: t10k-labels-idx1-ubyte is missing, .gz or not") == true)
  }

  @Test("the test images are predicted, or the training images if there are no test images")
  func predicting() throws {
    try write("train-images-idx3-ubyte")
    #expect(try load("", Self.predicting).training.rows == 3)
    try folder.write("t10k-images-idx3-ubyte", idx([1, 2], [255, 0]))
    for targets in [LoadOptions.TargetKind.absent, .ignored] {
      let data = try load("", LoadOptions(targets: targets))
      #expect(Self.features(data.training) == [1, 0])
      #expect(data.heldOut == nil)
    }
  }

  @Test("labels without images are refused with the missing file")
  func labelsOnly() throws {
    try write("qmnist-test-labels-idx2-int")
    #expect(
      problem().hasSuffix(
        "labels but no images: qmnist-test-images-idx3-ubyte is missing, .gz or not"))
    #expect(problem(Self.predicting).contains("no IDX files"))
  }
}
