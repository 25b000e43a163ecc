// SPDX-License-Identifier: Apache-2.0
public import NeuralCore

/// The processes that train a network together: what training asks of them besides `Replicas`.
///
/// All ranks call all functions, in the same order. ``SingleProcessGroup`` is a group of one; other
/// implementations communicate with other processes.
public protocol ProcessGroup: AnyObject {
  /// This process's rank; rank 0 writes files and reports.
  var rank: Int { get }
  /// The number of ranks.
  var size: Int { get }
  /// The host of each rank.
  var hosts: [String] { get }

  /// Sets the current activity and step, for reports about ranks that don't arrive; this rank.
  func begin(_ activity: Activity, step: Int)

  /// Every rank's bytes, in rank order, on every rank.
  func allGather(_ bytes: [UInt8]) throws -> [[UInt8]]

  /// The ranks that share memory with this one under a transport, this one included.
  func ranksSharingMemory(_ transport: ExchangeOptions.Transport) throws -> Range<Int>

  /// One copy of `count` bytes for all ranks that share memory; all of these ranks.
  ///
  /// - Parameter fill: writes bytes, each of these ranks its own part of them; all are 0 before.
  /// - Returns: the bytes, 64-byte aligned; nil on all of these ranks if they don't fit.
  func shareBytes(
    _ transport: ExchangeOptions.Transport, count: Int, fill: (UnsafeMutableRawPointer) -> Void
  ) throws -> AlignedBuffer<UInt8>?

  /// Makes this group train `network`, on batches of `slices` slices.
  func join(_ network: NeuralNetwork, slices: Int, exchange: ExchangeOptions) throws

  /// The optimizer's state for all parameters of the joined network, gathered from its owners.
  ///
  /// - Returns: on rank 0 a copy of each moment, laid out as the parameters, which may be written to
  ///   disk while later steps run; elsewhere nothing.
  func gatherOptimizerState() throws -> [AlignedBuffer<Float>]

  /// Restores the optimizer's state of the joined network; each rank keeps its part.
  ///
  /// - Parameter moments: on every rank one buffer per moment, laid out as the parameters.
  func loadOptimizerState(_ moments: [AlignedBuffer<Float>])

  /// The time that this rank has spent on anything but computing since it joined.
  var communicationTimes: CommunicationTimes { get }

  /// The bytes that this rank has moved in steps since it joined.
  var communicationTraffic: CommunicationTraffic { get }

  /// The number of participants between which the joined network's gradients travel in messages:
  /// ranks, or local groups, whose ranks share memory; 1 where nothing is sent.
  var exchangeParticipants: Int { get }
}

/// What ranks do together, for reports about ranks that don't arrive.
public enum Activity: Int, Sendable {
  /// Comparing builds, options and data, and loading the data.
  case startUp
  /// A training step.
  case training
  /// Comparing digests of the weights.
  case digest
  /// Evaluating held-out rows.
  case evaluation
  /// Collecting and writing a checkpoint.
  case checkpoint
}
