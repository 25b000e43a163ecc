// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralCore
import Testing

@Suite("Optimizers")
struct OptimizerTests {
  /// Guarded parameters, gradients and two moments.
  struct Memory {
    let w, g: Guarded<Float>
    let m, v: [Float]
    let moments: Guarded<Float>
    let before: [Float]
    /// There is a gap between the moments, as there is for a part of a shard.
    let stride: Int

    init(_ count: Int) {
      var numbers = Numbers(count)
      before = numbers.array(count)
      (w, g) = (Guarded(before), Guarded(numbers.array(count)))
      (m, v) = (numbers.array(count), numbers.array(count).map { $0 + 2.01 })
      stride = count + 5
      moments = Guarded(m + [Float](repeating: 7, count: 5) + v)
    }

    func shard(decays: Bool, scale: Float) -> OptimizerShard {
      OptimizerShard(
        parameters: w.base, gradients: g.base, moments: moments.base, momentStride: stride,
        count: before.count, decays: decays, gradientScale: scale)
    }

    var isIntact: Bool {
      w.isIntact && g.isIntact && moments.isIntact
        && (0..<5).allSatisfy { moments.base[before.count + $0] == 7 }
    }
  }

  private func update(_ optimizer: any Optimizer) -> ParameterUpdate {
    ParameterUpdate(optimizer: optimizer, number: 3, learningRate: 0.01, sums: SliceSums(count: 1))
  }

  @Test(
    "Adam's moments are within 3 units, its weights within 2 plus 4 units of the step",
    arguments: oddLengths, [0, 0.1])
  func adam(count: Int, weightDecay: Double) {
    let memory = Memory(count)
    let adam = AdamOptimizer(weightDecay: weightDecay)
    adam.updateGradients(memory.shard(decays: true, scale: 0.5), update(adam))
    for i in 0..<count {
      let g = Double(memory.g.base[i]) / 2
      let (m, v) = (Double(memory.m[i]), Double(memory.v[i]))
      let newM = memory.moments.base[i]
      let newV = memory.moments.base[memory.stride + i]
      #expect(units(newM, 0.9 * m + 0.1 * g, of: 0.9 * abs(m) + 0.1 * abs(g)) <= 3)
      #expect(units(newV, 0.999 * v + 0.001 * g * g) <= 3)
      let root = (Double(newV) / (1 - pow(0.999, 3))).squareRoot() + 1e-8
      let step = 0.01 * Double(newM) / (1 - pow(0.9, 3)) / root
      let w = Double(memory.before[i]) * (1 - 0.01 * weightDecay)
      let most = 2 * abs(w) + 4 * abs(step)
      #expect(abs(Double(memory.w.base[i]) - (w - step)) <= most * 0x1p-23)
    }
    #expect(memory.isIntact)
  }

  struct Rule: Sendable {
    let momentum: Float
    let nesterov: Bool
    let decay: Float
  }

  @Test(
    "SGD's velocity and weights are within 3 units of their terms", arguments: oddLengths,
    [
      Rule(momentum: 0, nesterov: false, decay: 0), Rule(momentum: 0, nesterov: false, decay: 0.5),
      Rule(momentum: 0.9, nesterov: false, decay: 0.5),
      Rule(momentum: 0.9, nesterov: true, decay: 0),
    ])
  func sgd(count: Int, rule: Rule) {
    let memory = Memory(count)
    let sgd = VanillaSGDOptimizer(
      momentum: rule.momentum, nesterov: rule.nesterov, weightDecay: rule.decay)
    sgd.updateGradients(memory.shard(decays: true, scale: 0.5), update(sgd))
    let momentum = Double(rule.momentum)
    for i in 0..<count {
      let (w, old) = (Double(memory.before[i]), Double(memory.m[i]))
      let (g, decay) = (Double(memory.g.base[i]) / 2, Double(rule.decay) * w)
      let velocity = momentum * old + g + decay
      let step = rule.nesterov ? g + decay + momentum * velocity : velocity
      let magnitude = momentum * abs(old) + abs(g) + abs(decay)
      if momentum > 0 { #expect(units(memory.moments.base[i], velocity, of: magnitude) <= 3) }
      let terms = abs(w) + 0.01 * (abs(g) + abs(decay) + momentum * magnitude + magnitude)
      #expect(units(memory.w.base[i], w - 0.01 * step, of: terms) <= 3)
    }
    #expect(memory.isIntact)
    #expect(momentum > 0 || Array(memory.moments.values.prefix(count)) == memory.m)
  }

  @Test("weight decay does not apply to undecayed parameters")
  func undecayed() {
    for optimizer in [
      AdamOptimizer(weightDecay: 0.5), VanillaSGDOptimizer(weightDecay: 0.5),
    ] as [any Optimizer] {
      let (memory, plain) = (Memory(17), Memory(17))
      optimizer.updateGradients(memory.shard(decays: false, scale: 1), update(optimizer))
      let without: any Optimizer =
        optimizer is AdamOptimizer ? AdamOptimizer() : VanillaSGDOptimizer()
      without.updateGradients(plain.shard(decays: true, scale: 1), update(without))
      #expect(memory.w.values == plain.w.values)
    }
  }
}
