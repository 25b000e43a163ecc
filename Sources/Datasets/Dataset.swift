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
  /// The weights of the rows in the training loss as the data have them, not normalized; nil for none.
  public let weights: AlignedBuffer<Float>?

  /// Wraps features of `rows * columns` elements, their targets and their weights, without a copy.
  public init(
    rows: Int, columns: Int, features: AlignedBuffer<Float>, targets: Targets,
    weights: AlignedBuffer<Float>? = nil
  ) {
    precondition(features.count == rows * columns, "features must have rows x columns elements")
    precondition(
      weights.map { $0.count == rows } ?? true, "weights must have as many elements as rows")
    self.weights = weights
    self.rows = rows
    self.columns = columns
    self.features = features
    self.targets = targets
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

  /// The XXH3-128 of features, targets, labels and weights: equal data have equal hashes on all
  /// machines.
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
    if let weights {
      hash(["weights"], into: hasher)
      hasher.update(weights.elements)
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
  /// - Parameter readers: the processes that read a table together; nil for this one alone.
  /// - Throws: ``DatasetError`` if a file is missing, can't be read or is malformed; what `readers`
  ///   throw.
  public static func load(
    _ source: DataSource, _ options: LoadOptions = LoadOptions(),
    readers: (any TableReaders)? = nil
  ) throws -> LoadedData {
    if case .table = source {} else { try options.table.requireNoColumns() }
    switch source {
    case .table(let path):
      guard path != TextSource.standardInput else {
        throw DatasetError.usage("-: only predict reads standard input; name a file")
      }
      guard let schema = options.schema else {
        return try TableLoader(path, options, readers ?? SingleTableReader()).load()
      }
      return try NewTable.load(path, schema, options)
    case .digits:
      return try withSchema(LoadedData(training: EmbeddedDigits.load(options)), options)
    case .idx(let folder):
      return try withSchema(IDXFolder.load(folder, options), options)
    case .npy(let features, let targets):
      return try withNotice(
        withSchema(LoadedData(training: NPYPair.load(features, targets, options)), options), options
      )
    case .npz(let path):
      return try withNotice(withSchema(NPZFile.load(path, options), options), options)
    case .synthetic(let rows, let features, let classes, let seed):
      return withSchema(
        LoadedData(
          training: SyntheticData.make(
            rows: rows, features: features, classes: classes, seed: seed)), options)
    }
  }

  /// Data of arrays with what is said about the choice between classes and numbers.
  private static func withNotice(_ data: LoadedData, _ options: LoadOptions) -> LoadedData {
    guard options.targets == .automatic, options.schema == nil, let schema = data.schema,
      schema.labels.allSatisfy({ Double($0) != nil }), schema.outputs == 1 || !schema.labels.isEmpty
    else { return data }
    var data = data
    data.notices.append(TargetRule.notice("the target", isOfClasses: !schema.labels.isEmpty))
    return data
  }

  /// Data of arrays or images with the schema of their targets, which are standardized by it.
  private static func withSchema(
    _ data: LoadedData, _ options: LoadOptions
  ) -> LoadedData {
    var data = data
    data.schema = options.schema ?? ArraySchema.make(data, options)
    ArraySchema.standardize(data)
    return data
  }
}

/// The schema of arrays and images, which have no columns with names.
enum ArraySchema {
  /// The schema that the training rows lead to; nil without targets.
  static func make(_ data: LoadedData, _ options: LoadOptions) -> TableSchema? {
    let dataset = data.training
    let rows =
      data.heldOut == nil
      ? DataSplit.split(rows: dataset.rows, fraction: options.heldOutFraction, seed: options.seed)
        .training : Array(0..<Int32(dataset.rows))
    switch dataset.targets {
    case .classes(let indices, let labels):
      var counts = [Int](repeating: 0, count: labels.count)
      for row in rows { counts[Int(indices[Int(row)])] += 1 }
      return TableSchema(target: .classes(labels: labels, counts: counts))
    case .values(let values, let names):
      return TableSchema(
        target: .values(
          scales: names.indices.map { index in
            scale(names[index], options) { body in
              for row in rows { body(Double(values[Int(row) * names.count + index])) }
            }
          }))
    case .absent: return nil
    }
  }

  private static func scale(
    _ name: String, _ options: LoadOptions, _ forEach: ((Double) -> Void) -> Void
  ) -> TableSchema.Scale {
    var sum = TableSums.Sum()
    forEach { sum.add($0) }
    var spread = 0.0
    forEach { spread += ($0 - sum.mean) * ($0 - sum.mean) }
    return TableSchema.Scale(
      name: name, sum: sum, spread: spread, standardizes: options.standardizesTargets)
  }

  /// Standardizes targets that are numbers by the data's schema, in place.
  static func standardize(_ data: LoadedData) {
    guard let scales = data.schema?.scales else { return }
    for dataset in [data.training] + (data.heldOut.map { [$0] } ?? []) {
      guard case .values(let values, let names) = dataset.targets, names.count == scales.count
      else { continue }
      for row in 0..<dataset.rows {
        for (index, scale) in scales.enumerated() {
          let place = row * names.count + index
          values.base[place] = scale.standardized(Double(values.base[place]))
        }
      }
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

  /// The same classes in another order, that of a model.
  func relabeled(as known: [String]?, path: String) throws(DatasetError) -> Dataset.Targets {
    guard let known, case .classes(let indices, let labels) = self, known != labels else {
      return self
    }
    return try .classes(
      of: indices.elements.map { labels[Int($0)] }, known: known, path: path
    ) { "row \($0)" }
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
/// Features come first, then targets, then weights, each aligned to 64 bytes.
public struct DatasetShape: Codable, Hashable, Sendable {
  /// The number of rows.
  public let rows: Int
  /// The number of features of each row.
  public let columns: Int
  /// The labels of the classes; nil without class targets.
  public let labels: [String]?
  /// The names of numeric targets; nil without them.
  public let targetNames: [String]?
  /// Whether each row has a weight.
  public let isWeighted: Bool

  /// The size of the numbers in bytes.
  public var byteCount: Int { featureBytes + targetBytes + weightBytes }

  var featureBytes: Int { Self.padded(rows * columns * MemoryLayout<Float>.stride) }

  private var weightBytes: Int {
    isWeighted ? Self.padded(rows * MemoryLayout<Float>.stride) : 0
  }

  var targetBytes: Int {
    labels != nil
      ? Self.padded(rows * MemoryLayout<Int32>.stride)
      : Self.padded(rows * (targetNames?.count ?? 0) * MemoryLayout<Float>.stride)
  }

  private static func padded(_ bytes: Int) -> Int { (bytes + 63) / 64 * 64 }
}

/// The places of a dataset's numbers in memory that its shape describes.
struct DatasetMemory {
  let features: UnsafeMutablePointer<Float>
  private let targets: UnsafeMutableRawPointer
  /// The weight of each row, if the shape has them.
  let weights: UnsafeMutablePointer<Float>

  init(_ shape: DatasetShape, _ memory: UnsafeMutableRawPointer) {
    features = memory.assumingMemoryBound(to: Float.self)
    targets = memory + shape.featureBytes
    weights = (targets + shape.targetBytes).assumingMemoryBound(to: Float.self)
  }

  /// The class of each row.
  var classes: UnsafeMutablePointer<Int32> { targets.assumingMemoryBound(to: Int32.self) }
  /// The target numbers of each row.
  var values: UnsafeMutablePointer<Float> { targets.assumingMemoryBound(to: Float.self) }
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
      isWeighted: weights != nil)
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
    if let weights {
      (rest + shape.targetBytes).copyMemory(
        from: weights.base, byteCount: weights.count * MemoryLayout<Float>.stride)
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
      targets: targets,
      weights: shape.isWeighted ? buffer(rest + shape.targetBytes, shape.rows) : nil)
  }
}
