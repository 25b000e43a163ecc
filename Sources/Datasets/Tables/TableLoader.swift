// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import Machine
internal import NeuralCore

/// Loads a table to train on: reads it, decides its schema from the training rows, and encodes the rows
/// by it.
///
/// Several processes may each read a part of the file; the result is the same, bit for bit.
struct TableLoader {
  private let source: () throws(DatasetError) -> TextSource
  private let path: String
  private let options: LoadOptions
  private let readers: any TableReaders

  /// Loads a file.
  init(_ path: String, _ options: LoadOptions, _ readers: any TableReaders) {
    self.path = path
    self.options = options
    self.readers = readers
    source = { () throws(DatasetError) in try TextSource(path) }
  }

  /// Loads a text in memory.
  init(_ bytes: [UInt8], path: String, _ options: LoadOptions) {
    self.path = path
    self.options = options
    readers = SingleTableReader()
    source = { TextSource(bytes, path: path) }
  }

  /// - Throws: ``DatasetError``, and what `readers` throw.
  func load() throws -> LoadedData {
    let (part, firstRow, found) = try read()
    let split = DataSplit.split(
      rows: found.rows, fraction: options.heldOutFraction, seed: options.seed)
    let own = OwnTrainingRows(part, split.training, firstRow: firstRow)
    try readers.agree {
      try TableProblems(part.layout, found, options).check()
    }
    let sums = try readers.inTurn(TableSums(part)) { own.add(to: $0) }
    let counts = TableCounts(merging: try readers.gather(own.counts(options)))
    let decision = try readers.agree {
      try SchemaDecision(part.layout, found, sums, counts, options)
    }
    let spreads = try readers.inTurn(decision.newSpreads) { own.add(to: $0, means: sums) }
    let schema = decision.schema(spreads)
    let shape = decision.shape(schema)
    let encoder = RowEncoder(part, schema)
    try readers.agree { try requireMemory(for: shape, part) }
    let memory = try readers.share(bytes: shape.byteCount) { memory in
      encoder.encode(
        into: DatasetMemory(shape, memory), firstRow: firstRow)
    }
    return try readers.agree {
      // Where memory can't be shared, every process reads and keeps all rows.
      guard let memory else {
        return try TableLoader(path, options, SingleTableReader()).load()
      }
      var data = LoadedData(
        training: Dataset(shape, in: memory, from: 0), schema: schema, notices: decision.notices)
      data.split = split
      return data
    }
  }

  /// Refuses what does not fit into memory once all rows are encoded; what was read is given back
  /// meanwhile.
  private func requireMemory(for shape: DatasetShape, _ part: TablePart) throws(DatasetError) {
    let available = Memory.availableBytes
    guard shape.byteCount - part.byteCount > max(available, 1 << 26) else { return }
    throw .unreadable(
      path: path,
      reason:
        "\(shape.rows) rows of \(shape.columns) inputs need \(shape.byteCount >> 20) MiB, and "
        + "\(available >> 20) MiB are free; lower --max-levels, or leave columns out with --ignore")
  }

  // MARK: - Reading

  /// Files below this size are not worth parts.
  private static let smallestParts = 1 << 20

  /// Reads this process's part, once more if a record contradicts what the first ones have led to.
  ///
  /// - Returns: the part, the number of its first row, and what all parts hold.
  private func read() throws -> (part: TablePart, firstRow: Int, found: TableFindings) {
    var header: Bool?
    var words: Set<Int> = []
    var inParts = true
    while true {
      let read = Result { () throws(DatasetError) in
        try readPart(header: header, words: words, inParts: inParts)
      }
      var isPartRefused = false
      if case .failure = read { isPartRefused = inParts && readers.count > 1 }
      // A reader of the whole table knows the line, and whether the cause is a quote before the part.
      if try readers.any(isPartRefused) {
        inParts = false
        continue
      }
      let part = try readers.agree { try read.get() }
      let findings = try readers.gather(PartFindings(part))
      let found = TableFindings(merging: findings)
      let isAmbiguous = found.isAmbiguous && inParts && readers.count > 1
      let moreWords = Set(
        part.layout.uses.indices.filter {
          found.hasWords($0, part.layout, options)
            && [.number, .target].contains(part.layout.uses[$0])
        })
      let hasHeader = part.layout.hasHeader && found.confirmsHeader(part.layout, options.table)
      let isContradicted =
        isAmbiguous || !moreWords.isEmpty || hasHeader != part.layout.hasHeader
      guard try readers.any(isContradicted) else {
        return (part, findings.prefix(readers.index).reduce(0) { $0 + $1.rows }, found)
      }
      if isAmbiguous { inParts = false }
      words.formUnion(moreWords)
      header = hasHeader
    }
  }

  private func readPart(
    header: Bool?, words: Set<Int>, inParts: Bool
  ) throws(DatasetError) -> TablePart {
    let records = try TableRecords(source())
    let layout = try TableLayout(records, options.table, header: header, words: words)
    if layout.hasHeader { _ = try records.next() }
    if readers.count > 1 { try limit(records, inParts: inParts) }
    return try TablePart(records, layout, dropsMissing: options.table.missing == .drop)
  }

  /// Limits records to this process's part of them.
  private func limit(_ records: TableRecords, inParts: Bool) throws(DatasetError) {
    let size = records.isSeekable ? ByteFile.size(of: path) ?? 0 : 0
    let start = records.nextOffset
    let length = size - start
    guard inParts, length >= Self.smallestParts, records.hasLineFeeds else {
      if readers.index > 0 { records.skipAll() }
      return
    }
    let bound = { start + length * $0 / readers.count }
    let end = readers.index == readers.count - 1 ? Int.max : bound(readers.index + 1)
    try records.limit(to: bound(readers.index)..<end, first: start)
  }
}

// MARK: - Findings

/// What a process has found in its part of a table.
struct PartFindings: Codable {
  var rows: Int
  var dropped: Int
  var lines: Int
  var isAmbiguous: Bool
  var counting: TablePart.Counting?
  var tallies: [ColumnTally]
  /// Columns whose first numbers look like ids.
  var ids: [Int]
  /// The distinct numbers of a target that holds words, too; none for others; nil if they are many.
  var targetNumbers: [Double]?

  init(_ part: TablePart) {
    rows = part.rows
    dropped = part.dropped
    lines = part.lines
    isAmbiguous = part.isAmbiguous
    counting = part.counting
    tallies = part.tallies
    ids = part.columnsLikeIDs
    targetNumbers = part.fewTargetNumbers
  }
}

/// What was found in all of a table.
struct TableFindings {
  private(set) var rows = 0
  private(set) var dropped = 0
  private(set) var isAmbiguous = false
  /// Whether the first column counts up by 1.
  private(set) var countsUp = true
  private(set) var tallies: [ColumnTally] = []
  private(set) var ids: [Int] = []
  private var hasFewTargetNumbers = true

  init(merging parts: [PartFindings]) {
    var lines = 0
    var counting: TablePart.Counting?
    ids = parts.first?.ids ?? []
    for part in parts {
      if tallies.isEmpty {
        tallies = part.tallies
      } else {
        for column in tallies.indices.prefix(part.tallies.count) {
          tallies[column].add(part.tallies[column], linesBefore: lines)
        }
      }
      if part.rows > 0 {
        if let next = part.counting, counting?.isFollowed(by: next) ?? true {
          counting = TablePart.Counting(first: counting?.first ?? next.first, last: next.last)
        } else {
          countsUp = false
        }
      }
      rows += part.rows
      dropped += part.dropped
      lines += part.lines
      isAmbiguous = isAmbiguous || part.isAmbiguous
    }
    countsUp = countsUp && rows > 1
    let numbers = parts.map(\.targetNumbers)
    hasFewTargetNumbers =
      !numbers.contains(nil)
      && Set(numbers.flatMap { $0 ?? [] }).count <= TargetRule.mostClasses
    for column in tallies.indices { tallies[column].trimLevels() }
  }

  /// Whether a column that was read as numbers holds words, and not just some by mistake.
  func hasWords(_ column: Int, _ layout: TableLayout, _ options: LoadOptions) -> Bool {
    let tally = tallies[column]
    if layout.targets.contains(column) {
      return tally.words.count > 0 && (options.targets == .classes || hasFewTargetNumbers)
    }
    let cells = rows + dropped - tally.missing.count
    return tally.words.count * 10 > cells
  }

  /// Whether all records allow that the first one, which was taken for a header, is one.
  func confirmsHeader(_ layout: TableLayout, _ options: TableOptions) -> Bool {
    if options.header != nil || layout.isHeaderNamed || rows + dropped == 0 { return true }
    let columns = layout.uses.indices.map { column -> HeaderRule.Column in
      let (tally, use) = (tallies[column], layout.uses[column])
      let isText = use == .word || use == .targetWord
      let hasWords =
        tally.words.count > 0 || isText && tally.levels.contains { !TableCell.isNumber($0.key) }
      let cells = rows + dropped - tally.missing.count
      return HeaderRule.Column(
        hasNumbers: isText
          ? tally.levels.contains { TableCell.isNumber($0.key) } : cells > tally.words.count,
        hasWords: hasWords,
        repeatsFirst: tally.levels[layout.first[column]] != nil)
    }
    return HeaderRule(layout.first.map { ($0, TableCell($0)) }, columns: columns).isHeader
  }
}

extension TablePart {
  /// The rows that are looked at for ids.
  private static let idSample = 10_000

  /// Columns of numbers that look like ids, by the first rows: the first column of a table without
  /// names, or a column with such a name, of integers that are nearly all distinct.
  fileprivate var columnsLikeIDs: [Int] {
    features.enumerated().filter { place, column in
      layout.uses[column] == .number && hasNameOfID(column) && hasDistinctIntegers(place)
    }.map(\.element)
  }

  /// The distinct numbers of the first target, if they are few enough for classes.
  fileprivate var fewTargetNumbers: [Double]? {
    guard tallies[layout.targets[0]].words.count > 0 else { return [] }
    var numbers: Set<Double> = []
    for case let block? in blocks {
      for row in 0..<block.rows where !block.targets[row * layout.targets.count].isNaN {
        numbers.insert(block.targets[row * layout.targets.count])
        if numbers.count > TargetRule.mostClasses { return nil }
      }
    }
    return numbers.sorted()
  }

  private func hasNameOfID(_ column: Int) -> Bool {
    guard layout.hasHeader else { return column == 0 }
    let name = layout.names[column].lowercased()
    return ["id", "key", "index", "no", "no.", "nr", "row", "uuid"].contains(name)
      || ["_id", " id", "-id", ".id"].contains { name.hasSuffix($0) }
      || ["id_", "id "].contains { name.hasPrefix($0) } || layout.names[column].hasSuffix("Id")
      || layout.names[column].hasSuffix("ID")
  }

  private func hasDistinctIntegers(_ place: Int) -> Bool {
    guard let block = blocks.first ?? nil, block.rows >= 20 else { return false }
    let count = min(block.rows, Self.idSample)
    let numbers = (0..<count).map { Float(bitPattern: block.features[$0 * features.count + place]) }
    guard numbers.allSatisfy({ $0 == $0.rounded() }) else { return false }
    // Float32 can't tell larger integers apart.
    return Set(numbers).count * 10 >= count * 9 || (numbers.max() ?? 0) >= 16_777_216
  }
}
