// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import NeuralCore
import TestSupport

/// Threads that read a table together, in place of the processes of a host.
final class ThreadedReaders: TableReaders {
  let index: Int
  var count: Int { barrier.count }
  private let barrier: Barrier

  private init(_ index: Int, _ barrier: Barrier) {
    self.index = index
    self.barrier = barrier
  }

  /// Loads a table with `count` threads.
  ///
  /// - Returns: what each of them has got.
  static func load(
    _ path: String, _ options: LoadOptions, count: Int
  ) throws -> [Result<LoadedData, any Error>] {
    let barrier = Barrier(count)
    let work = (0..<count).map { index in
      Background {
        Result {
          try Dataset.load(
            .table(path: path), options, readers: ThreadedReaders(index, barrier))
        }
      }
    }
    return try work.map { try $0.value() }
  }

  func agree<Success>(_ body: () throws -> Success) throws -> Success {
    let result = Result { try body() }
    var error: (any Error)?
    if case .failure(let own) = result { error = own }
    let errors = try barrier.exchange(error, at: index)
    if let first = errors.compactMap({ $0 as? any Error }).first { throw first }
    return try result.get()
  }

  func gather<Value: Codable>(_ value: Value) throws -> [Value] {
    // As between processes, values are passed on as text.
    let all = try barrier.exchange(try JSONEncoder().encode([value]), at: index)
    return try all.compactMap { $0 as? Data }.map {
      try JSONDecoder().decode([Value].self, from: $0)[0]
    }
  }

  func any(_ isTrue: Bool) throws -> Bool { try gather(isTrue).contains(true) }

  func inTurn<Value: Codable>(_ start: Value, _ body: (Value) throws -> Value) throws -> Value {
    var value = start
    for turn in 0..<count {
      let all = try gather(turn == index ? try body(value) : value)
      value = all[turn]
    }
    return value
  }

  func share(bytes: Int, fill: (UnsafeMutableRawPointer) -> Void) throws -> AlignedBuffer<UInt8>? {
    let own = index == 0 ? SingleTableReader.allocate(bytes: bytes) { _ in } : nil
    let memory = try barrier.exchange(own, at: index)[0] as? AlignedBuffer<UInt8>
    if let memory { fill(UnsafeMutableRawPointer(memory.base)) }
    _ = try barrier.exchange(nil, at: index)
    return memory
  }
}

/// A point at which threads exchange values.
private final class Barrier: @unchecked Sendable {
  // Unchecked: `values` and `round` are only touched while the lock is held.

  let count: Int
  private let condition = NSCondition()
  private var values: [Any?]
  private var previous: [Any?] = []
  private var arrived = 0
  private var round = 0

  init(_ count: Int) {
    self.count = count
    values = Array(repeating: nil, count: count)
  }

  /// Hands over a value, and waits for those of all others.
  func exchange(_ value: Any?, at index: Int) throws -> [Any?] {
    condition.lock()
    defer { condition.unlock() }
    values[index] = value
    arrived += 1
    if arrived == count {
      previous = values
      values = Array(repeating: nil, count: count)
      arrived = 0
      round += 1
      condition.broadcast()
      return previous
    }
    let own = round
    while round == own {
      guard condition.wait(until: Date() + hangLimit) else {
        throw WaitTimedOut(condition: "all \(count) readers come to the same exchange")
      }
    }
    return previous
  }
}
