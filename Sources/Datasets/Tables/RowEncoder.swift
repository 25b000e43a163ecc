// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// What the cells of a column become among a network's inputs.
enum ColumnEncoding {
  /// A number at a place, or `fill` if it is missing.
  case number(place: Int, fill: Float)
  /// A 1 at the place of the level, or of missing cells if they have one; at none for other levels.
  case category(levels: [String: Int], missing: Int?)
  case none

  /// The encoding of each column of a schema.
  static func all(_ schema: TableSchema) -> [ColumnEncoding] {
    var place = 0
    return schema.columns.map { column in
      defer { place += column.role.width }
      switch column.role {
      case .number(let fill): return .number(place: place, fill: Float(fill))
      case .category(let levels, let rare, let hasMissing):
        var places = [String: Int](
          levels.enumerated().map { ($1, place + $0) }, uniquingKeysWith: { first, _ in first })
        for level in rare { places[level] = place + levels.count }
        return .category(
          levels: places, missing: hasMissing ? place + column.role.width - 1 : nil)
      case .target, .weight, .ignored: return .none
      }
    }
  }
}

/// Turns rows as they were read into a network's inputs and targets.
struct RowEncoder {
  private let part: TablePart
  private let schema: TableSchema
  private let features: [Feature]
  private let width: Int

  /// What becomes of a place in the row of features.
  private enum Feature {
    case number(place: Int, fill: Float)
    /// The places by the codes of words; -1 for none.
    case category(codes: [Int], missing: Int)
    /// The row's weight.
    case weight
    case none
  }

  init(_ part: TablePart, _ schema: TableSchema) {
    self.part = part
    self.schema = schema
    width = schema.width
    let encodings = ColumnEncoding.all(schema)
    features = part.features.map { column in
      if column == part.layout.weights { return .weight }
      return switch encodings[column] {
      case .number(let place, let fill): .number(place: place, fill: fill)
      case .category(let levels, let missing):
        .category(
          codes: (0..<part.words[column].count).map {
            levels[part.words[column].text($0)] ?? -1
          }, missing: missing ?? -1)
      case .none: .none
      }
    }
  }

  /// Writes the part's rows from row `firstRow` on into a dataset's memory, which is zero there; frees
  /// the part's own memory as it goes.
  func encode(into memory: DatasetMemory, firstRow: Int) {
    var row = firstRow
    let copies = isCopy
    let targets = TargetEncoder(part, schema)
    for index in part.blocks.indices {
      guard let block = part.takeBlock(index) else { continue }
      let target = memory.features + row * width
      if copies {
        UnsafeMutableRawPointer(target).copyMemory(
          from: block.features, byteCount: block.rows * width * MemoryLayout<Float>.stride)
      } else {
        encode(block, into: target, weights: memory.weights + row)
      }
      targets.encode(block, into: memory, firstRow: row)
      row += block.rows
    }
  }

  /// Whether features are all numbers, in the same order, none of them missing.
  private var isCopy: Bool {
    features.count == width
      && features.indices.allSatisfy { index in
        guard case .number(index, _) = features[index] else { return false }
        return part.tallies[part.features[index]].missing.count == 0
      }
  }

  private func encode(
    _ block: RowBlock, into target: UnsafeMutablePointer<Float>,
    weights: UnsafeMutablePointer<Float>
  ) {
    let count = features.count
    // Column by column, so that the kind of a column is looked at once per block.
    for (index, feature) in features.enumerated() {
      let source = block.features + index
      switch feature {
      case .number(let place, let fill):
        for row in 0..<block.rows {
          let bits = source[row * count]
          target[row * width + place] = bits == MissingCell.bits ? fill : Float(bitPattern: bits)
        }
      case .category(let codes, let missing):
        for row in 0..<block.rows {
          let bits = source[row * count]
          let place = bits == MissingCell.bits ? missing : codes[Int(bits)]
          if place >= 0 { target[row * width + place] = 1 }
        }
      case .weight:
        for row in 0..<block.rows { weights[row] = Float(bitPattern: source[row * count]) }
      case .none: break
      }
    }
  }
}

/// Turns targets as they were read into classes or standardized numbers.
private struct TargetEncoder {
  private let count: Int
  private let scales: [TableSchema.Scale]
  /// The class of each number, or of each code.
  private let classes: [Double: Int32]

  init(_ part: TablePart, _ schema: TableSchema) {
    count = part.layout.targets.count
    scales = schema.scales
    let target = part.layout.targets[0]
    let indices = Dictionary(
      zip(schema.labels, 0..<Int32(schema.labels.count)), uniquingKeysWith: { first, _ in first })
    classes =
      part.layout.uses[target] == .targetWord
      ? Dictionary(
        uniqueKeysWithValues: (0..<part.words[target].count).map { code in
          (Double(code), indices[part.words[target].text(code)] ?? 0)
        })
      : Dictionary(
        indices.compactMap { label, index in
          if case .number(let number) = TableCell(label) { (number, index) } else { nil }
        },
        uniquingKeysWith: { first, _ in first })
  }

  func encode(_ block: RowBlock, into memory: DatasetMemory, firstRow: Int) {
    if scales.isEmpty {
      let target = memory.classes + firstRow
      for row in 0..<block.rows { target[row] = classes[block.targets[row]] ?? 0 }
    } else {
      let target = memory.values + firstRow * count
      for row in 0..<block.rows {
        for (index, scale) in scales.enumerated() {
          target[row * count + index] = scale.standardized(block.targets[row * count + index])
        }
      }
    }
  }
}
