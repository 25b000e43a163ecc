// SPDX-License-Identifier: Apache-2.0
public import NeuralCore

/// Rows of features with their targets, in memory, unchangeable.
public final class Dataset: @unchecked Sendable {
  // Unchecked: the buffers are written before `init` ends and only read afterwards.

  /// What the rows should give.
  public enum Targets {
    /// One class index a row, and each class's label.
    case classes(AlignedBuffer<Int32>, labels: [String])
    /// Rows of numbers, and each column's name.
    case values(AlignedBuffer<Float>, names: [String])
    /// Nothing is known of them.
    case absent
  }

  /// How many rows there are.
  public let rows: Int
  /// How many features a row has.
  public let columns: Int
  /// All features, row by row.
  public let features: AlignedBuffer<Float>
  /// What the rows should give.
  public let targets: Targets
  /// The names of the features, if the source gives them.
  public let featureNames: [String]?

  /// Takes over features of `rows * columns` elements and their targets.
  public init(
    rows: Int, columns: Int, features: AlignedBuffer<Float>, targets: Targets,
    featureNames: [String]? = nil
  ) {
    precondition(features.count == rows * columns, "features don't fill the rows")
    self.rows = rows
    self.columns = columns
    self.features = features
    self.targets = targets
    self.featureNames = featureNames
  }

  /// How many outputs a network for these targets has.
  public var outputs: Int {
    switch targets {
    case .classes(_, let labels): labels.count
    case .values(_, let names): names.count
    case .absent: 0
    }
  }

  /// The labels of the classes, or nothing for numeric targets.
  public var labels: [String] {
    if case .classes(_, let labels) = targets { return labels }
    return []
  }

  /// A hash of features, targets and labels: equal data have equal hashes on every machine.
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

  private func hash(_ words: [String], into hasher: ContentHasher) {
    for word in words {
      Array(word.utf8 + [0]).withUnsafeBufferPointer { hasher.update($0) }
    }
  }

  /// Loads a source.
  ///
  /// - Throws: ``DatasetError`` when a file is missing, can't be read or holds what it should not.
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
    case .synthetic(let rows, let features, let classes, let seed):
      LoadedData(
        training: SyntheticData.make(rows: rows, features: features, classes: classes, seed: seed),
        heldOut: nil)
    }
  }
}
