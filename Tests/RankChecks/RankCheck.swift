// SPDX-License-Identifier: Apache-2.0
import MessagePassing

/// A check that every rank runs; it throws if it fails.
typealias RankCheck = @Sendable (MPIEnvironment) throws -> Void

/// Why a check failed, and where.
struct CheckFailure: Error, CustomStringConvertible {
  let what: String
  let place: String

  var description: String { "\(what) (\(place))" }
}

/// Fails the check unless a condition holds.
func require(
  _ holds: Bool, _ what: @autoclosure () -> String, file: String = #fileID, line: Int = #line
) throws {
  guard holds else { throw CheckFailure(what: what(), place: "\(file):\(line)") }
}

/// Fails the check unless both values are equal.
func requireEqual<Value: Equatable>(
  _ found: Value, _ expected: Value, _ what: @autoclosure () -> String = "", file: String = #fileID,
  line: Int = #line
) throws {
  try require(
    found == expected, "\(what()): found \(found), expected \(expected)", file: file, line: line)
}

/// Fails the check unless the body throws an `MPIError` that `accepted` returns true for.
func requireError(
  _ what: String, file: String = #fileID, line: Int = #line, _ body: () throws -> Void,
  is accepted: (MPIError) -> Bool
) throws {
  do {
    try body()
  } catch let error as MPIError {
    return try require(accepted(error), "\(what) threw: \(error)", file: file, line: line)
  }
  throw CheckFailure(what: "\(what) threw nothing", place: "\(file):\(line)")
}

/// Runs a check on every kind of communicator: predefined, duplicate, and split in several ways.
func onEachCommunicator(
  _ environment: MPIEnvironment, _ body: (Communicator) throws -> Void
) throws {
  let world = environment.world
  try body(environment.selfCommunicator)
  try body(world)
  let reversed = try world.split(color: 0, key: world.size - world.rank)
  let parity = try world.split(color: world.rank % 2, key: world.rank)
  let withoutFirst = try world.split(color: world.rank == 0 ? nil : 7)
  let derived = [
    try world.duplicate(), reversed, parity, withoutFirst, try world.splitBySharedMemory(),
  ]
  for communicator in derived.compactMap({ $0 }) {
    try body(communicator)
    try communicator.free()
  }
}

extension Communicator {
  /// Sends an array.
  func send<Element: MessageElement>(
    _ elements: [Element], to destination: Int, tag: Int = 0
  ) throws {
    try elements.withUnsafeBufferPointer { try send($0, to: destination, tag: tag) }
  }
}

/// An element type that the checks use, whose values are made from integers.
protocol CheckedElement: MessageElement, Equatable {
  init(checked: Int)
}

extension Float: CheckedElement { init(checked: Int) { self.init(checked) } }
extension Double: CheckedElement { init(checked: Int) { self.init(checked) } }
extension Int32: CheckedElement { init(checked: Int) { self.init(checked) } }
extension Int64: CheckedElement { init(checked: Int) { self.init(checked) } }
extension Int: CheckedElement { init(checked: Int) { self.init(checked) } }
extension UInt8: CheckedElement { init(checked: Int) { self.init(truncatingIfNeeded: checked) } }
extension UInt32: CheckedElement { init(checked: Int) { self.init(checked) } }
extension UInt64: CheckedElement { init(checked: Int) { self.init(checked) } }

/// Every element type.
let elementTypes: [any CheckedElement.Type] = [
  Float.self, Double.self, Int32.self, Int64.self, Int.self, UInt8.self, UInt32.self, UInt64.self,
]

/// The element counts that messages are checked with.
let elementCounts = [0, 1, 17, 1000]

/// A block whose elements depend on its source and destination.
func block<Element: CheckedElement>(
  _ type: Element.Type, from source: Int, to destination: Int = 0, count: Int
) -> [Element] {
  (0..<count).map { Element(checked: 37 * source + 11 * destination + $0 % 101) }
}

/// A buffer that can be the owner of a request.
final class Box<Element: CheckedElement> {
  let buffer: UnsafeMutableBufferPointer<Element>

  init(_ elements: [Element]) {
    buffer = .allocate(capacity: elements.count)
    _ = buffer.initialize(from: elements)
  }

  convenience init(count: Int) {
    self.init([Element](repeating: Element(checked: 99), count: count))
  }

  deinit { buffer.deallocate() }

  var elements: [Element] { Array(buffer) }
  var constant: UnsafeBufferPointer<Element> { UnsafeBufferPointer(buffer) }
}
