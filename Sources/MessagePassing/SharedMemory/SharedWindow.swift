// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Memory that all ranks of a communicator read and write: a segment for each rank.
///
/// It is POSIX shared memory rather than an MPI window, for two reasons. Its name is gone as soon as
/// all ranks have opened it, so nothing is left on the machine however a rank dies. And its pages are
/// reserved at the start, so a container with too little shared memory is told so, where a window
/// would end the rank with a bus error at some later write.
public final class SharedWindow {
  private let base: UnsafeMutableRawPointer
  private let byteCount: Int
  private let segments: [Range<Int>]

  /// Makes a window; all ranks of a communicator whose ranks are on one machine.
  ///
  /// POSIX.1-2017, shm_open, posix_fallocate, mmap. All bytes are zero at the start. Pages belong to
  /// the processor that their rank runs on.
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
    let name = try communicator.broadcast(bytes: Array(Self.newName().utf8), root: 0)
    let path = String(decoding: name, as: UTF8.self)
    var failure: Int32 = 0
    if communicator.rank == 0 { failure = Self.create(path, bytes: byteCount) }
    try Self.agree(failure, communicator, byteCount)
    let opened = Self.open(path, bytes: byteCount, own: segments[communicator.rank])
    // Everybody has it, or never will: the name has done its service.
    let failures = try communicator.allGather(opened.failure)
    if communicator.rank == 0 { shm_unlink(path) }
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

  private static func newName() -> String {
    "/lockstep-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
  }

  /// Makes the object; returns an errno, 0 for success.
  private static func create(_ path: String, bytes: Int) -> Int32 {
    let file = shm_open(path, O_CREAT | O_EXCL | O_RDWR, 0o600)
    guard file >= 0 else { return errno }
    defer { close(file) }
    guard ftruncate(file, bytes) == 0 else {
      let failure = errno
      shm_unlink(path)
      return failure
    }
    return 0
  }

  /// Maps the object, and reserves the pages of this rank's segment.
  private static func open(
    _ path: String, bytes: Int, own: Range<Int>
  ) -> (base: UnsafeMutableRawPointer?, failure: Int32) {
    let file = shm_open(path, O_RDWR, 0)
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
