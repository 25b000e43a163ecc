// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// Turns labels into class indices.
enum ClassLabels {
  /// The classes in order: by number if all labels are numbers, else by text.
  static func ordered(_ labels: Set<String>) -> [String] {
    let numbers = labels.compactMap { label in Double(label).map { ($0, label) } }
    guard numbers.count == labels.count, numbers.allSatisfy({ $0.0.isFinite }) else {
      return labels.sorted()
    }
    return numbers.sorted { $0.0 != $1.0 ? $0.0 < $1.0 : $0.1 < $1.1 }.map(\.1)
  }

  /// Class indices of labels, one a row; `place` says where a row stands in its file.
  static func targets(
    _ labels: [String], known: [String]?, path: String, place: (Int) -> String
  ) throws(DatasetError) -> Dataset.Targets {
    let classes = known ?? ordered(Set(labels))
    guard classes.count >= 2 else {
      throw .malformed(
        path, "all rows are of one class, \(classes.first ?? "none"): two or more are needed")
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
}
