// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
internal import Foundation
public import NeuralCore

/// A network from a checkpoint, ready for inference.
public final class LoadedModel {
  /// The network's make.
  public let description: ModelDescription
  /// What the checkpoint says besides.
  public let metadata: CheckpointMetadata
  /// The network with the checkpoint's weights and running statistics.
  public let network: NeuralNetwork
  /// The checkpoint's file.
  public let path: String

  /// Loads a checkpoint file, or the newest intact checkpoint of a run directory.
  ///
  /// - Throws: `CheckpointError` or ``TrainingError`` when there is none, or it is damaged.
  public init(path: String) throws {
    let checkpoint = try Self.open(path)
    try checkpoint.verify()
    self.path = checkpoint.path
    metadata = checkpoint.metadata
    description = try ModelDescription(json: metadata.model, path: checkpoint.path)
    try Self.check(description, fits: checkpoint)
    network = try description.makeNetwork()
    for entry in network.store.table.entries {
      guard let found = checkpoint.entry(entry.name), found.shape == entry.specification.shape
      else {
        throw TrainingError.unsuitableModel(
          "\(checkpoint.path): tensor \(entry.name) of shape \(entry.specification.shape) is missing"
        )
      }
      try checkpoint.read(
        entry.name, as: entry.specification.layout, into: network.store.elements(of: entry))
    }
    network.store.markChanged()
  }

  /// Checks that the file has the weights that the description claims, before memory is taken for
  /// them: what a network takes is then bounded by what the file has.
  private static func check(
    _ description: ModelDescription, fits checkpoint: Checkpoint
  ) throws(TrainingError) {
    let widths = description.widths
    for (layer, (inputs, outputs)) in zip(widths, widths.dropFirst()).enumerated() {
      let name = "layers.\(layer).weight"
      guard checkpoint.entry(name)?.shape == [outputs, inputs] else {
        throw .unsuitableModel(
          "\(checkpoint.path): tensor \(name) of shape [\(outputs), \(inputs)] is missing")
      }
    }
  }

  /// Opens a checkpoint file, or the newest intact checkpoint of a run directory.
  ///
  /// - Throws: `CheckpointError` or ``TrainingError`` when there is none, or it is damaged.
  public static func open(_ path: String) throws -> Checkpoint {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue
    else { return try Checkpoint(path: path) }
    var failure = CheckpointError.missing(path: path, reason: "there is no checkpoint in it")
    for folder in [path + "/checkpoints", path].map({ CheckpointFolder(path: $0) }) {
      let search = try folder.newestIntact()
      if let found = search.checkpoint { return found }
      if !search.skipped.isEmpty { failure = folder.nothingIntact(search) }
    }
    throw failure
  }
}
