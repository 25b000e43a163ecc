// SPDX-License-Identifier: Apache-2.0
public import NeuralCore

/// What training asks of the processes that train a network together, besides `Replicas`.
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

  /// Records what begins, and in which step, for reports about ranks that don't arrive; this rank.
  func begin(_ activity: Activity, step: Int)

  /// Every rank's bytes, in rank order, on every rank.
  func allGather(_ bytes: [UInt8]) throws -> [[UInt8]]

  /// The ranks that share memory with this one under a transport, this one included.
  func ranksSharingMemory(_ transport: ExchangeOptions.Transport) throws -> Range<Int>

  /// One copy of some bytes for all ranks that share memory; all of these ranks.
  ///
  /// - Parameter fill: writes the bytes; called on the first of these ranks only.
  /// - Returns: the bytes, 64-byte aligned; nil on all of these ranks if they don't fit.
  func shareBytes(
    _ transport: ExchangeOptions.Transport, count: Int, fill: (UnsafeMutableRawPointer) -> Void
  ) throws -> AlignedBuffer<UInt8>?

  /// Makes this group the one that trains `network`, on batches cut into `slices`.
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

  /// What this rank has spent its time on since it joined, besides computing.
  var communicationTimes: CommunicationTimes { get }

  /// What this rank has moved in steps since it joined.
  var communicationTraffic: CommunicationTraffic { get }

  /// Between how many participants the joined network's gradients travel in messages: ranks, or
  /// groups of ranks that share memory; 1 where nothing is sent.
  var exchangeParticipants: Int { get }
}

/// What ranks are doing together, for reports about one that doesn't arrive.
public enum Activity: Int, Sendable {
  /// Comparing builds, options and data, and loading.
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
