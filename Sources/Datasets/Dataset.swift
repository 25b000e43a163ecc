// SPDX-License-Identifier: Apache-2.0
public import NeuralCore

/// Rows of features with their targets: immutable, in memory.
public final class Dataset: @unchecked Sendable {
  // Unchecked: the buffers are written before `init` ends and only read afterwards.

  /// The targets of the rows.
  public enum Targets {
    /// One class index per row, and the label of each class.
    case classes(AlignedBuffer<Int32>, labels: [String])
    /// One or more numbers per row, and the name of each column.
    case values(AlignedBuffer<Float>, names: [String])
    /// No targets.
    case absent
  }

  /// The number of rows.
  public let rows: Int
  /// The number of features of each row.
  public let columns: Int
  /// The features, `rows x columns`, in row-major order.
  public let features: AlignedBuffer<Float>
  /// The targets of the rows.
  public let targets: Targets
  /// The names of the features, if the source has them.
  public let featureNames: [String]?

  /// Wraps features of `rows * columns` elements and their targets, without a copy.
  public init(
    rows: Int, columns: Int, features: AlignedBuffer<Float>, targets: Targets,
    featureNames: [String]? = nil
  ) {
    precondition(features.count == rows * columns, "features must have rows x columns elements")
    self.rows = rows
    self.columns = columns
    self.features = features
    self.targets = targets
    self.featureNames = featureNames
  }

  /// The number of outputs of a network for these targets.
  public var outputs: Int {
    switch targets {
    case .classes(_, let labels): labels.count
    case .values(_, let names): names.count
    case .absent: 0
    }
  }

  /// The labels of the classes; empty for numeric targets.
  public var labels: [String] {
    if case .classes(_, let labels) = targets { return labels }
    return []
  }

  /// The XXH3-128 of features, targets and labels: equal data have equal hashes on all machines.
  public var contentHash: ContentHash {
    let hasher = ContentHasher()
    hasher.update(features.elements)
    switch targets {
    case .classes(let indices, let labels):
      hasher.update(indices.elements)
      hash(labels, into: hasher)
    case .values(let values, let names):
      hasher.update(values.elements)
      hash(names, into: hasher)
    case .absent:
      break
    }
    hash(["\(rows)", "\(columns)"], into: hasher)
    return hasher.hash
  }

  private func hash(_ strings: [String], into hasher: ContentHasher) {
    for string in strings {
      Array(string.utf8 + [0]).withUnsafeBufferPointer { hasher.update($0) }
    }
  }

  /// Loads the data of a source.
  ///
  /// - Throws: ``DatasetError`` if a file is missing, can't be read or is malformed.
  public static func load(
    _ source: DataSource, _ options: LoadOptions = LoadOptions()
  ) throws(DatasetError) -> LoadedData {
    switch source {
    case .digits:
      LoadedData(training: try EmbeddedDigits.load(options), heldOut: nil)
    case .idx(let folder):
      try IDXFolder.load(folder, options)
    case .csv(let path):
      LoadedData(training: try CSVTable.load(path, options), heldOut: nil)
    case .npy(let features, let targets):
      LoadedData(training: try NPYPair.load(features, targets, options), heldOut: nil)
    case .npz(let path):
      try NPZFile.load(path, options)
    case .synthetic(let rows, let features, let classes, let seed):
      LoadedData(
        training: SyntheticData.make(rows: rows, features: features, classes: classes, seed: seed),
        heldOut: nil)
    }
  }
}

// MARK: - Class labels

extension Dataset.Targets {
  /// Class targets from one label per row.
  ///
  /// - Parameters:
  ///   - known: The classes in the order of their indices; nil for those that occur, sorted as
  ///     numbers if all labels are numbers, otherwise as text.
  ///   - place: Describes the position of a row in its file.
  static func classes(
    of labels: [String], known: [String]?, path: String, place: (Int) -> String
  ) throws(DatasetError) -> Dataset.Targets {
    let classes = known ?? sorted(Set(labels))
    guard classes.count >= 2 else {
      throw .malformed(
        path, "all rows are of one class, \(classes.first ?? "none"): at least two are required")
    }
    var index: [String: Int32] = [:]
    for (number, label) in classes.enumerated() { index[label] = Int32(number) }
    let result = AlignedBuffer<Int32>(count: labels.count)
    for (row, label) in labels.enumerated() {
      guard let number = index[label] else {
        throw .malformed(
          path: path, place: place(row),
          problem:
            "label \(label) is none of the classes \(classes.prefix(12).joined(separator: ", "))")
      }
      result[row] = number
    }
    return .classes(result, labels: classes)
  }

  private static func sorted(_ labels: Set<String>) -> [String] {
    let numbers = labels.compactMap { label in Double(label).map { ($0, label) } }
    guard numbers.count == labels.count, numbers.allSatisfy({ $0.0.isFinite }) else {
      return labels.sorted()
    }
    return numbers.sorted { $0.0 != $1.0 ? $0.0 < $1.0 : $0.1 < $1.1 }.map(\.1)
  }
}

// MARK: - Datasets in shared memory

/// Everything about a dataset except its numbers, and the layout of the numbers in one block of memory.
///
/// Features come first, then targets, each aligned to 64 bytes.
public struct DatasetShape: Codable, Hashable, Sendable {
  /// The number of rows.
  public let rows: Int
  /// The number of features of each row.
  public let columns: Int
  /// The labels of the classes; nil without class targets.
  public let labels: [String]?
  /// The names of numeric targets; nil without them.
  public let targetNames: [String]?
  /// The names of the features, if the source has them.
  public let featureNames: [String]?

  /// The size of the numbers in bytes.
  public var byteCount: Int { featureBytes + targetBytes }

  fileprivate var featureBytes: Int { Self.padded(rows * columns * MemoryLayout<Float>.stride) }

  private var targetBytes: Int {
    labels != nil
      ? Self.padded(rows * MemoryLayout<Int32>.stride)
      : Self.padded(rows * (targetNames?.count ?? 0) * MemoryLayout<Float>.stride)
  }

  private static func padded(_ bytes: Int) -> Int { (bytes + 63) / 64 * 64 }
}

extension Dataset {
  /// Everything except the numbers.
  public var shape: DatasetShape {
    var (labels, names): ([String]?, [String]?)
    switch targets {
    case .classes(_, let all): labels = all
    case .values(_, let all): names = all
    case .absent: break
    }
    return DatasetShape(
      rows: rows, columns: columns, labels: labels, targetNames: names,
      featureNames: featureNames)
  }

  /// Copies all numbers to memory of `shape.byteCount` bytes.
  public func copyNumbers(to memory: UnsafeMutableRawPointer) {
    memory.copyMemory(from: features.base, byteCount: features.count * MemoryLayout<Float>.stride)
    let rest = memory + shape.featureBytes
    switch targets {
    case .classes(let indices, _):
      rest.copyMemory(from: indices.base, byteCount: indices.count * MemoryLayout<Int32>.stride)
    case .values(let values, _):
      rest.copyMemory(from: values.base, byteCount: values.count * MemoryLayout<Float>.stride)
    case .absent: break
    }
  }

  /// A dataset whose numbers were copied by `copyNumbers(to:)` to byte `first`, a multiple of 64, of
  /// `memory`.
  public convenience init(_ shape: DatasetShape, in memory: AlignedBuffer<UInt8>, from first: Int) {
    precondition(
      first >= 0 && first % 64 == 0 && first + shape.byteCount <= memory.count,
      "numbers outside the memory")
    let start = UnsafeMutableRawPointer(memory.base) + first
    let rest = start + shape.featureBytes
    func buffer<Element>(_ place: UnsafeMutableRawPointer, _ count: Int) -> AlignedBuffer<Element> {
      AlignedBuffer(
        place.bindMemory(to: Element.self, capacity: count), count: count, ownedBy: memory)
    }
    let targets: Targets =
      if let labels = shape.labels {
        .classes(buffer(rest, shape.rows), labels: labels)
      } else if let names = shape.targetNames {
        .values(buffer(rest, shape.rows * names.count), names: names)
      } else {
        .absent
      }
    self.init(
      rows: shape.rows, columns: shape.columns, features: buffer(start, shape.rows * shape.columns),
      targets: targets, featureNames: shape.featureNames)
  }
}
