// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Foundation
internal import NeuralCore
internal import Telemetry

extension Trainer {
  /// Writes all state to the run directory; all replicas, which agree on the success.
  ///
  /// - Returns: the file's path on rank 0.
  @discardableResult
  func writeCheckpoint(_ run: TrainingRun) throws -> String {
    group.note(.checkpoint, step: run.step)
    return try run.network.spans.record(.checkpoint) { try write(run) }
  }

  private func write(_ run: TrainingRun) throws -> String {
    let moments = try group.gatherMoments()
    return try agreed {
      guard group.rank == 0, let directory = run.directory else { return "" }
      try run.metrics?.synchronize()
      let tensors = tensors(of: run.network, moments)
      let folder = try CheckpointFolder.open(directory.checkpoints)
      let path = try folder.write(tensors: tensors, metadata: metadata(run))
      try removeOld(folder, run)
      return path
    }
  }

  /// Removes what `--keep` does not keep; the best are those written right after an evaluation.
  private func removeOld(_ folder: CheckpointFolder, _ run: TrainingRun) throws {
    guard let keep = options.keep else { return }
    let losses = try folder.entries().compactMap { entry in
      run.heldOutLosses[entry.step].map { (step: entry.step, loss: $0) }
    }
    try folder.keep(keep, best: losses.min { $0.loss < $1.loss }?.step)
  }

  private func tensors(
    of network: NeuralNetwork, _ moments: [AlignedBuffer<Float>]
  ) -> [NamedTensor] {
    let store = network.store
    var tensors = store.table.entries.map { entry in
      NamedTensor(
        name: entry.name, shape: entry.specification.shape,
        in: entry.isStatistic ? store.statistics : store.parameters, at: entry.span.lowerBound)
    }
    for (name, moment) in zip(network.optimizer.momentNames, moments) {
      for entry in store.table.entries where !entry.isStatistic {
        tensors.append(
          NamedTensor(
            name: "optimizer.\(name).\(entry.name)", shape: entry.specification.shape, in: moment,
            at: entry.span.lowerBound))
      }
    }
    return tensors
  }

  private func metadata(_ run: TrainingRun) -> CheckpointMetadata {
    var config = Dictionary(
      uniqueKeysWithValues: options.determining(slices: run.slices).map { ($0.name, $0.value) })
    config["data-hash"] = run.dataHash
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let json = (try? encoder.encode(config)).map { String(decoding: $0, as: UTF8.self) }
    return CheckpointMetadata(
      step: run.step, epoch: run.step / run.stepsPerEpoch,
      positionInEpoch: run.step % run.stepsPerEpoch, seed: options.seed, slices: run.slices,
      config: json ?? "{}", model: run.model.json, digest: run.network.store.digest())
  }

  /// Keeps the weights of the last good step, and says what went wrong and why; all replicas.
  func divergence(_ finding: NotFiniteFinding, _ run: TrainingRun) throws -> Verdict {
    run.restoreStatistics()
    let layer = try group.minimum(finding.layer ?? Int.max)
    // Bit patterns of floats that are not negative are ordered as the floats are.
    let bits = try -group.minimum(-Int(finding.largestInput.bitPattern))
    let largestInput = Float(bitPattern: UInt32(truncatingIfNeeded: bits))
    let checkpoint = try writeCheckpoint(run)
    let saved = try group.broadcast(Array(checkpoint.utf8))
    let place = layer == Int.max ? "" : ", first in layers.\(layer)"
    let rate = run.network.schedule.rate(at: run.step)
    let cause =
      if largestInput > 1e15 {
        "the data hold values as large as \(largestInput): scale them down"
      } else if rate > 1 || finding.largestParameter > 1e6 {
        "the learning rate \(rate) is probably too high (largest weight \(finding.largestParameter)): "
          + "lower --learning-rate"
      } else {
        "probably the steps are too long: lower --learning-rate or set --clip-norm"
      }
    return Verdict(
      status: 78,
      message:
        "step \(run.step + 1): the \(finding.quantity.rawValue) is not finite\(place); \(cause); "
        + "the weights after step \(run.step) are in \(String(decoding: saved, as: UTF8.self))")
  }
}
