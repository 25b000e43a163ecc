internal import Checkpoints
internal import Coordination
internal import Datasets
internal import Foundation
internal import Machine
internal import NeuralCore
// SPDX-License-Identifier: Apache-2.0
internal import RunRecords
internal import Tracing

extension Trainer {
  /// Writes all state and waits for the disk; all replicas, which agree on the success.
  ///
  /// - Returns: the file's path on rank 0.
  /// - Throws: `Failure`, the same on all replicas, that names the last good checkpoint; also
  ///   for a checkpoint that was begun before.
  @discardableResult
  func writeCheckpoint(_ run: TrainingRun) throws -> String {
    group.begin(.checkpoint, step: run.step)
    try settleCheckpoint(run)
    return try run.network.spans.record(.checkpoint) { try write(run) }
  }

  private func write(_ run: TrainingRun) throws -> String {
    let job = try checkpointJob(run) { _ in false }
    return try group.agree {
      guard let job else { return "" }
      return try notingSuccess(run, Result { try job.write() })
    }
  }

  /// Copies all state, and writes it while the next steps run; all replicas.
  ///
  /// The success is agreed on by ``settleCheckpoint(_:waiting:)``. Where the state takes more
  /// than half of the memory that is free, or options say so, the writing is waited for.
  func beginCheckpoint(_ run: TrainingRun) throws {
    group.begin(.checkpoint, step: run.step)
    try settleCheckpoint(run)
    try run.network.spans.record(.checkpoint) { try begin(run) }
  }

  private func begin(_ run: TrainingRun) throws {
    let writer = run.checkpointWriter
    var overlaps = false
    let job = try checkpointJob(run) { bytes in
      overlaps = !options.waitsForCheckpoints && bytes <= Memory.availableBytes / 2
      return overlaps
    }
    run.isCheckpointPending = true
    guard let job else { return }
    writer.begin(job)
    if !overlaps { writer.wait() }
  }

  /// Agrees on the success of the checkpoint that is being written, if any; all replicas.
  ///
  /// - Parameter waiting: whether to wait for it; otherwise one that is still being written is
  ///   left to a later call.
  /// - Throws: `Failure` on all replicas if it could not be written.
  func settleCheckpoint(_ run: TrainingRun, waiting: Bool = true) throws {
    guard run.isCheckpointPending else { return }
    let isDone = try group.agree {
      guard group.rank == 0,
        let result = waiting ? run.checkpointWriter.wait() : run.checkpointWriter.poll()
      else { return false }
      _ = try notingSuccess(run, result)
      return true
    }
    if try group.broadcast({ isDone }) { run.isCheckpointPending = false }
  }

  private func notingSuccess(
    _ run: TrainingRun, _ result: Result<String, any Error>
  ) throws -> String {
    do {
      let path = try result.get()
      run.lastGoodCheckpoint = path
      return path
    } catch {
      throw run.failure(error)
    }
  }

  /// What is to be written, on rank 0; all replicas.
  ///
  /// - Parameter copies: whether the network's state is to be copied, given the bytes of all state.
  private func checkpointJob(
    _ run: TrainingRun, _ copies: (_ bytes: Int) -> Bool
  ) throws -> CheckpointJob? {
    let digest = try run.digest ?? group.agreedDigest(of: run.network.store, step: run.step)
    let moments = try group.gatherOptimizerState()
    guard group.rank == 0, let folder = run.checkpointFolder else { return nil }
    let store = run.network.store
    let count =
      store.parameters.count + store.statistics.count + moments.reduce(0) { $0 + $1.count }
    let isCopied = copies(count * MemoryLayout<Float>.stride)
    return CheckpointJob(
      folder: folder,
      tensors: tensors(
        of: run.network, parameters: isCopied ? AlignedBuffer(store.parameters.elements) : nil,
        statistics: isCopied ? AlignedBuffer(store.statistics.elements) : nil, moments),
      metadata: metadata(run, digest), metrics: run.directory?.metrics, keep: options.keep,
      heldOutLosses: run.heldOutLosses)
  }

  private func tensors(
    of network: NeuralNetwork, parameters: AlignedBuffer<Float>?,
    statistics: AlignedBuffer<Float>?, _ moments: [AlignedBuffer<Float>]
  ) -> [NamedTensor] {
    let store = network.store
    var tensors = store.table.entries.map { entry in
      NamedTensor(
        name: entry.name, layout: entry.specification.layout,
        in: entry.isStatistic ? statistics ?? store.statistics : parameters ?? store.parameters,
        at: entry.span.lowerBound)
    }
    for (name, moment) in zip(network.optimizer.momentNames, moments) {
      for entry in store.table.entries where !entry.isStatistic {
        tensors.append(
          NamedTensor(
            name: "optimizer.\(name).\(entry.name)", layout: entry.specification.layout,
            in: moment, at: entry.span.lowerBound))
      }
    }
    return tensors
  }

  private func metadata(_ run: TrainingRun, _ digest: ContentHash) -> CheckpointMetadata {
    let determining = options.determining(slices: run.slices, ranks: group.size)
    var config = Dictionary(uniqueKeysWithValues: determining.map { ($0.name, $0.value) })
    config["data-hash"] = run.dataHash
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let json = (try? encoder.encode(config)).map { String(decoding: $0, as: UTF8.self) }
    return CheckpointMetadata(
      step: run.step, epoch: run.step / run.stepsPerEpoch,
      positionInEpoch: run.step % run.stepsPerEpoch, seed: options.seed, slices: run.slices,
      config: json ?? "{}", model: run.model.json, digest: digest)
  }
}
