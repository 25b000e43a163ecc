// SPDX-License-Identifier: Apache-2.0

/// A group of one replica: agrees with itself.
public final class SingleProcessGroup: ProcessGroup {
  public let rank = 0
  public let size = 1
  public let hosts: [String]
  private var replica: SingleReplica?

  /// A group of this process, which runs on `host`.
  public init(host: String = "localhost") {
    hosts = [host]
  }

  public func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] { [bytes] }

  public func machine(_ transport: ExchangeOptions.Transport) -> Range<Int> { 0..<1 }

  public func shareOnMachine(
    _ transport: ExchangeOptions.Transport, bytes: Int, fill: (UnsafeMutableRawPointer) -> Void
  ) throws -> AlignedBuffer<UInt8>? {
    let buffer = AlignedBuffer<UInt8>(count: bytes)
    fill(buffer.base)
    return buffer
  }

  public func join(_ network: NeuralNetwork, slices: Int, exchange: ExchangeOptions) throws {
    let sole = SingleReplica(network.store, slices: slices, optimizer: network.optimizer)
    replica = sole
    network.replicas = sole
  }

  public func gatherOptimizerState() throws -> [AlignedBuffer<Float>] {
    replica?.moments ?? []
  }

  public func loadOptimizerState(_ moments: [AlignedBuffer<Float>]) {
    replica?.loadOptimizerState(moments)
  }

  public var communicationTimes: CommunicationTimes {
    replica?.times ?? CommunicationTimes()
  }

  public var communicationTraffic: CommunicationTraffic { CommunicationTraffic() }

  public var exchangeParties: Int { 1 }
}
