// SPDX-License-Identifier: Apache-2.0

/// Where data come from, as the DATA argument of the command line says.
public enum DataSource: Hashable, Sendable {
  /// The 1,797 handwritten digits of 8 x 8 pixels that the program carries.
  case digits
  /// A folder of MNIST-style IDX files.
  case idx(folder: String)
  /// A table of comma-separated values.
  case csv(path: String)
  /// A matrix of features and its targets, each in a file of NumPy's.
  case npy(features: String, targets: String)
  /// Gaussian features with classes from a random linear teacher.
  case synthetic(rows: Int, features: Int, classes: Int, seed: UInt64)

  /// Understands a DATA argument.
  ///
  /// - Throws: ``DatasetError/usage(_:)`` when it is none of the known forms.
  public static func parse(_ argument: String) throws(DatasetError) -> DataSource {
    if argument == "digits" { return .digits }
    if argument.hasPrefix("synthetic:") { return try synthetic(argument) }
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    if parts.count == 2 && parts.allSatisfy({ $0.hasSuffix(".npy") }) {
      return .npy(features: parts[0], targets: parts[1])
    }
    if argument.hasSuffix(".csv") || argument.hasSuffix(".csv.gz") { return .csv(path: argument) }
    if argument.hasSuffix(".npy") {
      throw .usage("\(argument): name two files, FEATURES.npy,TARGETS.npy")
    }
    guard !argument.isEmpty else {
      throw .usage("no data: name digits, a folder, a .csv file, two .npy files or synthetic:…")
    }
    return .idx(folder: argument)
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
        "\(argument): must look like synthetic:ROWSxFEATURESxCLASSES or "
          + "synthetic:ROWSxFEATURESxCLASSES:SEED, with 2 classes or more")
    }
    return .synthetic(rows: sizes[0], features: sizes[1], classes: sizes[2], seed: seed)
  }
}

/// What is to be made of a source's columns.
public struct LoadOptions: Hashable, Sendable {
  /// What targets are.
  public enum TargetKind: Hashable, Sendable {
    /// One class a row.
    case classes
    /// One or several numbers a row; sources that have only classes give classes.
    case numeric
    /// There are none: every column is a feature.
    case absent
    /// They are there, but passed over unread.
    case ignored
  }

  /// What targets are.
  public var targets: TargetKind
  /// Whether targets are to be read at all.
  var readsTargets: Bool { targets == .classes || targets == .numeric }
  /// The columns of a table that are targets, by name or by number from 1; the last if empty.
  public var targetColumns: [String]
  /// The classes that a model knows, in its order; nil takes them as they come.
  ///
  /// With known classes any other label is an error.
  public var knownLabels: [String]?

  /// Sets what to make of a source.
  public init(
    targets: TargetKind = .classes, targetColumns: [String] = [], knownLabels: [String]? = nil
  ) {
    self.targets = targets
    self.targetColumns = targetColumns
    self.knownLabels = knownLabels
  }
}

/// What a source holds: rows to train on, and rows that it sets apart for testing, if it does.
public struct LoadedData: Sendable {
  /// The rows to train on, or all rows.
  public let training: Dataset
  /// The rows that the source itself holds out, or nil.
  public let heldOut: Dataset?

  /// Rows to train on, and rows set apart.
  public init(training: Dataset, heldOut: Dataset?) {
    self.training = training
    self.heldOut = heldOut
  }
}
