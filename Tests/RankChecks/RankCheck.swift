// SPDX-License-Identifier: Apache-2.0
import MessagePassing

/// What every rank runs; it throws if what it finds is wrong.
typealias RankCheck = @Sendable (MPIEnvironment) throws -> Void

/// What a check found, and where.
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

/// Fails the check unless the body throws an error of MPI that is accepted.
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
