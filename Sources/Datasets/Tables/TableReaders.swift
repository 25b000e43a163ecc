// SPDX-License-Identifier: Apache-2.0
internal import Foundation
public import NeuralCore

/// The processes that read one table together, each a part of it.
///
/// They share memory. Processes on other hosts, which read the table for themselves, call all functions
/// at the same times.
public protocol TableReaders {
  /// This process's place among those that read the table together.
  var index: Int { get }
  /// The number of processes that read the table together.
  var count: Int { get }

  /// Does something that may fail; what fails for one fails for all, on all hosts.
  func agree<Success>(_ body: () throws -> Success) throws -> Success
  /// The values of all that read the table together, in the order of its parts.
  func gather<Value: Codable>(_ value: Value) throws -> [Value]
  /// Whether something holds for any process, on any host.
  func any(_ isTrue: Bool) throws -> Bool
  /// Has one process after the other continue what the one before it has left.
  ///
  /// - Returns: what the last one has left.
  func inTurn<Value: Codable>(_ start: Value, _ body: (Value) throws -> Value) throws -> Value
  /// Memory that all of them share, zero before each of them fills its part.
  ///
  /// - Returns: nil if there is not enough.
  func share(bytes: Int, fill: (UnsafeMutableRawPointer) -> Void) throws -> AlignedBuffer<UInt8>?
}

/// A process that reads a table alone.
public struct SingleTableReader: TableReaders {
  public let index = 0
  public let count = 1

  /// One process.
  public init() {}

  public func agree<Success>(_ body: () throws -> Success) throws -> Success { try body() }
  public func gather<Value: Codable>(_ value: Value) throws -> [Value] { [value] }
  public func any(_ isTrue: Bool) throws -> Bool { isTrue }
  public func inTurn<Value: Codable>(
    _ start: Value, _ body: (Value) throws -> Value
  ) throws -> Value {
    try body(start)
  }

  public func share(bytes: Int, fill: (UnsafeMutableRawPointer) -> Void) throws -> AlignedBuffer<
    UInt8
  >? {
    Self.allocate(bytes: bytes, fill)
  }

  /// Memory of this process, zero before it is filled; nil if there is not enough.
  public static func allocate(
    bytes: Int, _ fill: (UnsafeMutableRawPointer) -> Void
  ) -> AlignedBuffer<UInt8>? {
    guard let memory = MappedMemory(bytes: bytes) else { return nil }
    fill(memory.base)
    return AlignedBuffer(
      memory.base.bindMemory(to: UInt8.self, capacity: bytes), count: bytes, ownedBy: memory)
  }
}

/// Memory of zeros that takes room only once it is written to.
final class MappedMemory {
  let base: UnsafeMutableRawPointer
  private let bytes: Int

  init?(bytes: Int) {
    self.bytes = max(bytes, 64)
    guard
      let base = mmap(nil, self.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      base != MAP_FAILED
    else { return nil }
    self.base = base
  }

  deinit { munmap(base, bytes) }
}
