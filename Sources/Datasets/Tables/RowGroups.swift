// SPDX-License-Identifier: Apache-2.0

/// The rows of a table in groups: those that have the same text in a column.
public struct RowGroups: Sendable {
  /// The column's name.
  public let column: String
  /// The texts, ascending: as numbers if all are numbers, otherwise by their bytes.
  public let names: [String]
  /// The group of each row of the table.
  public let groupOfRow: [Int32]

  /// The largest number of groups.
  public static let most = 1000

  /// Which of some rows each group has, as places in the list of rows.
  public func members(of rows: [Int32]) -> [[Int]] {
    var members: [[Int]] = names.map { _ in [] }
    for (place, row) in rows.enumerated() { members[Int(groupOfRow[Int(row)])].append(place) }
    return members
  }

  /// Collects the texts of one row after the other.
  struct Builder {
    private let column: String
    private let path: String
    private var indices: [String: Int32] = [:]
    private var texts: [String] = []
    private var rows: [Int32] = []

    init(column: String, path: String) {
      self.column = column
      self.path = path
    }

    /// - Throws: ``DatasetError/usage(_:)`` if there are too many groups.
    mutating func add(_ text: String) throws(DatasetError) {
      if let index = indices[text] {
        rows.append(index)
        return
      }
      guard texts.count < RowGroups.most else {
        throw .usage(
          "--by \(column): \(path) has more than \(RowGroups.most) different values in this column; "
            + "name one with fewer")
      }
      indices[text] = Int32(texts.count)
      rows.append(Int32(texts.count))
      texts.append(text)
    }

    func finish() -> RowGroups {
      let numbers = texts.compactMap { text in
        if case .number(let number) = TableCell(text) { number } else { nil as Double? }
      }
      let areNumbers = numbers.count == texts.count
      let order = texts.indices.sorted {
        areNumbers && numbers[$0] != numbers[$1]
          ? numbers[$0] < numbers[$1]
          : texts[$0].utf8.lexicographicallyPrecedes(texts[$1].utf8)
      }
      var place = [Int32](repeating: 0, count: texts.count)
      for (index, text) in order.enumerated() { place[text] = Int32(index) }
      return RowGroups(
        column: column, names: order.map { texts[$0] }, groupOfRow: rows.map { place[Int($0)] })
    }
  }
}
