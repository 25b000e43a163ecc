// SPDX-License-Identifier: Apache-2.0
internal import CZlib
internal import Failures
internal import Files
internal import Foundation

/// A text that is read piece by piece: a file, compressed by gzip or not, standard input, or memory.
///
/// Content decides whether it is compressed (RFC 1952); members one after another are one text.
final class TextSource {
  /// The path of standard input.
  static let standardInput = "-"

  /// The file's path, for error messages.
  let path: String
  private let file: gzFile?
  private let isSeekableFile: Bool
  private var memory: ArraySlice<UInt8> = []

  /// Opens a file, or standard input.
  ///
  /// - Throws: ``DatasetError/unreadable(path:reason:)``.
  init(_ path: String) throws(DatasetError) {
    let isInput = path == Self.standardInput
    self.path = isInput ? "standard input" : path
    isSeekableFile = !isInput
    // A folder or a pipe is refused before zlib would read it.
    if !isInput { _ = try InputFile<DatasetError>(path: path) }
    guard let file = isInput ? gzdopen(dup(0), "rb") : gzopen(path, "rb") else {
      throw .unreadable(path: path, reason: SystemError.lastText)
    }
    self.file = file
    gzbuffer(file, 1 << 18)
  }

  /// Reads from memory.
  init(_ bytes: [UInt8], path: String) {
    self.path = path
    isSeekableFile = false
    file = nil
    memory = bytes[...]
  }

  deinit {
    if let file { gzclose(file) }
  }

  /// Whether the text is a file's own bytes, so that reading can start anywhere.
  var isSeekable: Bool { file.map { isSeekableFile && gzdirect($0) == 1 } ?? false }

  /// Continues at byte `offset` of a seekable text.
  func seek(to offset: Int) throws(DatasetError) {
    guard gzseek(file, offset, SEEK_SET) == offset else {
      throw .unreadable(path: path, reason: SystemError.lastText)
    }
  }

  /// Reads at most as many bytes as `target` holds; 0 at the end.
  ///
  /// - Throws: ``DatasetError/malformed(path:place:problem:)`` for damaged gzip files.
  func read(_ target: UnsafeMutableRawBufferPointer) throws(DatasetError) -> Int {
    guard let file else {
      let piece = memory.prefix(target.count)
      target.copyBytes(from: piece)
      memory = memory.dropFirst(piece.count)
      return piece.count
    }
    let count = gzread(file, target.baseAddress, UInt32(min(target.count, 1 << 30)))
    var code = Z_OK
    if count <= 0 { _ = gzerror(file, &code) }
    switch code {
    case Z_OK, Z_STREAM_END: return max(Int(count), 0)
    case Z_BUF_ERROR: throw .malformed(path, "truncated gzip file: copy it again")
    case Z_ERRNO: throw .unreadable(path: path, reason: SystemError.lastText)
    default: throw .malformed(path, "damaged gzip file: copy it again")
    }
  }
}

/// The records of a table's text, one after another, in constant memory.
final class TableRecords {
  /// The text's path, for error messages.
  let path: String
  /// Whether a quote has been met in a text that starts in the middle of a file, where it can't be
  /// known whether the text before it is quoted.
  private(set) var hasAmbiguousQuotes = false
  /// Whether records start before the first line feed of a text that starts in the middle of a file.
  private(set) var hasAmbiguousLineEnds = false

  private let source: TextSource
  private var memory: UnsafeMutablePointer<UInt8>
  private var capacity = 1 << 20
  private var filled = 0
  private var position = 0
  /// The offset in the text of the first byte in memory.
  private var offset = 0
  /// Records that start here or later are not read.
  private var end = Int.max
  private var looksForQuotes = false
  private var isAtEnd = false
  private var scanner = TableScanner(.comma)

  /// The largest record that is read, in bytes.
  private static let largestRecord = 1 << 26

  /// Opens a text, and reads its first piece.
  ///
  /// - Throws: ``DatasetError`` also for a text in UTF-16.
  init(_ source: TextSource) throws(DatasetError) {
    path = source.path
    self.source = source
    memory = .allocate(capacity: capacity)
    while filled < capacity, !isAtEnd { try fill() }
    try skipByteOrderMark()
    // The first records decide how all are read; a line may be longer than the first piece.
    while !isAtEnd, filled < Self.largestRecord, !hasTwoLines { try fill() }
  }

  deinit { memory.deallocate() }

  /// What separates the fields.
  var separator: TableSeparator {
    get { scanner.separator }
    set { scanner = TableScanner(newValue) }
  }
  /// The fields of the last record, as places from ``base``.
  var fields: [TableField] { scanner.fields }
  /// The line on which the last record starts, counted from where reading started.
  var line: Int { scanner.line }
  /// The number of lines read.
  var lines: Int { scanner.nextLine - 1 }
  /// The text that the last record's fields lie in; valid until the next record.
  var base: UnsafePointer<UInt8> { UnsafePointer(memory) }
  /// Whether lines end in line feeds, by the first piece of the text.
  var hasLineFeeds: Bool { memchr(memory, 10, filled) != nil }
  /// Whether reading can start anywhere in the text.
  var isSeekable: Bool { source.isSeekable }
  /// The offset in the text of the next record.
  var nextOffset: Int { offset + position }

  /// Reads the next record; false at the end.
  func next() throws(DatasetError) -> Bool {
    while true {
      guard nextOffset < end else { return false }
      let start = position
      let text = UnsafeBufferPointer(start: base, count: filled)
      switch scanner.next(text, &position, isLast: isAtEnd) {
      case .record:
        // Blank lines may have led beyond the end.
        guard offset + scanner.start < end else { return false }
        try requireUTF8(start..<position)
        return true
      case .end: return false
      case .badQuotes:
        throw badQuotes(line: scanner.nextLine)
      case .tooManyFields:
        throw .malformed(
          path: path, place: "line \(scanner.nextLine)", problem: "more than a million fields")
      case .incomplete: try fill()
      }
    }
  }

  private func badQuotes(line: Int) -> DatasetError {
    .malformed(
      path: path, place: "line \(line)",
      problem: "a quoted field has no closing quote, or is followed by text")
  }

  /// Reads the next record if it consists of plain fields; see ``TableScanner``.
  @inline(__always)
  func nextPlain(
    places: UnsafeBufferPointer<CellPlace>, features: UnsafeMutablePointer<UInt32>,
    targets: UnsafeMutablePointer<Double>, words: UnsafeMutablePointer<TableField>
  ) -> Int? {
    guard nextOffset < end else { return nil }
    return scanner.plain(
      UnsafeBufferPointer(start: base, count: filled), &position, places: places,
      features: features, targets: targets, words: words)
  }

  /// The text of a field of the last record.
  func text(_ field: TableField) -> String {
    let text = String(decoding: bytes(field), as: UTF8.self)
    return field.hasDoubledQuotes ? text.replacing("\"\"", with: "\"") : text
  }

  /// The Float32 of a field whose number is known; infinite if it is too large for one.
  func float(_ number: Double, _ field: TableField) -> Float {
    // Booleans and infinities are no digits.
    number == 0 || number == 1 || !number.isFinite
      ? Float(number)
      : DecimalNumber.float(number, isExact: true, base + field.start, field.end - field.start)
  }

  /// The bytes of a field of the last record, quotes inside still doubled.
  func bytes(_ field: TableField) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: base + field.start, count: field.end - field.start)
  }

  /// Makes no record follow.
  func skipAll() { end = 0 }

  /// Limits reading to the records that start in a range of the text's bytes.
  ///
  /// The first of them starts after the first line feed at or after the byte before the range; a
  /// range that starts at `first`, where a record starts, includes that.
  func limit(to range: Range<Int>, first: Int) throws(DatasetError) {
    guard range.lowerBound > first else {
      end = range.upperBound
      looksForQuotes = true
      hasAmbiguousQuotes = memchr(memory + position, 0x22, filled - position) != nil
      return
    }
    try source.seek(to: range.lowerBound - 1)
    (filled, position, offset, isAtEnd) = (0, 0, range.lowerBound - 1, false)
    (end, looksForQuotes) = (range.upperBound, true)
    scanner = TableScanner(separator)
    var previous: UInt8 = 0
    while true {
      try fill()
      for place in position..<filled {
        // Where lines end in CR alone, a record starts before the line feed.
        if previous == 13, memory[place] != 10 { hasAmbiguousLineEnds = true }
        previous = memory[place]
        guard previous == 10 else { continue }
        position = place + 1
        return
      }
      position = filled
      if isAtEnd {
        if previous == 13 { hasAmbiguousLineEnds = true }
        return
      }
    }
  }

  /// Moves what is not read yet to the front of the buffer, and reads more behind it.
  private func fill() throws(DatasetError) {
    if position > 0 {
      let rest = filled - position
      memory.update(from: memory + position, count: rest)
      offset += position
      (filled, position) = (rest, 0)
    }
    if filled == capacity { try grow() }
    let count = try source.read(
      UnsafeMutableRawBufferPointer(start: memory + filled, count: capacity - filled))
    if looksForQuotes, memchr(memory + filled, 0x22, count) != nil { hasAmbiguousQuotes = true }
    filled += count
    isAtEnd = count == 0
  }

  private var hasTwoLines: Bool {
    let text = UnsafeBufferPointer(start: memory, count: filled)
    guard let first = text.firstIndex(where: { $0 == 10 || $0 == 13 }) else { return false }
    return text[(first + 1)...].dropFirst().contains { $0 == 10 || $0 == 13 }
  }

  private func grow() throws(DatasetError) {
    guard capacity < Self.largestRecord else {
      throw .malformed(
        path: path, place: "line \(scanner.nextLine)",
        problem: "a record of more than \(Self.largestRecord >> 20) MiB: is a quote missing?")
    }
    capacity *= 2
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
    larger.update(from: memory, count: filled)
    memory.deallocate()
    memory = larger
  }
}

// MARK: - Encoding

extension TableRecords {
  private func skipByteOrderMark() throws(DatasetError) {
    let start = (0..<min(filled, 4)).map { memory[$0] }
    if start.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    let isUTF16 =
      start.starts(with: [0xFF, 0xFE]) || start.starts(with: [0xFE, 0xFF])
      || start.count == 4 && (start[0] == 0) != (start[1] == 0)
        && (start[2] == 0) == (start[0] == 0)
        && (start[3] == 0) == (start[1] == 0)
    guard !isUTF16 else {
      throw .malformed(
        path, "it is in UTF-16: convert it with iconv -f UTF-16 -t UTF-8 \(path) > FILE.csv")
    }
    guard (0..<min(filled, 512)).contains(where: { memory[$0] == 0 }) else { return }
    let isIDX = start.starts(with: [0, 0]) && start.count == 4 && (0x08...0x0E).contains(start[2])
    let isNumPy = start.starts(with: NPYArray.magic.prefix(4))
    throw .malformed(
      path,
      isIDX
        ? "it is an IDX file: name the folder that it is in"
        : isNumPy
          ? "it is a NumPy file that gzip has compressed: decompress it with gunzip"
          : "it is neither a text nor a NumPy file")
  }

  private func requireUTF8(_ range: Range<Int>) throws(DatasetError) {
    let bytes = UnsafeBufferPointer(start: base + range.lowerBound, count: range.count)
    var high: UInt8 = 0
    for byte in bytes { high |= byte }
    guard high >= 0x80, String(validating: bytes, as: UTF8.self) == nil else { return }
    throw .malformed(
      path: path, place: "line \(line)",
      problem: "it is not in UTF-8, but most likely in Latin-1 or Windows-1252: convert it with "
        + "iconv -f WINDOWS-1252 -t UTF-8 \(path) > FILE.csv")
  }
}

// MARK: - Separator

extension TableRecords {
  /// The first records, at most `count`, as texts and as what their cells are; reading stays where it
  /// is.
  func firstRecords(_ count: Int) -> [[(text: String, cell: TableCell)]] {
    var probe = TableScanner(separator)
    var place = position
    var records: [[(String, TableCell)]] = []
    while records.count < count, probe.next(text, &place, isLast: isAtEnd) == .record {
      records.append(probe.fields.map { (self.text($0), TableCell(base, $0)) })
    }
    return records
  }

  /// The separator that gives the same number of fields, at least 2, in the first 100 records.
  ///
  /// If several do, the one under which most fields are numbers, then the first.
  func findSeparator() throws(DatasetError) -> TableSeparator {
    var best: (separator: TableSeparator, score: Double)?
    var uneven: (problem: DatasetError, share: Double)?
    var badQuotes: DatasetError?
    for separator in TableSeparator.allCases {
      switch fit(separator) {
      case .even(let score): if score > (best?.score ?? -1) { best = (separator, score) }
      case .uneven(let problem, let share):
        if share > (uneven?.share ?? 0.5) { uneven = (problem, share) }
      case .badQuotes(let problem): if badQuotes == nil { badQuotes = problem }
      case .none: break
      }
    }
    if let best { return best.separator }
    if let uneven { throw uneven.problem }
    if let badQuotes { throw badQuotes }
    throw .malformed(
      path,
      firstRecords(1).isEmpty
        ? "it has no rows"
        : "no separator found: none of , ; tab | or blanks gives the first records the same number "
          + "of fields, at least 2; name it with --separator, or correct the lines")
  }

  private enum Fit {
    /// All records have the same number of fields; the share of numbers among the cells.
    case even(score: Double)
    /// Quotes can't be read where the separator has divided the records before.
    case badQuotes(problem: DatasetError)
    /// Some records have another number of fields; the share of those that have the usual one.
    case uneven(problem: DatasetError, share: Double)
    case none
  }

  private func fit(_ separator: TableSeparator) -> Fit {
    var probe = TableScanner(separator)
    var place = position
    if countsLine(separator) != nil { _ = probe.next(text, &place, isLast: isAtEnd) }
    var (widths, lines): ([Int], [Int]) = ([], [])
    var (cells, numbers) = (0, 0)
    scan: while widths.count < 100 {
      switch probe.next(text, &place, isLast: isAtEnd) {
      case .record: break
      case .badQuotes:
        return .badQuotes(problem: badQuotes(line: probe.nextLine))
      case .tooManyFields: return .none
      case .incomplete, .end: break scan
      }
      widths.append(probe.fields.count)
      lines.append(probe.line)
      guard widths.count > 1 else { continue }
      cells += probe.fields.count
      numbers += probe.fields.count { isNumberLike($0) }
    }
    guard
      let usual = Dictionary(grouping: widths, by: { $0 }).max(by: {
        ($0.value.count, $0.key) < ($1.value.count, $1.key)
      }), usual.key >= 2
    else { return .none }
    guard let odd = widths.firstIndex(where: { $0 != usual.key }) else {
      return .even(score: cells == 0 ? 0 : Double(numbers) / Double(cells))
    }
    return .uneven(
      problem: Self.unevenRecord(
        path, line: lines[odd], fields: widths[odd], expected: usual.key, separator),
      share: Double(usual.value.count) / Double(widths.count))
  }

  /// The text of memory that is filled.
  private var text: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: base, count: filled) }

  /// The first line's text if it is that of scikit-learn's own files: the numbers of rows and of
  /// features and the names of the classes.
  private func countsLine(_ separator: TableSeparator) -> String? {
    var probe = TableScanner(separator)
    var place = position
    guard probe.next(text, &place, isLast: isAtEnd) == .record, probe.fields.count >= 4 else {
      return nil
    }
    let first = probe.fields.map { self.text($0) }
    guard let rows = Int(first[0]), let features = Int(first[1]), rows > 0, features > 0,
      first.dropFirst(2).allSatisfy({ TableCell($0).isWord }),
      probe.next(text, &place, isLast: isAtEnd) == .record, probe.fields.count == features + 1
    else { return nil }
    return first.joined(separator: ",")
  }

  /// Passes over a first line of scikit-learn's own files, which is no record of the table.
  ///
  /// - Returns: the line; nil if there is none.
  func skipCountsLine() throws(DatasetError) -> String? {
    guard let line = countsLine(separator) else { return nil }
    _ = try next()
    return line
  }

  private func isNumberLike(_ field: TableField) -> Bool {
    switch TableCell(base, field) {
    case .number, .missing: true
    case .word: TableCell.foreignNumber(text(field)) != nil
    }
  }

  /// The error for a record with another number of fields than the others.
  static func unevenRecord(
    _ path: String, line: Int, fields: Int, expected: Int, _ separator: TableSeparator
  ) -> DatasetError {
    .malformed(
      path: path, place: "line \(line)",
      problem:
        "\(fields) \(fields == 1 ? "field" : "fields") separated by \(separator.name), expected \(expected): correct the "
        + "line, or put fields with a \(separator.name) inside in double quotes")
  }
}
