// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Datasets
internal import NeuralCore

/// The rows of a run: what is trained on, and what is held out.
struct TrainingData {
  let training: Dataset
  let trainingRows: [Int32]
  let heldOut: Dataset
  let heldOutRows: [Int32]

  /// Loads the data that the options name, once a machine, and splits them unless the source does;
  /// all replicas.
  ///
  /// - Parameter warn: is given a sentence, on replica 0, if a machine keeps them more than once.
  init(
    _ options: TrainingOptions, on group: any ProcessGroup, warn: (String) -> Void = { _ in }
  ) throws {
    let loaded = try MachineData.load(
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
    if options.dropLast && trainingRows.count < options.batch {
      throw TrainingError.unsuitableData(
        "\(options.data): \(trainingRows.count) rows to train on are less than --batch "
          + "\(options.batch), and --drop-last leaves none")
    }
  }

  /// The hash of everything that was loaded.
  var contentHash: String {
    training === heldOut
      ? training.contentHash.description
      : "\(training.contentHash)+\(heldOut.contentHash)"
  }
}
