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

    /// RMSProp's first moment is an average of squares.
    func makeFirstMomentPositive() {
      for i in 0..<before.count { moments.base[i] = abs(moments.base[i]) }
    }

    func shard(decays: Bool, scale: Float, trustRatio: Float = 1) -> OptimizerShard {
      OptimizerShard(
        parameters: w.base, gradients: g.base, moments: moments.base, momentStride: stride,
        count: before.count, decays: decays, gradientScale: scale, trustRatio: trustRatio)
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
    let pairs: [(any Optimizer, any Optimizer)] = [
      (AdamOptimizer(weightDecay: 0.5), AdamOptimizer()),
      (VanillaSGDOptimizer(weightDecay: 0.5), VanillaSGDOptimizer()),
      (RMSPropOptimizer(weightDecay: 0.5), RMSPropOptimizer()),
      (LAMBOptimizer(weightDecay: 0.5), LAMBOptimizer()),
      (LARSOptimizer(weightDecay: 0.5), LARSOptimizer()),
    ]
    for (optimizer, without) in pairs {
      let (memory, plain, decayed) = (Memory(17), Memory(17), Memory(17))
      for memory in [memory, plain, decayed] { memory.makeFirstMomentPositive() }
      step(optimizer, memory.shard(decays: false, scale: 1))
      step(without, plain.shard(decays: true, scale: 1))
      #expect(memory.w.values == plain.w.values)
      step(optimizer, decayed.shard(decays: true, scale: 1))
      #expect(decayed.w.values != plain.w.values)
    }
  }

  /// Both passes of an update, or its only one; returns the steps of the first.
  @discardableResult
  private func step(_ optimizer: any Optimizer, _ shard: OptimizerShard) -> [Float] {
    let steps = Guarded([Float](repeating: 0, count: shard.count))
    if let layerwise = optimizer as? any LayerwiseOptimizer {
      layerwise.computeSteps(shard, into: steps.base, update(optimizer))
    }
    optimizer.updateGradients(shard, update(optimizer))
    #expect(steps.isIntact)
    return steps.values
  }

  @Test(
    "RMSProp's state is within 4 units of its terms, its weights within 8 units of their step",
    arguments: oddLengths, [(0.0, 0.0), (0.9, 0), (0.5, 0.5)])
  func rmsprop(count: Int, setting: (momentum: Double, decay: Double)) {
    let memory = Memory(count)
    let rmsprop = RMSPropOptimizer(
      rho: 0.875, epsilon: 1e-3, momentum: Float(setting.momentum),
      weightDecay: Float(setting.decay))
    memory.makeFirstMomentPositive()
    step(rmsprop, memory.shard(decays: true, scale: 0.5))
    for i in 0..<count {
      let w = Double(memory.before[i])
      let (g, decay) = (Double(memory.g.base[i]) / 2, setting.decay * w)
      let average = 0.875 * abs(Double(memory.m[i])) + 0.125 * (g + decay) * (g + decay)
      let magnitude = 0.875 * abs(Double(memory.m[i])) + 0.125 * pow(abs(g) + abs(decay), 2)
      #expect(units(memory.moments.base[i], average, of: magnitude) <= 4)
      let root = Double(memory.moments.base[i]).squareRoot() + 1e-3
      let old = setting.momentum * Double(memory.v[i])
      let step = old + (g + decay) / root
      let terms = abs(old) + (abs(g) + abs(decay)) / root
      if setting.momentum > 0 {
        #expect(units(memory.moments.base[memory.stride + i], step, of: terms) <= 6)
      }
      #expect(
        abs(Double(memory.w.base[i]) - (w - 0.01 * step))
          <= (2 * abs(w) + 8 * 0.01 * terms) * 0x1p-23)
    }
    #expect(memory.isIntact)
  }

  @Test(
    "LAMB's moments are those of Adam, its steps within 6 units, its weights within 2 plus 8 units of the step",
    arguments: oddLengths, [0, 0.25])
  func lamb(count: Int, weightDecay: Double) {
    let (memory, other) = (Memory(count), Memory(count))
    let lamb = LAMBOptimizer(epsilon: 1e-3, weightDecay: weightDecay)
    let steps = step(lamb, memory.shard(decays: true, scale: 0.5, trustRatio: 0.75))
    let adam = AdamOptimizer()
    adam.updateGradients(other.shard(decays: true, scale: 0.5), update(adam))
    #expect(memory.moments.values == other.moments.values)
    for i in 0..<count {
      let w = Double(memory.before[i])
      let (m, v) = (
        Double(memory.moments.base[i]), Double(memory.moments.base[memory.stride + i])
      )
      let root = (v / (1 - pow(0.999, 3))).squareRoot() + 1e-3
      let adam = m / (1 - pow(0.9, 3)) / root
      let terms = abs(adam) + weightDecay * abs(w)
      #expect(units(steps[i], adam + weightDecay * w, of: terms) <= 6)
      let new = w - 0.01 * 0.75 * (adam + weightDecay * w)
      #expect(
        abs(Double(memory.w.base[i]) - new) <= (2 * abs(w) + 8 * 0.0075 * terms) * 0x1p-23)
    }
    #expect(memory.isIntact)
  }

  @Test(
    "LARS's steps are the scaled gradients, its velocity and weights within 4 units of their terms",
    arguments: oddLengths, [(0.0, 0.0), (0, 0.5), (0.9, 0.5)])
  func lars(count: Int, setting: (momentum: Double, decay: Double)) {
    let memory = Memory(count)
    let lars = LARSOptimizer(
      momentum: Float(setting.momentum), weightDecay: Float(setting.decay))
    let steps = step(lars, memory.shard(decays: true, scale: 0.5, trustRatio: 0.75))
    for i in 0..<count {
      let (w, old) = (Double(memory.before[i]), setting.momentum * Double(memory.m[i]))
      #expect(steps[i] == memory.g.base[i] / 2)
      let (g, decay) = (0.75 * Double(steps[i]), 0.75 * setting.decay * w)
      let magnitude = abs(old) + abs(g) + abs(decay)
      if setting.momentum > 0 {
        #expect(units(memory.moments.base[i], old + g + decay, of: magnitude) <= 4)
      }
      let terms = abs(w) + 0.01 * magnitude
      #expect(units(memory.w.base[i], w - 0.01 * (old + g + decay), of: terms) <= 4)
    }
    #expect(memory.isIntact)
  }
}
