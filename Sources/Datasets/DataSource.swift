// SPDX-License-Identifier: Apache-2.0

/// The source of data: the DATA argument of the command line.
public enum DataSource: Hashable, Sendable {
  /// The 1,797 embedded handwritten digits of 8 x 8 pixels.
  case digits
  /// A folder of MNIST-style IDX files, searched one level down if it has none itself.
  case idx(folder: String)
  /// A table of comma-separated values.
  case csv(path: String)
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
    if argument.hasSuffix(".csv") || argument.hasSuffix(".csv.gz") { return .csv(path: argument) }
    guard !argument.isEmpty else {
      throw .usage("no data: name digits, a folder, a .csv file, .npy or .npz files or synthetic:…")
    }
    return .idx(folder: argument)
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
  var readsTargets: Bool { targets == .classes || targets == .numeric }
  /// The target columns of a table, by name or by number from 1; the last column if empty.
  public var targetColumns: [String]
  /// The classes of a model in the order of its outputs; nil for the classes that the data have.
  ///
  /// If set, any other label is an error.
  public var knownLabels: [String]?

  /// Options for reading a source.
  public init(
    targets: TargetKind = .classes, targetColumns: [String] = [], knownLabels: [String]? = nil
  ) {
    self.targets = targets
    self.targetColumns = targetColumns
    self.knownLabels = knownLabels
  }
}

/// The data of a source: rows to train on, and a test set if the source has one.
public struct LoadedData: Sendable {
  /// The training set, or all rows if the source has no test set.
  public let training: Dataset
  /// The test set of the source, or nil.
  public let heldOut: Dataset?

  /// Pairs a training set with a test set.
  public init(training: Dataset, heldOut: Dataset?) {
    self.training = training
    self.heldOut = heldOut
  }
}
