// SPDX-License-Identifier: Apache-2.0
public import NeuralCore

/// What there is to know of a dataset beside its numbers, and how they lie in one piece of memory.
///
/// Features come first, then targets, each on a 64-byte boundary.
public struct DatasetShape: Codable, Hashable, Sendable {
  /// How many rows there are.
  public let rows: Int
  /// How many features a row has.
  public let columns: Int
  /// The labels of classes; nil without classes.
  public let labels: [String]?
  /// The names of numeric targets; nil without them.
  public let targetNames: [String]?
  /// The names of the features, if known.
  public let featureNames: [String]?

  /// How many bytes the numbers take up.
  public var byteCount: Int { featureBytes + targetBytes }

  var featureBytes: Int { Self.padded(rows * columns * MemoryLayout<Float>.stride) }

  private var targetBytes: Int {
    labels != nil
      ? Self.padded(rows * MemoryLayout<Int32>.stride)
      : Self.padded(rows * (targetNames?.count ?? 0) * MemoryLayout<Float>.stride)
  }

  private static func padded(_ bytes: Int) -> Int { (bytes + 63) / 64 * 64 }
}

extension Dataset {
  /// What there is to know beside the numbers.
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

  /// A dataset whose numbers have been copied to memory from byte `first` on, a multiple of 64.
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
