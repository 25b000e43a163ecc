// SPDX-License-Identifier: Apache-2.0
// Fits a network to noisy points of a curve, on one or several ranks:
//
//     launch/build --product FitCurve
//     mpirun -n 4 .build/release/FitCurve
//
// The ranks share the work, and the weights are bitwise equal on 1 to 8 of them.
import Coordination
import DataParallel
import Foundation
import Machine
import MessagePassing
import NeuralCore

/// Noisy points of y = sin(3 x), the same on all ranks.
struct Points {
  let x: AlignedBuffer<Float>
  let y: AlignedBuffer<Float>

  init(count: Int) {
    x = AlignedBuffer(count: count)
    y = AlignedBuffer(count: count)
    PhiloxStream(seed: 1, purpose: .syntheticData, subject: 0)
      .fillUniform(x.mutableElements, limit: 1)
    PhiloxStream(seed: 1, purpose: .syntheticData, subject: 1)
      .fillNormal(y.mutableElements, standardDeviation: 0.1)
    for i in 0..<count { y[i] += sin(3 * x[i]) }
  }

  /// All points as one global batch; this rank holds the rows of its slices.
  func batch(for slices: SlicePartition) -> Batch {
    let own = slices.ownedRows(batchRows: x.count)
    return Batch(
      globalRows: x.count, inputs: x.matrix(rows: x.count, columns: 1).rows(own),
      targets: .values(y.matrix(rows: y.count, columns: 1).rows(own)))
  }
}

func fit(_ environment: MPIEnvironment) throws {
  let network = try NeuralNetwork(
    layers: [
      FullyConnectedLayer(inputs: 1, outputs: 32, activation: Sigmoid()),
      FullyConnectedLayer(inputs: 32, outputs: 1, activation: Identity()),
    ],
    loss: MeanSquaredError(), optimizer: AdamOptimizer(),
    schedule: LearningRateSchedule(base: 0.02), seed: 0)
  // The network could train alone now. Joining the group makes it one of several replicas.
  let group = try MPIProcessGroup(environment.world, host: Host.name)
  try group.join(network, slices: max(8, group.size), exchange: ExchangeOptions())

  let points = Points(count: 1000)
  try withExtendedLifetime(points) {
    let batch = points.batch(for: network.replicas.slices)
    for step in 1...500 {
      let result = try network.train(batch)
      guard group.rank == 0 && step % 100 == 0 else { continue }
      print(String(format: "step %d: loss %.4f", step, result.loss))
    }
  }
  let digest = try group.agreedDigest(of: network.store, step: network.stepsDone)
  guard group.rank == 0 else { return }
  try show(network)
  print("ranks \(group.size), weights \(digest)")
}

func show(_ network: NeuralNetwork) throws {
  let x = AlignedBuffer<Float>([-0.8, -0.4, 0, 0.4, 0.8])
  try withExtendedLifetime(x) {
    let outputs = try network.infer(x.matrix(rows: x.count, columns: 1)).readOnly
    for (x, y) in zip(x.elements, outputs.elements) {
      print(String(format: "x %5.2f: network %6.3f, curve %6.3f", x, y, sin(3 * x)))
    }
  }
}

do {
  let environment = try MPIEnvironment()
  do {
    try fit(environment)
    try environment.finalize()
  } catch {
    // Other ranks may be waiting for this one.
    FileHandle.standardError.write(Data("FitCurve: \(error)\n".utf8))
    environment.world.abort(status: 70)
  }
} catch {
  FileHandle.standardError.write(Data("FitCurve: \(error)\n".utf8))
  exit(69)
}
