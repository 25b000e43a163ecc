public import Coordination
// SPDX-License-Identifier: Apache-2.0
public import Datasets
internal import NeuralCore

/// The rows of a run: those for training, and those that are held out.
struct TrainingData {
  let training: Dataset
  let trainingRows: [Int32]
  let heldOut: Dataset
  let heldOutRows: [Int32]

  /// Loads the data that the options name, once per host, and splits them unless the source does;
  /// all ranks.
  ///
  /// - Parameter warn: receives a message, on rank 0, if a host keeps them more than once.
  init(
    _ options: TrainingOptions, on group: any ProcessGroup, warn: (String) -> Void = { _ in }
  ) throws {
    let loaded = try HostData.load(
      on: group, transport: options.transport,
      {
        try Dataset.load(
          DataSource.parse(options.data),
          LoadOptions(
            targets: options.loss == .crossEntropy ? .classes : .numeric,
            targetColumns: options.targetColumns))
      }, warn: warn)
    self = try group.agree { try TrainingData(options, loaded) }
  }

  private init(_ options: TrainingOptions, _ loaded: LoadedData) throws {
    training = loaded.training
    if let held = loaded.heldOut {
      heldOut = held
      trainingRows = Array(0..<Int32(training.rows))
      heldOutRows = Array(0..<Int32(held.rows))
    } else {
      heldOut = training
      (trainingRows, heldOutRows) = DataSplit.split(
        rows: training.rows, fraction: options.validationSplit, seed: options.seed)
    }
    if case .values = training.targets, options.loss == .crossEntropy {
      throw TrainingError.unsuitableData(
        "\(options.data): numeric targets need --loss mse")
    }
    if trainingRows.count == 1 && options.batchNorm != .off {
      throw TrainingError.unsuitableData(
        "\(options.data): batch norm needs at least two rows for training, and there is one; "
          + "add rows, lower --validation-split, or use --batch-norm off")
    }
    if options.dropLast && trainingRows.count < options.batch {
      throw TrainingError.unsuitableData(
        "\(options.data): the \(trainingRows.count) training rows don't fill one batch (--batch "
          + "\(options.batch)), and --drop-last drops a partial one; lower --batch")
    }
  }

  /// The hash of everything that was loaded.
  var contentHash: String {
    training === heldOut
      ? training.contentHash.description
      : "\(training.contentHash)+\(heldOut.contentHash)"
  }
}

/// Data that each host reads and keeps once, for all of its ranks.
public enum HostData {
  /// Loads data on the first rank of each host, and shares them with its others; all ranks.
  ///
  /// Where they don't fit into a host's shared memory, each of its ranks reads and keeps its own.
  ///
  /// - Parameters:
  ///   - read: reads the data; called on some ranks only, and never waits for others.
  ///   - warn: receives a message, on rank 0, if they didn't fit on some host.
  /// - Throws: `Failure`, the same on all ranks, when reading fails on any.
  public static func load(
    on group: any ProcessGroup, transport: ExchangeOptions.Transport = .auto,
    _ read: () throws -> LoadedData, warn: (String) -> Void = { _ in }
  ) throws -> LoadedData {
    let ranks = try group.ranksSharingMemory(transport)
    let isFirst = group.rank == ranks.lowerBound
    let own = try group.agree { isFirst ? try read() : nil }
    if try group.minimum(isFirst ? 1 : 0) == 1, let own { return own }
    let all = try group.allGather(values: own?.shapes ?? [])[ranks.lowerBound]
    let bytes = all.reduce(0) { $0 + $1.byteCount }
    let memory = try group.shareBytes(transport, count: bytes) { memory in
      var next = memory
      for dataset in own?.datasets ?? [] {
        dataset.copyNumbers(to: next)
        next += dataset.shape.byteCount
      }
    }
    try warnOfHosts(group, hasRoom: memory != nil, bytes: bytes, warn)
    return try group.agree {
      if let memory, let data = LoadedData(all, in: memory) { return data }
      return try own ?? read()
    }
  }

  /// Warns of hosts without enough shared memory, on rank 0; all ranks.
  private static func warnOfHosts(
    _ group: any ProcessGroup, hasRoom: Bool, bytes: Int, _ warn: (String) -> Void
  ) throws {
    let answers = try group.allGather(values: hasRoom)
    let hosts = Set(answers.indices.filter { !answers[$0] }.map { group.hosts[$0] }).sorted()
    guard group.rank == 0, let first = hosts.first else { return }
    let others = hosts.count > 1 ? " and \(hosts.count - 1) more" : ""
    warn(
      "\(first)\(others): no shared memory for the data (\(bytes >> 20) MB): each rank keeps its own"
    )
  }
}

extension LoadedData {
  fileprivate var datasets: [Dataset] { [training] + (heldOut.map { [$0] } ?? []) }

  fileprivate var shapes: [DatasetShape] { datasets.map(\.shape) }

  /// Datasets whose numbers lie one after the other.
  fileprivate init?(_ shapes: [DatasetShape], in memory: AlignedBuffer<UInt8>) {
    guard let first = shapes.first else { return nil }
    self.init(
      training: Dataset(first, in: memory, from: 0),
      heldOut: shapes.dropFirst().first.map { Dataset($0, in: memory, from: first.byteCount) })
  }
}
