// SPDX-License-Identifier: Apache-2.0
internal import CMemoryFile
internal import Glibc

/// Memory that all ranks of a communicator read and write: a segment for each rank.
///
/// It is memory without a name (Linux, memfd_create(2)) rather than an MPI window, for three reasons.
/// Nothing is left on the machine however a rank dies. Its room is that of the machine's memory, not
/// that of /dev/shm, of which a container has 64 MB unless told otherwise. And its pages are reserved
/// at the start, so that too little memory is told then, where a window would end the rank with a bus
/// error at some later write.
public final class SharedWindow {
  private let base: UnsafeMutableRawPointer
  private let byteCount: Int
  private let segments: [Range<Int>]

  /// Makes a window; all ranks of a communicator whose ranks are on one machine.
  ///
  /// The first rank makes the memory, and the others open it by its entry in /proc, which ranks of one
  /// user may. POSIX.1-2017, posix_fallocate, mmap. All bytes are zero at the start. Pages belong to the
  /// processor that their rank runs on.
  ///
  /// - Parameter ownBytes: The length of this rank's segment; may differ from rank to rank.
  /// - Throws: ``MPIError/sharedMemoryUnavailable(bytes:reason:)`` on all ranks alike, or what MPI
  ///   reports.
  public init(_ communicator: Communicator, ownBytes: Int) throws(MPIError) {
    let page = 4096
    let sizes = try communicator.allGather((ownBytes + page - 1) / page * page)
    var segments: [Range<Int>] = []
    for size in sizes {
      let start = segments.last?.upperBound ?? 0
      segments.append(start..<start + size)
    }
    self.segments = segments
    byteCount = max(segments.last?.upperBound ?? 0, page)
    let made = communicator.rank == 0 ? Self.create(bytes: byteCount) : (file: -1, failure: 0)
    defer { if made.file >= 0 { close(made.file) } }
    try Self.agree(made.failure, communicator, byteCount)
    let name = try communicator.broadcast(
      bytes: Array("/proc/\(getpid())/fd/\(made.file)".utf8), root: 0)
    let opened = Self.open(
      String(decoding: name, as: UTF8.self), bytes: byteCount, own: segments[communicator.rank])
    // Everybody has it, or never will: the first rank may close it.
    let failures = try communicator.allGather(opened.failure)
    guard let base = opened.base, failures.allSatisfy({ $0 == 0 }) else {
      if let base = opened.base { munmap(base, byteCount) }
      throw Self.unavailable(failures.first { $0 != 0 } ?? EINVAL, byteCount)
    }
    self.base = base
  }

  deinit {
    munmap(base, byteCount)
  }

  /// The bytes of all segments together.
  public var totalBytes: Int { byteCount }

  /// The segment of a rank, on a page boundary; valid as long as the window is.
  public func segment(of rank: Int) -> UnsafeMutableRawBufferPointer {
    let range = segments[rank]
    return UnsafeMutableRawBufferPointer(start: base + range.lowerBound, count: range.count)
  }

  /// Makes the memory; with an errno, 0 for success.
  private static func create(bytes: Int) -> (file: Int32, failure: Int32) {
    let file = clockstep_memory_file()
    guard file >= 0 else { return (-1, errno) }
    guard ftruncate(file, bytes) == 0 else {
      let failure = errno
      close(file)
      return (-1, failure)
    }
    return (file, 0)
  }

  /// Maps the memory, and reserves the pages of this rank's segment.
  private static func open(
    _ path: String, bytes: Int, own: Range<Int>
  ) -> (base: UnsafeMutableRawPointer?, failure: Int32) {
    let file = Glibc.open(path, O_RDWR | O_CLOEXEC)
    guard file >= 0 else { return (nil, errno) }
    defer { close(file) }
    if !own.isEmpty {
      let failure = posix_fallocate(file, own.lowerBound, own.count)
      guard failure == 0 else { return (nil, failure) }
    }
    let base = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
    guard let base, base != MAP_FAILED else { return (nil, errno) }
    return (base, 0)
  }

  private static func agree(
    _ failure: Int32, _ communicator: Communicator, _ bytes: Int
  ) throws(MPIError) {
    let code = try communicator.broadcast(failure, root: 0)
    if code != 0 { throw unavailable(code, bytes) }
  }

  private static func unavailable(_ code: Int32, _ bytes: Int) -> MPIError {
    .sharedMemoryUnavailable(bytes: bytes, reason: String(cString: strerror(code)))
  }
}
