// SPDX-License-Identifier: Apache-2.0

/// Why the program ends: an exit status, and one sentence for the person at the terminal.
///
/// Each module's errors conform to ``ReportableError``, which states the status beside the error. A
/// `Failure` is what any of them becomes at the end, and what ranks tell each other.
public struct Failure: Error, Hashable, Sendable, Codable, CustomStringConvertible {
  /// The exit status.
  public let status: ExitStatus
  /// What is wrong, where, and what to do about it.
  public let message: String

  /// A failure with its status and message.
  public init(_ status: ExitStatus, _ message: String) {
    self.status = status
    self.message = message
  }

  /// What an error means to the person at the terminal.
  ///
  /// An error that doesn't conform to ``ReportableError`` is an internal error.
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

/// An error that states the exit status that it leads to, and describes itself in one sentence.
public protocol ReportableError: Error, CustomStringConvertible {
  /// The exit status that a program ends with because of this error.
  var exitStatus: ExitStatus { get }
}

/// The exit status of a process: those of `sysexits.h`, and 128 plus the number of a signal.
public struct ExitStatus: RawRepresentable, Hashable, Sendable, Codable {
  /// The number that the process returns.
  public let rawValue: Int32

  /// The status of that number.
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// All went well.
  public static let success = ExitStatus(rawValue: 0)
  /// The command line is wrong (`EX_USAGE`).
  public static let usage = ExitStatus(rawValue: 64)
  /// The content of data or of a checkpoint is wrong (`EX_DATAERR`).
  public static let badData = ExitStatus(rawValue: 65)
  /// An input is missing or can't be read (`EX_NOINPUT`).
  public static let missingInput = ExitStatus(rawValue: 66)
  /// A host, or MPI, is unavailable (`EX_UNAVAILABLE`).
  public static let unavailable = ExitStatus(rawValue: 69)
  /// A bug of this program (`EX_SOFTWARE`).
  public static let internalError = ExitStatus(rawValue: 70)
  /// An output can't be created (`EX_CANTCREAT`).
  public static let cannotCreate = ExitStatus(rawValue: 73)
  /// Reading or writing failed (`EX_IOERR`).
  public static let inputOutput = ExitStatus(rawValue: 74)
  /// A peer was lost, or the job hung: restarting may help (`EX_TEMPFAIL`).
  public static let lostPeer = ExitStatus(rawValue: 75)
  /// Ranks disagree on data, version or weights (`EX_PROTOCOL`).
  public static let mismatch = ExitStatus(rawValue: 76)
  /// The configuration is bad, or training diverged (`EX_CONFIG`).
  public static let configuration = ExitStatus(rawValue: 78)

  /// The process was ended by a signal.
  public static func signal(_ number: Int32) -> ExitStatus { ExitStatus(rawValue: 128 + number) }
}

/// An error of the communication between ranks: the others can't be told of it.
public protocol CommunicationError: ReportableError {}
