// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

/// How integers of all ranks become one.
///
/// MPI 3.1, section 5.9.2.
public enum IntegerReduction: Sendable {
  /// The sum, which must not overflow: Open MPI's AVX kernels saturate bytes, others wrap around.
  case sum
  /// The least.
  case minimum
  /// The greatest.
  case maximum
  /// The bits that are set on all ranks.
  case bitwiseAnd
  /// The bits that are set on any rank.
  case bitwiseOr

  var operation: MPI_Op {
    switch self {
    case .sum: clockstep_sum()
    case .minimum: clockstep_min()
    case .maximum: clockstep_max()
    case .bitwiseAnd: clockstep_bitwise_and()
    case .bitwiseOr: clockstep_bitwise_or()
    }
  }
}

/// Reductions exist for integers only.
///
/// A sum of floating-point numbers depends on the order of the additions, and that would be MPI's
/// choice: it changes with the message's size, the number of ranks and the library's version. Whoever
/// needs such a sum moves the numbers with the other collectives and adds them in an order of its own.
extension Communicator {
  /// Replaces each integer by its reduction over all ranks; all ranks, with equal counts.
  ///
  /// MPI 3.1, section 5.9.6.
  ///
  /// - Throws: ``MPIError/tooManyElements(call:rank:count:)``, or what MPI reports.
  public func allReduce<Element: IntegerMessageElement>(
    inPlace buffer: UnsafeMutableBufferPointer<Element>, _ reduction: IntegerReduction
  ) throws(MPIError) {
    let call: StaticString = "MPI_Iallreduce"
    let count = try count(buffer.count, call)
    try complete(call) { (request) throws(MPIError) in
      MPI_Iallreduce(
        clockstep_in_place(), buffer.baseAddress, count, Element.messageType.datatype,
        reduction.operation, try live(call), &request)
    }
    // Each block goes to whoever adds it up, and its sum to all.
    noteSent(2 * buffer.count / size, Element.self, to: size - 1)
  }

  /// Returns the reduction of every rank's value; all ranks.
  ///
  /// - Throws: What MPI reports.
  public func allReduce<Element: IntegerMessageElement>(
    _ value: Element, _ reduction: IntegerReduction
  ) throws(MPIError) -> Element {
    var result = value
    try withUnsafeMutablePointer(to: &result) { (pointer) throws(MPIError) in
      try allReduce(inPlace: UnsafeMutableBufferPointer(start: pointer, count: 1), reduction)
    }
    return result
  }
}
