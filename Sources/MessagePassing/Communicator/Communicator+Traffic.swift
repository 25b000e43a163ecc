// SPDX-License-Identifier: Apache-2.0

/// How much leaves this process.
extension Communicator {
  /// Bytes that this process has sent to other ranks so far, on all communicators; this rank.
  ///
  /// They are counted when a message is started, headers not included. MPI forwards what a collective
  /// moves in ways of its own, so there each rank counts its own numbers once for every rank that
  /// must get them: over all ranks that is what arrives.
  public var bytesSent: Int { state.bytesSent }

  /// Takes note that elements leave for so many other ranks.
  @inline(__always)
  func noteSent<Element>(_ count: Int, _: Element.Type, to ranks: Int) {
    state.bytesSent &+= count &* ranks &* MemoryLayout<Element>.stride
  }

  /// Takes note that elements leave for a rank, which may be this one.
  @inline(__always)
  func noteSent<Element>(_ count: Int, _ type: Element.Type, toPeer peer: Int) {
    noteSent(count, type, to: peer == rank ? 0 : 1)
  }
}
