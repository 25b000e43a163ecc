// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// Counts and sums over the training rows of a part.
struct OwnTrainingRows {
  private let part: TablePart
  private let rows: ArraySlice<Int32>
  private let firstRow: Int

  init(_ part: TablePart, _ trainingRows: [Int32], firstRow: Int) {
    self.part = part
    self.firstRow = firstRow
    let start = Self.firstIndex(of: firstRow, in: trainingRows)
    let end = Self.firstIndex(of: firstRow + part.rows, in: trainingRows)
    rows = trainingRows[start..<end]
  }

  private static func firstIndex(of row: Int, in rows: [Int32]) -> Int {
    var (low, high) = (0, rows.count)
    while low < high {
      let middle = (low + high) / 2
      if Int(rows[middle]) < row { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Calls `body` with the features and targets of each training row, in the order of the file.
  private func forEach(
    _ body: (UnsafeMutablePointer<UInt32>, UnsafeMutablePointer<Double>) -> Void
  ) {
    let (width, count) = (part.features.count, part.layout.targets.count)
    var next = rows.startIndex
    var first = firstRow
    for case let block? in part.blocks {
      while next < rows.endIndex, Int(rows[next]) < first + block.rows {
        let row = Int(rows[next]) - first
        body(block.features + row * width, block.targets + row * count)
        next += 1
      }
      first += block.rows
    }
  }

  /// Adds the numbers of features and targets.
  func add(to sums: TableSums) -> TableSums {
    var sums = sums
    let places = sums.places
    let targets = part.layout.targets.count
    sums.features.withUnsafeMutableBufferPointer { features in
      guard let base = features.baseAddress else { return }
      let isWhole = places.count == part.features.count
      forEach { row, values in
        if isWhole {
          for place in 0..<places.count { base[place] += Self.number(row[place]) }
        } else {
          for (index, place) in places.enumerated() { base[index] += Self.number(row[place]) }
        }
      }
    }
    forEach { _, values in
      for target in 0..<targets { sums.targets[target].add(values[target]) }
    }
    return sums
  }

  /// The number of a cell, 0 if it is missing.
  @inline(__always)
  private static func number(_ bits: UInt32) -> Double {
    bits == MissingCell.bits ? 0 : Double(Float(bitPattern: bits))
  }

  /// Adds the squared distances of targets from their means.
  func add(to spreads: [Double], means: TableSums) -> [Double] {
    guard !spreads.isEmpty else { return spreads }
    var spreads = spreads
    let means = means.targets.map(\.mean)
    forEach { _, values in
      for target in spreads.indices {
        let distance = values[target] - means[target]
        spreads[target] += distance * distance
      }
    }
    return spreads
  }

  /// Counts words, missing cells and classes.
  func counts(_ options: LoadOptions) -> TableCounts {
    let layout = part.layout
    let wordPlaces = part.features.indices.filter { layout.uses[part.features[$0]] == .word }
    var levels = wordPlaces.map { [Int](repeating: 0, count: part.words[part.features[$0]].count) }
    var missing = [Int](repeating: 0, count: part.features.count)
    let target = layout.targets[0]
    let isWord = layout.uses[target] == .targetWord
    var labels = [Int](repeating: 0, count: part.words[target].count)
    let gaps = part.features.indices.filter { part.tallies[part.features[$0]].missing.count > 0 }
    forEach { features, values in
      for place in gaps where features[place] == MissingCell.bits { missing[place] += 1 }
      for (index, place) in wordPlaces.enumerated() where features[place] != MissingCell.bits {
        levels[index][Int(features[place])] += 1
      }
      if isWord, !values[0].isNaN { labels[Int(values[0])] += 1 }
    }
    var counts = TableCounts(width: layout.width, rows: rows.count)
    for (place, column) in part.features.enumerated() { counts.missing[column] = missing[place] }
    for (index, place) in wordPlaces.enumerated() {
      let column = part.features[place]
      for (code, count) in levels[index].enumerated() {
        counts.levels[column][part.words[column].text(code)] = count
      }
    }
    if isWord {
      for (code, count) in labels.enumerated() {
        counts.levels[target][part.words[target].text(code)] = count
      }
    } else if layout.targets.count == 1 {
      counts.numbers = numbers(options)
    }
    return counts
  }

  /// The distinct numbers of the target, and how many training rows have each; nil if there are too
  /// many for classes.
  private func numbers(_ options: LoadOptions) -> [Double: Int]? {
    let limit = TargetRule.limit(options.targets)
    guard limit > 0 else { return nil }
    var numbers: [Double: Int] = [:]
    for case let block? in part.blocks {
      for row in 0..<block.rows where !block.targets[row].isNaN {
        numbers[block.targets[row], default: 0] += 0
        if numbers.count > limit { return nil }
      }
    }
    forEach { _, values in
      if !values[0].isNaN { numbers[values[0], default: 0] += 1 }
    }
    return numbers
  }
}

/// Sums over training rows, in the order of the file.
struct TableSums: Codable {
  /// The sum of some numbers, and their range.
  struct Sum: Codable {
    var count = 0
    var sum = 0.0
    var minimum = Double.greatestFiniteMagnitude
    var maximum = -Double.greatestFiniteMagnitude

    var mean: Double { count == 0 ? 0 : sum / Double(count) }

    mutating func add(_ number: Double) {
      guard !number.isNaN else { return }
      count += 1
      sum += number
      minimum = min(minimum, number)
      maximum = max(maximum, number)
    }
  }

  /// The places in a row of the features that are summed.
  let places: [Int]
  var features: [Double]
  var targets: [Sum]

  /// Nothing yet.
  init(_ part: TablePart) {
    places = part.features.indices.filter { part.layout.uses[part.features[$0]] == .number }
    features = Array(repeating: 0, count: places.count)
    targets = Array(repeating: Sum(), count: part.layout.targets.count)
  }
}

/// Counts over training rows.
struct TableCounts: Codable {
  /// The number of training rows.
  var rows: Int
  /// The missing cells of each column.
  var missing: [Int]
  /// How many training rows have each word, by column; words that none of them has are there, too.
  var levels: [[String: Int]]
  /// How many training rows have each number of the target; nil if they are no classes.
  var numbers: [Double: Int]? = nil

  init(width: Int, rows: Int) {
    self.rows = rows
    missing = Array(repeating: 0, count: width)
    levels = Array(repeating: [:], count: width)
  }

  init(merging parts: [TableCounts]) {
    self.init(width: parts[0].missing.count, rows: 0)
    numbers = [:]
    for part in parts {
      rows += part.rows
      for column in missing.indices.prefix(part.missing.count) {
        missing[column] += part.missing[column]
        levels[column].merge(part.levels[column], uniquingKeysWith: +)
      }
      if let more = part.numbers {
        numbers?.merge(more, uniquingKeysWith: +)
      } else {
        numbers = nil
      }
    }
  }
}
