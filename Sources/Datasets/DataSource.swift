// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// The source of data: the DATA argument of the command line.
public enum DataSource: Hashable, Sendable {
  /// The 1,797 embedded handwritten digits of 8 x 8 pixels.
  case digits
  /// A folder of MNIST-style IDX files, searched one level down if it has none itself.
  case idx(folder: String)
  /// A text with a record per line, compressed by gzip or not; `-` is standard input.
  case table(path: String)
  /// A matrix of features and its targets, each in a NumPy file; no targets only where none are read.
  case npy(features: String, targets: String?)
  /// A file of NumPy arrays: features and targets, and optionally a test set.
  case npz(path: String)
  /// Gaussian features with classes from a random linear teacher.
  case synthetic(rows: Int, features: Int, classes: Int, seed: UInt64)

  /// Parses a DATA argument; files of NumPy arrays are recognized by their content or their names.
  ///
  /// - Throws: ``DatasetError/usage(_:)`` if it has none of the known forms.
  public static func parse(_ argument: String) throws(DatasetError) -> DataSource {
    if argument == "digits" { return .digits }
    if argument.hasPrefix("synthetic:") { return try synthetic(argument) }
    if let arrays = numPy(argument) { return arrays }
    guard !argument.isEmpty else {
      throw .usage("no data: name digits, a folder, a file or synthetic:…")
    }
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: argument, isDirectory: &isFolder) else {
      if argument == TextSource.standardInput { return .table(path: argument) }
      throw .unreadable(path: argument, reason: "no such file or folder")
    }
    return isFolder.boolValue ? .idx(folder: argument) : .table(path: argument)
  }

  /// A source of NumPy arrays, or nil if the argument names none.
  private static func numPy(_ argument: String) -> DataSource? {
    let magic = ByteFile.prefix(of: argument, count: NPYArray.magic.count)
    if magic == NPYArray.magic { return .npy(features: argument, targets: nil) }
    if magic?.starts(with: ByteFile.zipMagic) == true { return .npz(path: argument) }
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    let arePairs =
      parts.count == 2
      && parts.allSatisfy { part in
        part.hasSuffix(".npy")
          || ByteFile.prefix(of: part, count: NPYArray.magic.count) == NPYArray.magic
      }
    if arePairs { return .npy(features: parts[0], targets: parts[1]) }
    if argument.hasSuffix(".npy") { return .npy(features: argument, targets: nil) }
    return argument.hasSuffix(".npz") ? .npz(path: argument) : nil
  }

  private static func synthetic(_ argument: String) throws(DatasetError) -> DataSource {
    let parts = argument.dropFirst("synthetic:".count).split(
      separator: ":", omittingEmptySubsequences: false)
    let sizes = (parts.first ?? "").split(separator: "x", omittingEmptySubsequences: false)
      .map { Int($0) ?? 0 }
    let seed = parts.count == 2 ? UInt64(parts[1]) : parts.count == 1 ? 0 : nil
    guard sizes.count == 3, let seed, sizes[0] >= 1, sizes[1] >= 1, sizes[2] >= 2,
      sizes.allSatisfy({ $0 <= 1 << 30 }), sizes[0] * sizes[1] <= 1 << 33
    else {
      throw .usage(
        "\(argument): must be synthetic:ROWSxFEATURESxCLASSES or "
          + "synthetic:ROWSxFEATURESxCLASSES:SEED, with at least 2 classes")
    }
    return .synthetic(rows: sizes[0], features: sizes[1], classes: sizes[2], seed: seed)
  }
}

/// How to read the columns of a source.
public struct LoadOptions: Hashable, Sendable {
  /// The kind of targets.
  public enum TargetKind: Hashable, Sendable {
    /// Classes or numbers, as the targets are: integers with few distinct values are classes.
    case automatic
    /// One class per row.
    case classes
    /// One or more numbers per row; sources that have only classes give classes.
    case numeric
    /// None: every column is a feature. Of a folder only the rows to predict are loaded: the test
    /// images if it has any.
    case absent
    /// Present, but not read; of a folder as `absent`.
    case ignored
  }

  /// The kind of targets.
  public var targets: TargetKind
  /// Whether targets are read at all.
  var readsTargets: Bool { targets != .absent && targets != .ignored }
  /// How a table is read.
  public var table = TableOptions()
  /// The fraction of rows that is held out, if the data have no test set.
  public var heldOutFraction = 0.0
  /// The seed of the split.
  public var seed: UInt64 = 0
  /// Whether targets that are numbers are standardized.
  public var standardizesTargets = false
  /// What a model's own data were understood as, by which these are read; nil for data to train on.
  public var schema: TableSchema? {
    didSet { knownLabels = schema.map(\.labels).flatMap { $0.isEmpty ? nil : $0 } ?? knownLabels }
  }
  /// The inputs of the model that ``schema`` is part of; nil for as many as the schema has.
  public var inputs: Int?
  /// The classes of a model in the order of its outputs; nil for the classes that the data have.
  ///
  /// If set, any other label is an error.
  public var knownLabels: [String]?

  /// Options for reading a source.
  public init(targets: TargetKind = .classes, knownLabels: [String]? = nil) {
    self.targets = targets
    self.knownLabels = knownLabels
  }
}

/// The data of a source: rows to train on, and a test set if the source has one.
public struct LoadedData: Sendable {
  /// The training set, or all rows if the source has no test set.
  public let training: Dataset
  /// The test set of the source, or nil.
  public let heldOut: Dataset?

  /// What they were understood as; nil without targets.
  public var schema: TableSchema?
  /// The split of the training set by the options, if it was made already.
  public var split: (training: [Int32], heldOut: [Int32])?
  /// The groups of the rows, where a column was named for them; on the process that read the table.
  public var groups: RowGroups?
  /// What a person should know about how they were understood.
  public var notices: [String]

  /// Pairs a training set with a test set.
  public init(
    training: Dataset, heldOut: Dataset? = nil, schema: TableSchema? = nil, notices: [String] = []
  ) {
    self.training = training
    self.heldOut = heldOut
    self.schema = schema
    self.notices = notices
  }
}
