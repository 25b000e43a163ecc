// SPDX-License-Identifier: Apache-2.0
public import NeuralCore

/// What a checkpoint holds besides tensors: where training stood, and what it needs to go on.
///
/// In the file it is the string map of the safetensors header, and so it is in Codable form.
public struct CheckpointMetadata: Equatable, Sendable {
  /// The value of `format` in every checkpoint.
  public static let format = "lockstep checkpoint"
  /// The version of the form that this code writes; it reads this and all earlier ones.
  public static let currentFormatVersion = 1

  /// The version of the form that the file has.
  public internal(set) var formatVersion = Self.currentFormatVersion
  /// How many steps were done.
  public var step: Int
  /// The epoch that the next step belongs to, counted from 0.
  public var epoch: Int
  /// How many steps of that epoch were done.
  public var positionInEpoch: Int
  /// The seed of all random numbers.
  public var seed: UInt64
  /// Into how many slices a batch is cut.
  public var slices: Int
  /// The options that determine the result: a JSON object, kept as it is.
  public var config: String
  /// The network's make (widths, activations, loss, class labels …): a JSON object, kept as it is.
  public var model: String
  /// The XXH3-128 of all weights and running statistics in layer order.
  public var digest: ContentHash
  /// The XXH3-128 of every tensor's bytes, by name; filled in by writing.
  public internal(set) var checksums: [String: ContentHash] = [:]
  /// Entries of the string map that have no place above, also those of later versions.
  public var extra: [String: String]

  /// Describes a moment of training.
  public init(
    step: Int, epoch: Int, positionInEpoch: Int, seed: UInt64, slices: Int,
    config: String, model: String, digest: ContentHash, extra: [String: String] = [:]
  ) {
    self.step = step
    self.epoch = epoch
    self.positionInEpoch = positionInEpoch
    self.seed = seed
    self.slices = slices
    self.config = config
    self.model = model
    self.digest = digest
    self.extra = extra
  }
}
