// SPDX-License-Identifier: Apache-2.0

/// Why the program ends: an exit status, and a message of one line for the user.
///
/// The errors of each module conform to ``ReportableError``. In the end each becomes a `Failure`, which
/// ranks can also send to one another.
public struct Failure: Error, Hashable, Sendable, Codable, CustomStringConvertible {
  /// The exit status.
  public let status: ExitStatus
  /// What is wrong, where, and what to do.
  public let message: String

  /// Creates a failure.
  public init(_ status: ExitStatus, _ message: String) {
    self.status = status
    self.message = message
  }

  /// The failure that an error leads to.
  ///
  /// An error that does not conform to ``ReportableError`` is an internal error.
  public init(_ error: any Error) {
    switch error {
    case let failure as Failure: self = failure
    case let error as any ReportableError: self.init(error.exitStatus, error.description)
    default: self.init(.internalError, "\(error)")
    }
  }

  /// The message.
  public var description: String { message }
}

/// An error with an exit status and a description of one line.
public protocol ReportableError: Error, CustomStringConvertible {
  /// The exit status of a program that ends because of this error.
  var exitStatus: ExitStatus { get }
}

/// The exit status of a process: those of `sysexits.h`, and 128 plus the number of a signal.
public struct ExitStatus: RawRepresentable, Hashable, Sendable, Codable {
  /// The number that the process returns to its parent.
  public let rawValue: Int32

  /// Wraps a number.
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// Success.
  public static let success = ExitStatus(rawValue: 0)
  /// The command line is invalid (`EX_USAGE`).
  public static let usage = ExitStatus(rawValue: 64)
  /// The content of data or of a checkpoint is invalid (`EX_DATAERR`).
  public static let badData = ExitStatus(rawValue: 65)
  /// An input is missing or can't be read (`EX_NOINPUT`).
  public static let missingInput = ExitStatus(rawValue: 66)
  /// A host, or MPI, is unavailable (`EX_UNAVAILABLE`).
  public static let unavailable = ExitStatus(rawValue: 69)
  /// A bug in this program (`EX_SOFTWARE`).
  public static let internalError = ExitStatus(rawValue: 70)
  /// An output can't be created (`EX_CANTCREAT`).
  public static let cannotCreate = ExitStatus(rawValue: 73)
  /// Reading or writing failed (`EX_IOERR`).
  public static let inputOutput = ExitStatus(rawValue: 74)
  /// A peer was lost, or the job hung: restarting may help (`EX_TEMPFAIL`).
  public static let lostPeer = ExitStatus(rawValue: 75)
  /// Ranks disagree on data, version or weights (`EX_PROTOCOL`).
  public static let mismatch = ExitStatus(rawValue: 76)
  /// The configuration is invalid, or training diverged (`EX_CONFIG`).
  public static let configuration = ExitStatus(rawValue: 78)

  /// The status of a process that was terminated by a signal.
  public static func signal(_ number: Int32) -> ExitStatus { ExitStatus(rawValue: 128 + number) }
}

/// An error in the communication between ranks, of which the other ranks can't be informed.
public protocol CommunicationError: ReportableError {}
