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
  /// Changes whenever parameters or statistics change, so that what was derived can be renewed.
  public private(set) var version = 0

  /// Makes room for the tensors of `table` and gives them the values they start with.
  public init(_ table: ParameterTable, seed: UInt64) {
    self.table = table
    parameters = AlignedBuffer(count: table.parameterCount)
    statistics = AlignedBuffer(count: table.statisticCount)
    for layer in Set(table.entries.map(\.layer)) {
      for (index, entry) in table.entries(ofLayer: layer).enumerated() {
        entry.specification.initializer.fill(
          elements(of: entry), seed: seed, layer: layer, index: index)
      }
    }
  }

  /// The elements of one tensor; call ``noteChange()`` after writing to them.
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
  public func move(parameters: AlignedBuffer<Float>, gradients: [AlignedBuffer<Float>]) {
    precondition(
      parameters.count == table.parameterCount
        && gradients.allSatisfy { $0.count == table.parameterCount }, "buffers of another length")
    self.parameters = parameters
    self.gradients = gradients
  }

  /// The digest of all parameters and running statistics.
  ///
  /// XXH3-128 over the tensors' little-endian Float32 elements, layer by layer, each layer's in the
  /// order that it declares; gaps between tensors are left out.
  public func digest() -> ContentHash {
    let hasher = ContentHasher()
    for entry in table.entries {
      hasher.update(UnsafeBufferPointer(elements(of: entry)))
    }
    return hasher.hash
  }
}
