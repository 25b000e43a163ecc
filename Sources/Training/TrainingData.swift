// SPDX-License-Identifier: Apache-2.0
public import Coordination
public import Datasets
internal import NeuralCore

/// The rows of a run: those for training, and those that are held out.
struct TrainingData {
  let training: Dataset
  let trainingRows: [Int32]
  let heldOut: Dataset
  let heldOutRows: [Int32]
  /// What the data were understood as.
  let schema: TableSchema?
  /// What a person should know about that.
  let notices: [String]
  /// The weights of rows in the training loss; nil if all weigh 1.
  let rowWeights: RowWeights?
  /// The weight of each class before rows' weights are normalized; nil for none.
  let classWeights: [Double]?
  /// The loss function that the options or the targets ask for.
  let loss: LossName

  /// Loads the data that the options name, once per host, and splits them unless the source does;
  /// all ranks.
  ///
  /// - Parameter warn: receives a message, on rank 0, if a host keeps them more than once.
  init(
    _ options: TrainingOptions, on group: any ProcessGroup, warn: (String) -> Void = { _ in }
  ) throws {
    let load = options.loadOptions
    let source = try group.agree { try DataSource.parse(options.data) }
    var loaded = try HostData.load(
      source, load, on: group, transport: options.transport, warn: warn)
    if let path = options.validation {
      let source = try group.agree { try DataSource.parse(path) }
      var own = LoadOptions(targets: load.targets)
      own.schema = loaded.schema
      own.inputs = loaded.training.columns
      (own.table.separator, own.table.header) = (load.table.separator, nil)
      let validation = try HostData.load(
        source, own, on: group, transport: options.transport, warn: warn)
      loaded = LoadedData(
        training: loaded.training, heldOut: validation.heldOut ?? validation.training,
        schema: loaded.schema,
        notices: loaded.notices + validation.notices.map { "\(path): \($0)" })
    }
    self = try group.agree { try TrainingData(options, loaded) }
  }

  private init(_ options: TrainingOptions, _ loaded: LoadedData) throws {
    training = loaded.training
    schema = loaded.schema
    let hasNumbers = if case .values = training.targets { true } else { false }
    loss = options.loss ?? (hasNumbers ? .meanSquaredError : .crossEntropy)
    if let held = loaded.heldOut {
      heldOut = held
      trainingRows = Array(0..<Int32(training.rows))
      heldOutRows = Array(0..<Int32(held.rows))
    } else {
      heldOut = training
      (trainingRows, heldOutRows) =
        loaded.split
        ?? DataSplit.split(
          rows: training.rows, fraction: options.loadOptions.heldOutFraction, seed: options.seed)
    }
    if let path = options.validation {
      guard heldOut.columns == training.columns, heldOut.outputs == training.outputs else {
        throw TrainingError.unsuitableData(
          "\(path): \(heldOut.columns) features and \(heldOut.outputs) outputs, but "
            + "\(options.data) has \(training.columns) and \(training.outputs)")
      }
    }
    let ofClasses = try Self.classWeights(options, training, trainingRows)
    (classWeights, notices) = (ofClasses?.weights, loaded.notices + (ofClasses?.notices ?? []))
    rowWeights = try Self.rowWeights(options, training, trainingRows, classWeights)
    try loss.check(training, options.data)
    if heldOut !== training { try loss.check(heldOut, options.validation ?? options.data) }
    var chosen = options
    chosen.loss = loss
    try chosen.validateLoss()
    try chosen.checkMetrics(hasNumbers: hasNumbers, hasHeldOutRows: !heldOutRows.isEmpty)
    try chosen.checkMonitor(hasNumbers: hasNumbers, hasHeldOutRows: !heldOutRows.isEmpty)
    if trainingRows.count == 1 && options.hasBatchNorm {
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

  private static func classWeights(
    _ options: TrainingOptions, _ dataset: Dataset, _ trainingRows: [Int32]
  ) throws -> (weights: [Double], notices: [String])? {
    guard let weights = options.classWeight else { return nil }
    guard case .classes(let indices, let labels) = dataset.targets else {
      throw TrainingError.unsuitableData(
        "\(options.data): --class-weight needs classes, and the targets are numbers; leave it out, "
          + "use --weights COLUMN, or take the numbers for classes with --loss cross-entropy")
    }
    var counts = [Int](repeating: 0, count: labels.count)
    for row in trainingRows { counts[Int(indices[Int(row)])] += 1 }
    return try weights.weights(labels: labels, counts: counts)
  }

  private static func rowWeights(
    _ options: TrainingOptions, _ dataset: Dataset, _ trainingRows: [Int32],
    _ classWeights: [Double]?
  ) throws -> RowWeights? {
    guard classWeights != nil || dataset.weights != nil else { return nil }
    guard
      let weights = RowWeights(
        dataset, trainingRows: trainingRows, classWeights: classWeights)
    else {
      let names = [
        dataset.weights == nil ? nil : "--weights \(options.weightsColumn.names.first ?? "")",
        options.classWeight.map { "--class-weight \($0.text)" },
      ].compactMap { $0 }
      throw TrainingError.unsuitableData(
        "\(options.data): all training rows have weight 0 (\(names.joined(separator: ", "))): at least "
          + "one must have a positive weight")
    }
    return weights
  }

  /// What the data were understood as, for a person.
  var schemaSummary: [(name: String, value: String)] {
    let ofSchema = schema?.summary(rows: training.rows, inputs: training.columns) ?? []
    guard let classWeights else { return ofSchema }
    let text = ClassWeights.summary(labels: training.labels, weights: classWeights)
    return ofSchema + [(name: "class weights", value: text)]
  }

  /// The hash of everything that was loaded.
  var contentHash: String {
    training === heldOut
      ? training.contentHash.description
      : "\(training.contentHash)+\(heldOut.contentHash)"
  }
}

/// Data that each host keeps once, for all of its ranks.
public enum HostData {
  /// Loads data and shares them among the ranks of a host; all ranks.
  ///
  /// A table to train on is read by all ranks of a host, each a part of it; other data by the first of
  /// them. Where they don't fit into a host's shared memory, each of its ranks reads and keeps its own.
  ///
  /// - Parameter warn: receives a message, on rank 0, if they didn't fit on some host.
  /// - Throws: `Failure`, the same on all ranks, when reading fails on any.
  public static func load(
    _ source: DataSource, _ options: LoadOptions, on group: any ProcessGroup,
    transport: ExchangeOptions.Transport = .auto, warn: (String) -> Void = { _ in }
  ) throws -> LoadedData {
    let ranks = try group.ranksSharingMemory(transport)
    if case .table = source, options.schema == nil {
      let readers = try GroupTableReaders(group, transport, ranks)
      let data = try Dataset.load(source, options, readers: readers)
      try warnOfHosts(
        group, hasRoom: !readers.lacksMemory, bytes: data.training.shape.byteCount, warn)
      return data
    }
    return try loadOnce(source, options, on: group, transport, ranks, warn: warn)
  }

  /// What a host's other ranks need to know about data besides the numbers.
  private struct Description: Codable {
    let shapes: [DatasetShape]
    let schema: TableSchema?
    let notices: [String]
  }

  private static func loadOnce(
    _ source: DataSource, _ options: LoadOptions, on group: any ProcessGroup,
    _ transport: ExchangeOptions.Transport, _ ranks: Range<Int>, warn: (String) -> Void
  ) throws -> LoadedData {
    let isFirst = group.rank == ranks.lowerBound
    let own = try group.agree { isFirst ? try Dataset.load(source, options) : nil }
    if try group.minimum(isFirst ? 1 : 0) == 1, let own { return own }
    let description = Description(
      shapes: own?.shapes ?? [], schema: own?.schema, notices: own?.notices ?? [])
    let all = try group.allGather(values: description)[ranks.lowerBound]
    let bytes = all.shapes.reduce(0) { $0 + $1.byteCount }
    let memory = try group.shareBytes(transport, count: bytes) { memory in
      var next = memory
      for dataset in own?.datasets ?? [] {
        dataset.copyNumbers(to: next)
        next += dataset.shape.byteCount
      }
    }
    try warnOfHosts(group, hasRoom: memory != nil, bytes: bytes, warn)
    return try group.agree {
      if let memory, var data = LoadedData(all.shapes, in: memory) {
        (data.schema, data.notices) = (all.schema, all.notices)
        data.groups = own?.groups
        return data
      }
      return try own ?? Dataset.load(source, options)
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

/// The ranks of a host, which read a table together.
///
/// Ranks of all hosts take part in each exchange, so all hosts must come to the same ones.
private final class GroupTableReaders: TableReaders {
  let index: Int
  let count: Int
  /// Whether this host's memory could not be shared.
  private(set) var lacksMemory = false
  private let group: any ProcessGroup
  private let transport: ExchangeOptions.Transport
  private let ranks: Range<Int>
  /// The largest number of ranks of a host.
  private let turns: Int

  init(
    _ group: any ProcessGroup, _ transport: ExchangeOptions.Transport, _ ranks: Range<Int>
  ) throws {
    self.group = group
    self.transport = transport
    self.ranks = ranks
    index = group.rank - ranks.lowerBound
    count = ranks.count
    turns = try group.allGather(values: ranks.count).max() ?? 1
  }

  func agree<Success>(_ body: () throws -> Success) throws -> Success {
    try group.agree(body)
  }

  func gather<Value: Codable>(_ value: Value) throws -> [Value] {
    Array(try group.allGather(values: value)[ranks])
  }

  func any(_ isTrue: Bool) throws -> Bool { try group.minimum(isTrue ? 0 : 1) == 0 }

  func inTurn<Value: Codable>(_ start: Value, _ body: (Value) throws -> Value) throws -> Value {
    var value = start
    for turn in 0..<turns {
      let next = turn == index ? try body(value) : nil
      let all = try group.allGather(values: next)
      if turn < count { value = all[ranks.lowerBound + turn] ?? value }
    }
    return value
  }

  func share(bytes: Int, fill: (UnsafeMutableRawPointer) -> Void) throws -> AlignedBuffer<UInt8>? {
    if count == 1 { return SingleTableReader.allocate(bytes: bytes, fill) }
    let memory = try group.shareBytes(transport, count: bytes, fill: fill)
    lacksMemory = memory == nil
    return memory
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
