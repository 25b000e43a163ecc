// SPDX-License-Identifier: Apache-2.0
public import NeuralCore

/// A group of one process.
public final class SingleProcessGroup: ProcessGroup {
  public let rank = 0
  public let size = 1
  public let hosts: [String]
  private var replica: SingleReplica?

  /// A group of this process, which runs on `host`.
  public init(host: String = "localhost") {
    hosts = [host]
  }

  public func begin(_ activity: Activity, step: Int) {}

  public func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] { [bytes] }

  public func ranksSharingMemory(_ transport: ExchangeOptions.Transport) -> Range<Int> { 0..<1 }

  public func shareBytes(
    _ transport: ExchangeOptions.Transport, count: Int, fill: (UnsafeMutableRawPointer) -> Void
  ) throws -> AlignedBuffer<UInt8>? {
    let buffer = AlignedBuffer<UInt8>(count: count)
    fill(buffer.base)
    return buffer
  }

  public func join(_ network: NeuralNetwork, slices: Int, exchange: ExchangeOptions) throws {
    let single = SingleReplica(network.store, slices: slices, optimizer: network.optimizer)
    replica = single
    network.replicas = single
  }

  public func gatherOptimizerState() throws -> [AlignedBuffer<Float>] {
    replica?.optimizerState ?? []
  }

  public func loadOptimizerState(_ moments: [AlignedBuffer<Float>]) {
    replica?.loadOptimizerState(moments)
  }

  public var communicationTimes: CommunicationTimes {
    var times = CommunicationTimes()
    times.update = replica?.updateSeconds ?? 0
    return times
  }

  public var communicationTraffic: CommunicationTraffic { CommunicationTraffic() }

  public var exchangeParticipants: Int { 1 }
}
