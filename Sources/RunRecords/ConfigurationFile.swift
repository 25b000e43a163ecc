// SPDX-License-Identifier: Apache-2.0
internal import Failures
internal import Files
internal import Yams

/// A configuration file: YAML, one option a line.
///
/// A file is checked for what could make a reader of YAML work or remember without end (size,
/// nesting, aliases) before it is parsed.
public enum ConfigurationFile {
  /// The largest file that is read, in bytes.
  static let largestSize = 1 << 20

  /// Reads a file's bytes.
  ///
  /// - Throws: ``RunRecordError``: `.missingFile` where it is not there or can't be read,
  ///   `.badConfiguration` where it is no file or too large.
  public static func bytes(path: String) throws(RunRecordError) -> [UInt8] {
    do throws(FileError) {
      let file = try InputFile<FileError>(path: path)
      if file.size <= largestSize { return try file.bytes(at: 0, count: file.size) }
    } catch {
      throw unreadable(error)
    }
    throw .badConfiguration("\(path): larger than 1 MiB: this is no configuration file")
  }

  private static func unreadable(_ error: FileError) -> RunRecordError {
    switch error {
    case .cannotOpen(let path, let error): .missing("\(path): \(error.text)")
    case .notRegularFile(let path):
      .badConfiguration("\(path): not a file; name a configuration file")
    case .endsEarly(let path): .missing("\(path): the file is truncated")
    case .readFailed(let path, let reason), .writeFailed(let path, let reason):
      .missing("\(path): \(reason)")
    }
  }

  /// An option as the file has it.
  package struct Entry: Equatable {
    package let key: String
    package let value: ConfigurationValue
    /// The line of the key, 1 for the first.
    package let line: Int
  }

  /// The options in a file's bytes, in the order of the file.
  package static func entries(of bytes: [UInt8], path: String) throws(RunRecordError) -> [Entry] {
    guard bytes.count <= largestSize, let text = String(validating: bytes, as: UTF8.self) else {
      throw .badConfiguration("\(path): not a text in UTF-8")
    }
    try checkLimits(bytes, path: path)
    let root = try compose(text, path: path)
    guard let root, root.scalar?.string.isEmpty != true else { return [] }
    guard let mapping = root.mapping else {
      throw .badConfiguration("\(path): options are written one a line, as in 'batch: 128'")
    }
    var entries: [Entry] = []
    for (key, value) in mapping {
      let line = key.mark?.line ?? 1
      guard let name = key.scalar?.string else {
        throw .badConfiguration("\(path), line \(line): a key must be the name of an option")
      }
      entries.append(Entry(key: name, value: Self.value(value), line: line))
    }
    return entries
  }

  private static func value(_ node: Node) -> ConfigurationValue {
    switch node {
    case .scalar(let scalar): Self.scalar(scalar)
    case .sequence(let items):
      items.allSatisfy({ $0.scalar != nil })
        ? .list(items.compactMap { $0.scalar.map(Self.scalar) }) : .other
    case .mapping, .alias: .other
    }
  }

  private static func scalar(_ scalar: Node.Scalar) -> ConfigurationValue {
    guard scalar.style == .plain else { return .quoted(scalar.string) }
    return ["", "~", "null", "Null", "NULL"].contains(scalar.string) ? .none : .plain(scalar.string)
  }

  private static func compose(_ text: String, path: String) throws(RunRecordError) -> Node? {
    do {
      return try Parser(yaml: text, encoding: .utf8).singleRoot()
    } catch YamlError.scanner(_, let problem, let mark, _),
      YamlError.parser(_, let problem, let mark, _), YamlError.composer(_, let problem, let mark, _)
    {
      throw .badConfiguration("\(path), line \(mark.line): no YAML: \(problem)")
    } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
      let key = ConfigurationValue.oneLine(keys.first ?? "")
      throw .badConfiguration("\(path), line \(context.mark.line): \(key) is there twice")
    } catch YamlError.reader(let problem, _, _, _) {
      throw .badConfiguration("\(path): no YAML: \(problem)")
    } catch {
      throw .badConfiguration("\(path): no YAML")
    }
  }
}

extension ConfigurationFile {
  /// The most brackets and braces in a file, and so their deepest nesting.
  private static let mostBrackets = 64
  /// The farthest that a line may be indented, which bounds the nesting of what has no brackets.
  private static let farthestIndent = 64

  /// Refuses what options never need, and parsers work on without end.
  ///
  /// Aliases let a short text stand for an endless one; deep nesting exhausts the stack. What
  /// looks like either is refused wherever it stands: writing `*` in double quotes as `\x2A`
  /// is the way around.
  private static func checkLimits(_ bytes: [UInt8], path: String) throws(RunRecordError) {
    var brackets = 0
    for (number, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
      .enumerated()
    {
      let place = "\(path), line \(number + 1)"
      brackets += line.count { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "{") }
      guard brackets <= mostBrackets else {
        throw .badConfiguration("\(place): more than \(mostBrackets) brackets")
      }
      guard line.prefix(while: { " \t?:-".utf8.contains($0) }).count <= farthestIndent else {
        throw .badConfiguration("\(place): indented by more than \(farthestIndent) characters")
      }
      guard !hasAlias(line) else {
        throw .badConfiguration(
          "\(place): anchors and aliases (& and * before a name) are not read; write the value out")
      }
    }
  }

  private static func hasAlias(_ line: ArraySlice<UInt8>) -> Bool {
    var previous = UInt8(ascii: " ")
    for (index, byte) in zip(line.indices, line) {
      defer { previous = byte }
      guard byte == UInt8(ascii: "&") || byte == UInt8(ascii: "*") else { continue }
      let next = line[line.index(after: index)...].first ?? UInt8(ascii: " ")
      let isName = (0x30...0x39).contains(next) || (0x61...0x7A).contains(next | 0x20)
      if " \t\r[{,:?-!".utf8.contains(previous), isName || "_-".utf8.contains(next) || next >= 0x80
      {
        return true
      }
    }
    return false
  }
}
