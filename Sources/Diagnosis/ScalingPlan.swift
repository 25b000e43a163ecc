public import Coordination
// SPDX-License-Identifier: Apache-2.0
internal import DataParallel

/// Predicts how training scales over equal nodes.
public struct ScalingPlan {
  /// What happens to the batch when nodes are added.
  public enum Kind: String, CaseIterable, Codable, Sendable {
    /// It stays.
    case strong
    /// Each node keeps its rows.
    case weak
  }

  /// The efficiency that ``Row/efficientBatch`` is to reach.
  public static let goodEfficiency = 0.9
  /// The sizes of buckets that are compared, in megabytes.
  public static let bucketMegabytes = [0.25, 0.5, 1, 2, 4, 8, 16, 32]
  /// The most ranks that a batch can be cut for.
  public static let mostRanks = 65536

  /// What a step asks the group for.
  public let schedule: StepSchedule
  /// One node.
  public let node: NodeModel
  /// Ranks on a node.
  public let ranksPerNode: Int
  /// The network.
  public let link: LinkModel
  /// Rows of the batch on one node.
  public let batch: Int
  /// Slices of a batch; nil for one a rank.
  public let slices: Int?
  /// About how many bytes of gradients travel at a time.
  public let bucketBytes: Int
  /// How gradients travel.
  public let exchange: ExchangeOptions.Schedule
  /// Cores of the one machine that all nodes are made of; nil where each has its own.
  public let sharedCores: Int?

  /// A plan with all that it depends on.
  public init(
    schedule: StepSchedule, node: NodeModel, ranksPerNode: Int, link: LinkModel, batch: Int,
    slices: Int? = nil, bucketBytes: Int = ExchangeOptions.defaultBucketBytes,
    exchange: ExchangeOptions.Schedule = .auto,
    sharedCores: Int? = nil
  ) {
    self.schedule = schedule
    self.node = node
    self.ranksPerNode = ranksPerNode
    self.link = link
    self.batch = batch
    self.slices = slices
    self.bucketBytes = bucketBytes
    self.exchange = exchange
    self.sharedCores = sharedCores
  }

  /// What is predicted for a number of nodes.
  public struct Row: Codable, Hashable, Sendable {
    /// How many nodes.
    public let nodes: Int
    /// What happens to the batch.
    public let scaling: Kind
    /// Rows of the batch over all nodes.
    public let batch: Int
    /// Seconds of a step.
    public let stepS: Double
    /// Rows a second over all nodes.
    public let samplesPerS: Double
    /// How many times as many rows a second as on one node.
    public let speedUp: Double
    /// The speed-up by node.
    public let efficiency: Double
    /// The share of the step that a node waits for messages.
    public let waitShare: Double
    /// How gradients travel.
    public let schedule: String
    /// Messages between nodes that the busiest node sends in a step.
    public let messages: Int
    /// Their bytes.
    public let bytes: Int
    /// The size of buckets, in megabytes, with the shortest step.
    public let bestBucketMb: Double
    /// That step's seconds.
    public let bestBucketStepS: Double
    /// The fewest rows a node, of the batch times a power of two, that are used with an efficiency of 90 %; nil if
    /// 4096 times the batch does not reach it.
    public let efficientBatch: Int?
  }

  /// The prediction; nil where the batch can't be cut for so many ranks.
  public func row(nodes: Int, _ kind: Kind) -> Row? {
    let ranks = nodes * ranksPerNode
    guard ranks <= Swift.min(slices ?? Self.mostRanks, Self.mostRanks) else { return nil }
    let rows = kind == .weak ? batch * nodes : batch
    let placement = EqualHosts(
      hosts: nodes, ranksPerHost: ranksPerNode, slices: slices, batchRows: rows)
    let traffic = traffic(placement, bucketBytes)
    let step = predict(traffic, nodes: nodes, rows: rows)
    let best = bestBucket(placement, nodes: nodes, rows: rows, chosen: step.seconds)
    let single = node.step(rows: batch)
    let speedUp = single / step.seconds * Double(rows) / Double(batch)
    return Row(
      nodes: nodes, scaling: kind, batch: rows, stepS: step.seconds,
      samplesPerS: Double(rows) / step.seconds, speedUp: speedUp,
      efficiency: speedUp / Double(nodes), waitShare: step.wait / step.seconds,
      schedule: nodes == 1 ? "none" : traffic.halves ? "halving" : "direct",
      messages: traffic.total.messages, bytes: traffic.total.bytes, bestBucketMb: best.megabytes,
      bestBucketStepS: best.seconds, efficientBatch: efficientBatch(traffic, nodes: nodes))
  }

  private func traffic(_ placement: EqualHosts, _ bytes: Int) -> StepTraffic {
    StepTraffic(schedule, placement, bucketBytes: bytes, exchange: exchange)
  }

  private func predict(_ traffic: StepTraffic, nodes: Int, rows: Int) -> StepPrediction {
    // A core that has one rank more than others holds them all up.
    let crowd = sharedCores.map { (Double(nodes * ranksPerNode) / Double($0)).rounded(.up) } ?? 1
    let factor = Swift.max(crowd, 1)
    // The rank with most slices has most rows, and the others wait for it.
    let own = Double(rows) / Double(nodes)
    let most = (own / Double(ranksPerNode)).rounded(.up) * Double(ranksPerNode)
    return StepPrediction(
      schedule, traffic, link,
      compute: factor * node.compute(rows: nodes == 1 ? own : most),
      update: factor * node.update / Double(nodes))
  }

  private func bestBucket(
    _ placement: EqualHosts, nodes: Int, rows: Int, chosen: Double
  ) -> (megabytes: Double, seconds: Double) {
    var best = (megabytes: Double(bucketBytes) / 1_048_576, seconds: chosen)
    var known = [blocksPerBucket(placement, bucketBytes)]
    for megabytes in Self.bucketMegabytes {
      let bytes = Int(megabytes * 1_048_576)
      let blocks = blocksPerBucket(placement, bytes)
      guard !known.contains(blocks) else { continue }
      known.append(blocks)
      let seconds = predict(traffic(placement, bytes), nodes: nodes, rows: rows).seconds
      // Another size must be worth the change.
      if seconds < 0.999 * best.seconds { best = (megabytes, seconds) }
    }
    return best
  }

  private func blocksPerBucket(_ placement: EqualHosts, _ bytes: Int) -> Int {
    ShardTable.blocksPerBucket(schedule.blocks, ranks: placement.ranks, bucketBytes: bytes)
  }

  private func efficientBatch(_ traffic: StepTraffic, nodes: Int) -> Int? {
    (0...12).lazy.map { self.batch << $0 }.first { rows in
      let step = self.predict(traffic, nodes: nodes, rows: rows * nodes)
      return self.node.step(rows: rows) / step.seconds >= Self.goodEfficiency
    }
  }
}
