// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

/// An error code of MPI, and what MPI says about it.
///
/// MPI 3.1, section 8.4.
public struct MPIFailure: Equatable, Sendable, CustomStringConvertible {
  /// The MPI function that failed, `MPI_Recv` for example.
  public let call: String
  /// The code that it returned; each MPI library has its own.
  public let code: Int
  /// The standard's class of that code, such as 15 for `MPI_ERR_TRUNCATE`.
  public let errorClass: Int
  /// MPI's own text for the code.
  public let text: String
  /// This rank in the world; `nil` if it isn't known yet.
  public let rank: Int?

  /// A failure of which everything is known.
  public init(call: String, code: Int, errorClass: Int, text: String, rank: Int?) {
    self.call = call
    self.code = code
    self.errorClass = errorClass
    self.text = text
    self.rank = rank
  }

  /// Asks MPI for the class and text of `code`.
  init(asking code: Int32, call: String, rank: Int?) {
    var errorClass: Int32 = -1
    MPI_Error_class(code, &errorClass)
    let text = textFromMPI(capacity: clockstep_max_error_string) { text, length in
      MPI_Error_string(code, text, length)
    }
    self.init(call: call, code: Int(code), errorClass: Int(errorClass), text: text, rank: rank)
  }

  /// The failure in one sentence.
  public var description: String {
    let place = rank.map { " on rank \($0)" } ?? ""
    return "\(call) failed\(place): \(text) (code \(code), class \(errorClass))"
  }
}

/// The text that an MPI function writes together with its length.
func textFromMPI(
  capacity: Int, _ fill: (UnsafeMutablePointer<CChar>, UnsafeMutablePointer<Int32>) -> Int32
) -> String {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity + 1) { text in
    text.initialize(repeating: 0)
    guard let start = text.baseAddress else { return "" }
    var length: Int32 = 0
    guard fill(start, &length) == clockstep_success else { return "no text" }
    return String(cString: start)
  }
}
