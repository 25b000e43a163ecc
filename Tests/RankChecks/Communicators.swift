// SPDX-License-Identifier: Apache-2.0
import MessagePassing

/// Runs a check on every kind of communicator that the job can make.
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
  /// Sends numbers that nobody else keeps.
  func send<Element: MessageElement>(
    _ elements: [Element], to destination: Int, tag: Int = 0
  ) throws {
    try elements.withUnsafeBufferPointer { try send($0, to: destination, tag: tag) }
  }
}

/// A type whose messages are checked.
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

/// Every type that messages carry.
let elementTypes: [any CheckedElement.Type] = [
  Float.self, Double.self, Int32.self, Int64.self, Int.self, UInt8.self, UInt32.self, UInt64.self,
]

/// Counts that messages are checked with.
let elementCounts = [0, 1, 17, 1000]

/// A block whose numbers tell who made it for whom.
func block<Element: CheckedElement>(
  _ type: Element.Type, from source: Int, to destination: Int = 0, count: Int
) -> [Element] {
  (0..<count).map { Element(checked: 37 * source + 11 * destination + $0 % 101) }
}

/// Memory that lives as long as a request that owns it.
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
