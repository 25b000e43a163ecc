// SPDX-License-Identifier: Apache-2.0

/// A network's numbers: parameters, gradients and running statistics, each in one flat buffer.
public final class ParameterStore {
  /// Where each tensor lies.
  public let table: ParameterTable
  /// All trained parameters.
  public private(set) var parameters: AlignedBuffer<Float>
  /// All running statistics.
  public let statistics: AlignedBuffer<Float>
  /// This replica's gradients, one buffer for each node of the slice tree that it adds up.
  ///
  /// A sole replica has one, the whole batch's gradient. Each is laid out as ``parameters``.
  public private(set) var gradients: [AlignedBuffer<Float>] = []
  /// The elements whose gradients this replica alone reads, ascending, if those of all others are
  /// written past the caches; nil if all are written as usual.
  private(set) var unstreamedGradients: [Range<Int>]?
  /// Changes whenever parameters or statistics change, so that what was derived can be renewed.
  public private(set) var version = 0

  /// Makes room for the tensors of `table` and gives them the values they start with.
  public init(_ table: ParameterTable, seed: UInt64) {
    self.table = table
    parameters = AlignedBuffer(count: table.parameterCount)
    statistics = AlignedBuffer(count: table.statisticCount)
    for layer in Set(table.entries.map(\.layer)) {
      for (index, entry) in table.entries(ofLayer: layer).enumerated() {
        initialize(entry, seed: seed, index: index)
      }
    }
  }

  private func initialize(_ entry: ParameterTable.Entry, seed: UInt64, index: Int) {
    let values = AlignedBuffer<Float>(count: entry.specification.count)
    withExtendedLifetime(values) {
      entry.specification.initializer.fill(
        values.mutableElements, seed: seed, layer: entry.layer, index: index)
      setValues(byRows: values.elements, of: entry)
    }
  }

  /// Gives a tensor new values, which come in row-major order, as many as it has elements.
  public func setValues(byRows values: UnsafeBufferPointer<Float>, of entry: ParameterTable.Entry) {
    precondition(values.count == entry.specification.count, "values of another shape")
    guard let source = values.baseAddress, let target = elements(of: entry).baseAddress else {
      return
    }
    entry.specification.layout.arrange(byRows: source, into: target)
    noteChange()
  }

  /// The elements of one tensor in the order of its layout; call ``noteChange()`` after writing to them.
  public func elements(of entry: ParameterTable.Entry) -> UnsafeMutableBufferPointer<Float> {
    let buffer = entry.isStatistic ? statistics : parameters
    return UnsafeMutableBufferPointer(rebasing: buffer.mutableElements[entry.span])
  }

  /// Tells that parameters or statistics were written to.
  public func noteChange() {
    version += 1
  }

  /// Makes room for the gradients of that many nodes of the slice tree.
  public func allocateGradients(nodes: Int) {
    while gradients.count < nodes {
      gradients.append(AlignedBuffer(count: table.parameterCount))
    }
  }

  /// Keeps parameters and gradients in other memory from now on, such as that which ranks share.
  ///
  /// - Parameters:
  ///   - parameters: already holds the parameters.
  ///   - gradients: one buffer for each node of the slice tree that this replica adds up.
  ///   - unstreamed: the elements whose gradients this replica alone reads, if those of all others
  ///     are to be written past the caches; nil to write all as usual.
  public func move(
    parameters: AlignedBuffer<Float>, gradients: [AlignedBuffer<Float>],
    unstreamed: [Range<Int>]? = nil
  ) {
    precondition(
      parameters.count == table.parameterCount
        && gradients.allSatisfy { $0.count == table.parameterCount }, "buffers of another length")
    self.parameters = parameters
    self.gradients = gradients
    unstreamedGradients = unstreamed?.sorted { $0.lowerBound < $1.lowerBound }
  }

  /// Writes a node's gradients of a span, past the caches where others read them.
  func write(
    _ source: UnsafePointer<Float>, asGradientsOf span: Range<Int>, node: Int
  ) {
    let target = gradients[node].base
    func stream(_ part: Range<Int>) {
      StreamingStores.copy(
        source + (part.lowerBound - span.lowerBound), to: target + part.lowerBound, part.count)
    }
    var first = span.lowerBound
    for range in unstreamedGradients ?? [] where range.overlaps(span) {
      let own = range.clamped(to: span)
      stream(first..<own.lowerBound)
      (target + own.lowerBound).update(
        from: source + (own.lowerBound - span.lowerBound), count: own.count)
      first = own.upperBound
    }
    stream(first..<span.upperBound)
    StreamingStores.finish()
  }

  /// The digest of all parameters and running statistics.
  ///
  /// XXH3-128 over the tensors' little-endian Float32 elements in row-major order, layer by layer, each
  /// layer's in the order that it declares; gaps between tensors are left out.
  public func digest() -> ContentHash {
    let hasher = ContentHasher()
    for entry in table.entries {
      guard let start = elements(of: entry).baseAddress else { continue }
      entry.specification.layout.forEachPieceByRows(of: start) { hasher.update($0) }
    }
    return hasher.hash
  }
}
