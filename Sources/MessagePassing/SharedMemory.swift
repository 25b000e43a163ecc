// SPDX-License-Identifier: Apache-2.0
internal import CMemoryFile
internal import Failures
internal import Glibc
internal import Synchronization

/// Memory that all ranks of a communicator can read and write: one segment per rank.
///
/// It is an anonymous memory file (Linux, memfd_create(2)) rather than an MPI window, for three
/// reasons. Nothing is left behind on the host however a rank dies. Its size is limited by the
/// host's memory, not by /dev/shm, which has 64 MB in a container by default. And its pages are
/// reserved at creation, so that a shortage of memory is an error there, where a window would kill
/// the rank with a bus error at some later write.
public final class SharedWindow {
  private let base: UnsafeMutableRawPointer
  private let byteCount: Int
  private let segments: [Range<Int>]

  /// Creates a window, for a communicator whose ranks are all on one host.
  ///
  /// Collective. The first rank creates the memory, and the others open it through /proc, which
  /// ranks of the same user may. POSIX.1-2017, posix_fallocate, mmap. All bytes are zero initially.
  /// Each segment's pages are allocated by its rank, on the NUMA node where the rank runs.
  ///
  /// - Parameter ownBytes: The length of this rank's segment; may differ between ranks.
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
    let created = communicator.rank == 0 ? Self.create(bytes: byteCount) : (file: -1, errno: 0)
    defer { if created.file >= 0 { close(created.file) } }
    let failure = try communicator.broadcast(created.errno, root: 0)
    guard failure == 0 else { throw Self.unavailable(failure, byteCount) }
    let path = try communicator.broadcast(
      bytes: Array("/proc/\(getpid())/fd/\(created.file)".utf8), root: 0)
    let opened = Self.open(
      String(decoding: path, as: UTF8.self), bytes: byteCount, own: segments[communicator.rank])
    // After this exchange no rank will open the file any more, so the first rank may close it.
    let failures = try communicator.allGather(opened.errno)
    guard let base = opened.base, failures.allSatisfy({ $0 == 0 }) else {
      if let base = opened.base { munmap(base, byteCount) }
      throw Self.unavailable(failures.first { $0 != 0 } ?? EINVAL, byteCount)
    }
    self.base = base
  }

  deinit {
    munmap(base, byteCount)
  }

  /// The segment of a rank, page-aligned and valid for the lifetime of the window.
  public func segment(of rank: Int) -> UnsafeMutableRawBufferPointer {
    let range = segments[rank]
    return UnsafeMutableRawBufferPointer(start: base + range.lowerBound, count: range.count)
  }

  /// Creates the memory file; `errno` is 0 on success.
  private static func create(bytes: Int) -> (file: Int32, errno: Int32) {
    let file = clockstep_memory_file()
    guard file >= 0 else { return (-1, errno) }
    guard ftruncate(file, bytes) == 0 else {
      let failure = errno
      close(file)
      return (-1, failure)
    }
    return (file, 0)
  }

  /// Maps the memory and reserves the pages of this rank's segment; `errno` is 0 on success.
  private static func open(
    _ path: String, bytes: Int, own: Range<Int>
  ) -> (base: UnsafeMutableRawPointer?, errno: Int32) {
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

  private static func unavailable(_ code: Int32, _ bytes: Int) -> MPIError {
    .sharedMemoryUnavailable(bytes: bytes, reason: SystemError.text(code))
  }
}

/// Counters in shared memory with which the ranks of one host wait for each other.
///
/// Each rank has one counter of each kind, which it alone advances and all ranks can read. A rank
/// that reads a counter's new value also sees what the counter's rank wrote to shared memory
/// before. Waits spin first, and yield the core where ranks outnumber cores (``WaitLoop``).
public final class SharedCounters {
  /// Keeps the counters of different ranks on separate cache lines, adjacent-line prefetch
  /// included.
  private static let spacing = 128

  private let window: SharedWindow
  private let communicator: Communicator
  private let counters: UnsafeMutablePointer<UnsafeMutablePointer<Atomic<Int>>>

  /// Creates `kinds` counters per rank, all zero, for ranks on one host.
  ///
  /// Collective.
  ///
  /// - Throws: As ``SharedWindow/init(_:ownBytes:)``.
  public init(_ communicator: Communicator, kinds: Int) throws(MPIError) {
    self.communicator = communicator
    window = try SharedWindow(communicator, ownBytes: kinds * Self.spacing)
    counters = .allocate(capacity: kinds * communicator.size)
    for kind in 0..<kinds {
      for rank in 0..<communicator.size {
        guard let base = window.segment(of: rank).baseAddress else { continue }
        // The memory is zero, which is the representation of a counter at zero.
        (counters + kind * communicator.size + rank).initialize(
          to: (base + kind * Self.spacing).assumingMemoryBound(to: Atomic<Int>.self))
      }
    }
  }

  deinit {
    counters.deallocate()
  }

  /// Advances this rank's counter by one and returns its new value.
  @discardableResult
  public func advance(_ kind: Int) -> Int {
    let counter = counters[kind * communicator.size + communicator.rank]
    // Only this rank writes it, so a plain store suffices, for which the core doesn't stall.
    let value = counter.pointee.load(ordering: .relaxed) + 1
    counter.pointee.store(value, ordering: .releasing)
    return value
  }

  /// Whether the counters of all ranks have reached a value.
  public func haveAll(_ kind: Int, reached value: Int) -> Bool {
    let row = counters + kind * communicator.size
    for rank in 0..<communicator.size where row[rank].pointee.load(ordering: .acquiring) < value {
      return false
    }
    return true
  }

  /// Returns once the counters of all ranks have reached a value.
  ///
  /// - Throws: ``MPIError/waitAbandoned(reason:)`` if the observer of long waits abandons the wait.
  public func wait(_ kind: Int, for value: Int) throws(MPIError) {
    guard !haveAll(kind, reached: value) else { return }
    var loop = communicator.waitLoop()
    while !haveAll(kind, reached: value) { try loop.pause() }
  }

  /// Advances this rank's counter, and returns once all ranks have advanced theirs as many times.
  ///
  /// Collective.
  ///
  /// - Throws: As ``wait(_:for:)``.
  public func barrier(_ kind: Int) throws(MPIError) {
    try wait(kind, for: advance(kind))
  }
}
