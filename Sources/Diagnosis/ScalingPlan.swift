// SPDX-License-Identifier: Apache-2.0
public import Coordination
internal import DataParallel

/// A prediction of how training scales over equal nodes.
public struct ScalingPlan {
  /// Strong or weak scaling: what happens to the batch when nodes are added.
  public enum Kind: String, CaseIterable, Codable, Sendable {
    /// The batch stays the same.
    case strong
    /// Each node keeps its number of rows.
    case weak
  }

  /// The efficiency that ``Row/efficientBatch`` must reach.
  public static let goodEfficiency = 0.9
  /// The bucket sizes that are compared, in megabytes.
  public static let bucketMegabytes = [0.25, 0.5, 1, 2, 4, 8, 16, 32]
  /// The maximum number of ranks.
  public static let maximumRanks = 65536

  /// The requests of a step.
  public let schedule: StepSchedule
  /// The duration of one node's step.
  public let node: NodeModel
  /// The number of ranks per node.
  public let ranksPerNode: Int
  /// The network between nodes.
  public let link: LinkModel
  /// The number of rows of one node's batch.
  public let batch: Int
  /// The number of slices of a batch; nil for one per rank.
  public let slices: Int?
  /// The approximate size of a bucket of gradients, in bytes.
  public let bucketBytes: Int
  /// The exchange schedule.
  public let exchange: ExchangeOptions.Schedule
  /// The number of cores of the one machine that all nodes share; nil where each has its own.
  public let sharedCores: Int?

  /// A plan with everything that it depends on.
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

  /// The prediction for a number of nodes.
  public struct Row: Codable, Hashable, Sendable {
    /// The number of nodes.
    public let nodes: Int
    /// Strong or weak scaling.
    public let scaling: Kind
    /// The number of rows of the batch over all nodes.
    public let batch: Int
    /// Seconds of a step.
    public let stepS: Double
    /// Rows per second over all nodes.
    public let samplesPerS: Double
    /// Rows per second relative to one node.
    public let speedUp: Double
    /// The speed-up divided by the number of nodes.
    public let efficiency: Double
    /// The fraction of the step that a node waits for messages.
    public let waitShare: Double
    /// The exchange schedule.
    public let schedule: String
    /// The number of messages that the busiest node sends to others in a step.
    public let messages: Int
    /// Their total size in bytes.
    public let bytes: Int
    /// The bucket size with the shortest step, in megabytes.
    public let bestBucketMb: Double
    /// Seconds of that step.
    public let bestBucketStepS: Double
    /// The minimum number of rows per node, the batch times a power of two, that reaches an efficiency
    /// of 90 %; nil if 4096 times the batch does not.
    public let efficientBatch: Int?
  }

  /// The prediction; nil where there are fewer slices than ranks.
  public func row(nodes: Int, _ kind: Kind) -> Row? {
    let ranks = nodes * ranksPerNode
    guard ranks <= Swift.min(slices ?? Self.maximumRanks, Self.maximumRanks) else { return nil }
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
    let ranksPerCore =
      sharedCores.map { (Double(nodes * ranksPerNode) / Double($0)).rounded(.up) } ?? 1
    let factor = Swift.max(ranksPerCore, 1)
    // The rank with the most slices has the most rows, and the others wait for it.
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
      // Another size must be worth changing the option.
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

/// The duration of a step on one node alone: `fixed + perRow * rows + update`.
public struct NodeModel: Codable, Hashable, Sendable {
  /// Seconds that don't depend on the rows of the batch.
  public let fixed: Double
  /// Seconds per row of the node's part of the batch.
  public let perRow: Double
  /// Seconds of the whole update, which is divided among the nodes.
  public let update: Double

  /// A node with given parameters.
  public init(fixed: Double, perRow: Double, update: Double) {
    self.fixed = fixed
    self.perRow = perRow
    self.update = update
  }

  /// A node whose step of `rows` rows takes `seconds`, update included; the rest is all per row.
  public init(seconds: Double, rows: Int, update: Double) {
    self.init(fixed: 0, perRow: (seconds - update) / Double(rows), update: update)
  }

  /// A line through two measured steps of different batches; no parameter gets negative by noise.
  public init(
    seconds: Double, rows: Int, smallerSeconds: Double, smallerRows: Int, update: Double
  ) {
    let work = Swift.max(seconds - update, 0)
    let slope = (seconds - smallerSeconds) / Double(Swift.max(rows - smallerRows, 1))
    perRow = Swift.min(Swift.max(slope, 0), work / Double(rows))
    fixed = work - perRow * Double(rows)
    self.update = update
  }

  /// Seconds of computing, update excluded.
  public func compute(rows: Double) -> Double { fixed + perRow * rows }

  /// Seconds of a whole step on one node.
  public func step(rows: Int) -> Double { compute(rows: Double(rows)) + update }
}
