// SPDX-License-Identifier: Apache-2.0

/// Collectives of small things, which allocate their results; not for the step.
extension Communicator {
  /// Returns the root's value; all ranks.
  ///
  /// - Throws: As ``broadcast(_:root:)-(UnsafeMutableBufferPointer<Element>,_)``.
  public func broadcast<Element: MessageElement>(
    _ value: Element, root: Int
  ) throws(MPIError) -> Element {
    var result = value
    try withUnsafeMutablePointer(to: &result) { (pointer) throws(MPIError) in
      try broadcast(UnsafeMutableBufferPointer(start: pointer, count: 1), root: root)
    }
    return result
  }

  /// Returns the root's bytes, which may be of any number; all ranks.
  ///
  /// - Throws: ``MPIError/tooManyElements(call:rank:count:)`` on all ranks from 2 GiB on, or what MPI
  ///   reports.
  public func broadcast(bytes: [UInt8], root: Int) throws(MPIError) -> [UInt8] {
    let count = try broadcast(bytes.count, root: root)
    var result = rank == root ? bytes : [UInt8](repeating: 0, count: count)
    try result.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
      try broadcast(buffer, root: root)
    }
    return result
  }

  /// Returns every rank's value, in the order of ranks; all ranks.
  ///
  /// - Throws: What MPI reports.
  public func allGather<Element: MessageElement>(_ value: Element) throws(MPIError) -> [Element] {
    var result = [Element](repeating: value, count: size)
    try result.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
      try allGather(inPlace: buffer)
    }
    return result
  }

  /// Returns every rank's bytes, in the order of ranks; all ranks.
  ///
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` on all ranks from 2 GiB in all on, or
  ///   what MPI reports.
  public func allGather(bytes: [UInt8]) throws(MPIError) -> [[UInt8]] {
    let layout = try BlockLayout(counts: try allGather(bytes.count))
    var all = [UInt8](repeating: 0, count: layout.extent)
    all.replaceSubrange(layout[rank], with: bytes)
    try all.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
      try allGather(inPlace: buffer, layout: layout)
    }
    return (0..<size).map { Array(all[layout[$0]]) }
  }

  /// Returns every rank's value on the root, in the order of ranks; all ranks.
  ///
  /// - Returns: `nil` on the other ranks.
  /// - Throws: As ``gather(_:into:root:)``.
  public func gather<Element: MessageElement>(
    _ value: Element, root: Int
  ) throws(MPIError) -> [Element]? {
    var all = [Element](repeating: value, count: rank == root ? size : 0)
    var own = value
    try withUnsafeMutablePointer(to: &own) { (pointer) throws(MPIError) in
      try all.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
        try gather(UnsafeBufferPointer(start: pointer, count: 1), into: buffer, root: root)
      }
    }
    return rank == root ? all : nil
  }

  /// Returns every rank's bytes on the root, in the order of ranks; all ranks.
  ///
  /// - Returns: `nil` on the other ranks.
  /// - Throws: ``MPIError/invalidArgument(call:rank:reason:)`` on all ranks from 2 GiB in all on, or
  ///   what MPI reports.
  public func gather(bytes: [UInt8], root: Int) throws(MPIError) -> [[UInt8]]? {
    let layout = try BlockLayout(counts: try allGather(bytes.count))
    var all = [UInt8](repeating: 0, count: rank == root ? layout.extent : 0)
    try bytes.withUnsafeBufferPointer { (block) throws(MPIError) in
      try all.withUnsafeMutableBufferPointer { (buffer) throws(MPIError) in
        try gather(block, into: buffer, layout: layout, root: root)
      }
    }
    return rank == root ? (0..<size).map { Array(all[layout[$0]]) } : nil
  }
}
