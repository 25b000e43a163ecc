// SPDX-License-Identifier: Apache-2.0
import NeuralCore

/// Measures what is done to all weights of a layer at the end of a step.
struct ParameterKernels {
  let workload: Workload
  let limits: MachineLimits
  private let count: Int
  private let weights, gradients, moments: AlignedBuffer<Float>

  init(_ workload: Workload, _ limits: MachineLimits) {
    self.workload = workload
    self.limits = limits
    count = workload.inputs * workload.outputs
    (weights, gradients) = (AlignedBuffer(count: count), AlignedBuffer(count: count))
    moments = AlignedBuffer(count: 2 * count)
    weights.fill(with: 0.5)
    gradients.fill(with: 0.25)
    moments.fill(with: 0.125)
  }

  func measure() -> [Measurement] {
    let shard = OptimizerShard(
      parameters: weights.base, gradients: gradients.base, moments: moments.base,
      momentStride: count, count: count, decays: true, gradientScale: 1)
    let (adam, sgd) = (AdamOptimizer(), VanillaSGDOptimizer(momentum: 0.9))
    return [
      row("squares of the gradient", passes: 1, operations: 2) {
        _ = Reductions.sumOfSquares(gradients.base, count)
      },
      row("gradients of two slices added", passes: 3, operations: 1) {
        Reductions.add(gradients.base, to: weights.base, count)
      },
      row("Adam", passes: 7, operations: 14) { adam.updateGradients(shard, update(adam)) },
      row("SGD with momentum", passes: 5, operations: 6) {
        sgd.updateGradients(shard, update(sgd))
      },
    ]
  }

  private func update(_ optimizer: any Optimizer) -> ParameterUpdate {
    ParameterUpdate(optimizer: optimizer, number: 9, learningRate: 1e-6, sums: sums)
  }

  private let sums = SliceSums(count: 1)

  private func row(
    _ kernel: String, passes: Int, operations: Int, _ body: () -> Void
  ) -> Measurement {
    Measurement(
      network: workload.name, kernel: kernel, shape: "\(count)",
      seconds: Clock.seconds(body), operations: Double(operations * count),
      bytes: 4 * passes * count, limits: limits)
  }
}
