// SPDX-License-Identifier: Apache-2.0

/// A network's parameters, gradients and running statistics, each in one flat buffer.
public final class ParameterStore {
  /// The layout of the tensors in the buffers.
  public let table: ParameterTable
  /// All trainable parameters.
  public private(set) var parameters: AlignedBuffer<Float>
  /// All running statistics.
  public let statistics: AlignedBuffer<Float>
  /// This replica's gradients, one buffer for each partial sum of the slice tree that it computes.
  ///
  /// A single replica has one buffer, the gradient of the whole batch. Each is laid out as
  /// ``parameters``.
  public private(set) var gradients: [AlignedBuffer<Float>] = []
  /// The elements whose gradients only this replica reads, in ascending order, if all others are
  /// written with streaming (non-temporal) stores; nil if there are no streaming stores.
  private(set) var unstreamedGradients: [Range<Int>]?
  /// A counter that increases with each change of parameters or statistics, so that values derived
  /// from them can be updated.
  public private(set) var version = 0

  /// Allocates the tensors of `table` and initializes them.
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

  /// Sets all elements of a tensor from values in row-major order.
  public func setValues(byRows values: UnsafeBufferPointer<Float>, of entry: ParameterTable.Entry) {
    precondition(values.count == entry.specification.count, "values of a different shape")
    guard let source = values.baseAddress, let target = elements(of: entry).baseAddress else {
      return
    }
    entry.specification.layout.arrange(byRows: source, into: target)
    markChanged()
  }

  /// The elements of one tensor in its layout's order; call ``markChanged()`` after writing to
  /// them.
  public func elements(of entry: ParameterTable.Entry) -> UnsafeMutableBufferPointer<Float> {
    let buffer = entry.isStatistic ? statistics : parameters
    return UnsafeMutableBufferPointer(rebasing: buffer.mutableElements[entry.span])
  }

  /// Marks parameters and statistics as changed: increases ``version``.
  public func markChanged() {
    version += 1
  }
  /// Allocates gradient buffers for the given number of partial sums of the slice tree.
  public func allocateGradients(nodes: Int) {
    while gradients.count < nodes {
      gradients.append(AlignedBuffer(count: table.parameterCount))
    }
  }

  /// Moves parameters and gradients to other memory, such as memory shared between processes.
  ///
  /// - Parameters:
  ///   - parameters: the new buffer, which must already contain the parameters.
  ///   - gradients: one buffer for each partial sum of the slice tree that this replica computes.
  ///   - unstreamed: the elements whose gradients only this replica reads, if all others are to be
  ///     written with streaming (non-temporal) stores; nil for no streaming stores.
  public func move(
    parameters: AlignedBuffer<Float>, gradients: [AlignedBuffer<Float>],
    unstreamed: [Range<Int>]? = nil
  ) {
    precondition(
      parameters.count == table.parameterCount
        && gradients.allSatisfy { $0.count == table.parameterCount },
      "buffers of a different length")
    self.parameters = parameters
    self.gradients = gradients
    unstreamedGradients = unstreamed?.sorted { $0.lowerBound < $1.lowerBound }
  }

  /// Writes a partial sum's gradients of a span, with streaming stores where other replicas read
  /// them.
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
  /// XXH3-128 of the tensors' little-endian Float32 elements in row-major order, without the gaps
  /// between tensors, in the order of ``ParameterTable/entries``.
  public func digest() -> ContentHash {
    let hasher = ContentHasher()
    for entry in table.entries {
      guard let start = elements(of: entry).baseAddress else { continue }
      entry.specification.layout.forEachPieceByRows(of: start) { hasher.update($0) }
    }
    return hasher.hash
  }
}
