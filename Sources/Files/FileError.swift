// SPDX-License-Identifier: Apache-2.0
package import Failures

/// Why a file could not be read or written.
package enum FileError: Error, Equatable, Sendable {
  /// The file does not exist, or this process may not open it.
  case cannotOpen(path: String, SystemError)
  /// The path names a folder, a pipe or a device.
  case notRegularFile(path: String)
  /// The file has become shorter since it was opened.
  case endsEarly(path: String)
  /// The system reported an error during a read.
  case readFailed(path: String, reason: String)
  /// The system reported an error while the file was created or written.
  case writeFailed(path: String, reason: String)
}

/// The errors of a module that reads or writes files.
///
/// `InputFile` and `OutputFile` throw the error type of the module that uses them, so each module
/// decides on messages and exit statuses in one place.
package protocol FileErrorConvertible: Error {
  /// The module's error for a failure to read or write a file.
  init(_ error: FileError)
}

extension FileError: FileErrorConvertible {
  package init(_ error: FileError) { self = error }
}
