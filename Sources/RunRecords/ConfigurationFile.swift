// SPDX-License-Identifier: Apache-2.0
internal import Failures
internal import Files
internal import Yams

/// A configuration file: a YAML mapping, one option per line.
///
/// Before a file is parsed it is checked for what could make a YAML parser use unbounded time or
/// memory: size, nesting and aliases.
public enum ConfigurationFile {
  /// The maximum size of a file, in bytes.
  private static let maximumSize = 1 << 20

  /// Reads a file's bytes.
  ///
  /// - Throws: ``RunRecordError``: `.missing` if it does not exist or can't be read,
  ///   `.badConfiguration` if it is not a regular file or too large.
  public static func bytes(path: String) throws(RunRecordError) -> [UInt8] {
    do throws(FileError) {
      let file = try InputFile<FileError>(path: path)
      if file.size <= maximumSize { return try file.bytes(at: 0, count: file.size) }
    } catch {
      throw unreadable(error)
    }
    throw .badConfiguration("\(path): larger than 1 MiB; not a configuration file")
  }

  private static func unreadable(_ error: FileError) -> RunRecordError {
    switch error {
    case .cannotOpen(let path, let error): .missing("\(path): \(error.text)")
    case .notRegularFile(let path):
      .badConfiguration("\(path): not a file; specify a configuration file")
    case .endsEarly(let path): .missing("\(path): the file is truncated")
    case .readFailed(let path, let reason), .writeFailed(let path, let reason):
      .missing("\(path): \(reason)")
    }
  }

  /// A key of the file with its value.
  package struct Entry: Equatable {
    package let key: String
    package let value: ConfigurationValue
    /// The line of the key, from 1.
    package let line: Int
  }

  /// The entries in a file's bytes, in the order of the file.
  ///
  /// - Throws: ``RunRecordError/badConfiguration(_:)`` with file and line if the bytes are not a YAML
  ///   mapping or exceed the limits.
  package static func entries(of bytes: [UInt8], path: String) throws(RunRecordError) -> [Entry] {
    let byteOrderMark = "\u{FEFF}".utf8
    let content =
      bytes.starts(with: byteOrderMark) ? bytes.dropFirst(byteOrderMark.count) : bytes[...]
    guard bytes.count <= maximumSize, let text = String(validating: content, as: UTF8.self) else {
      throw .badConfiguration("\(path): not UTF-8 text")
    }
    try checkLimits(content, path: path)
    let root = try compose(text, path: path)
    guard let root, root.scalar?.string.isEmpty != true else { return [] }
    guard let mapping = root.mapping else {
      throw .badConfiguration("\(path): expected one option per line, such as 'batch: 128'")
    }
    var entries: [Entry] = []
    for (key, value) in mapping {
      let line = key.mark?.line ?? 1
      guard let name = key.scalar?.string else {
        throw .badConfiguration("\(path), line \(line): a key must be an option name")
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
    case .mapping(let items): mapping(items)
    case .alias: .other
    }
  }

  private static func mapping(_ items: Node.Mapping) -> ConfigurationValue {
    var entries: [ConfigurationValue.MappingEntry] = []
    for (key, value) in items {
      guard let key = key.scalar?.string, let value = value.scalar else { return .other }
      entries.append(ConfigurationValue.MappingEntry(key: key, value: scalar(value)))
    }
    return .mapping(entries)
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
      throw .badConfiguration("\(path), line \(mark.line): invalid YAML: \(problem)")
    } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
      let key = ConfigurationValue.oneLine(keys.first ?? "")
      throw .badConfiguration("\(path), line \(context.mark.line): \(key) is given twice")
    } catch YamlError.reader(let problem, _, _, _) {
      throw .badConfiguration("\(path): invalid YAML: \(problem)")
    } catch {
      throw .badConfiguration("\(path): invalid YAML")
    }
  }

  /// The maximum number of brackets and braces in a file, which bounds their nesting.
  private static let maximumBrackets = 64
  /// The maximum indentation of a line, which bounds the nesting of block collections.
  private static let maximumIndentation = 64

  /// Rejects what options never need but can make a parser use unbounded time or memory.
  ///
  /// Aliases let a short text expand exponentially; deep nesting exhausts the stack. Anything that
  /// looks like either is rejected wherever it appears; in double quotes `*` can be written `\x2A`.
  private static func checkLimits(_ bytes: ArraySlice<UInt8>, path: String) throws(RunRecordError) {
    var brackets = 0
    for (number, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
      .enumerated()
    {
      let place = "\(path), line \(number + 1)"
      brackets += line.count { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "{") }
      guard brackets <= maximumBrackets else {
        throw .badConfiguration("\(place): more than \(maximumBrackets) brackets")
      }
      guard line.prefix(while: { " \t?:-".utf8.contains($0) }).count <= maximumIndentation else {
        throw .badConfiguration("\(place): indented by more than \(maximumIndentation) characters")
      }
      guard !hasAlias(line) else {
        throw .badConfiguration(
          "\(place): YAML anchors and aliases (& and *) are not supported; write the value out")
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
