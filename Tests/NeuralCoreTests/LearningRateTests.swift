// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralCore
import Testing

@Suite("Learning-rate schedules")
struct LearningRateTests {
  /// `schedules.json`: learning rates by `torch.optim.lr_scheduler`.
  private struct File: Decodable {
    struct Case: Decodable {
      let name: String
      let base: Double
      let totalSteps: Int
      /// Of exponential decay only.
      let every: Int?
      let factor: Double?
      let rates: [Double]
    }
    let cases: [Case]
  }

  @Test("One-cycle and exponential schedules agree with PyTorch at every step")
  func references() throws {
    let file = try JSONDecoder().decode(
      File.self, from: Data(contentsOf: resource("schedules.json")))
    #expect(Set(file.cases.map(\.name)) == ["one-cycle", "exponential"])
    for golden in file.cases {
      let shape: LearningRateSchedule.Shape
      if let every = golden.every, let factor = golden.factor {
        shape = .exponential(every: every, factor: factor)
      } else {
        shape = .oneCycle(totalSteps: golden.totalSteps)
      }
      let schedule = LearningRateSchedule(base: golden.base, shape: shape)
      #expect(golden.rates.count == golden.totalSteps)
      for (step, rate) in golden.rates.enumerated() {
        #expect(
          abs(schedule.rate(at: step) - rate) <= 1e-12 * rate,
          "\(golden.name) of \(golden.totalSteps) steps at \(step)")
      }
    }
  }

  @Test("After its last step a one-cycle schedule stays at its lowest learning rate")
  func afterTheEnd() {
    let schedule = LearningRateSchedule(base: 0.5, shape: .oneCycle(totalSteps: 10))
    #expect(schedule.rate(at: 10) == schedule.rate(at: 9))
    #expect(abs(schedule.rate(at: 1000) - 0.5 / 250_000) < 1e-18)
  }

  @Test("Exponential decay begins after the warm-up, at the base learning rate")
  func warmup() {
    let schedule = LearningRateSchedule(
      base: 0.5, shape: .exponential(every: 2, factor: 0.25), warmupSteps: 4)
    let rates = (0..<7).map { schedule.rate(at: $0) }
    #expect(rates == [0.125, 0.25, 0.375, 0.5, 0.5, 0.25, 0.125])
  }

  @Test(
    "The factor multiplies the learning rate of every schedule",
    arguments: [
      .constant, .step(every: 3, factor: 0.5), .exponential(every: 3, factor: 0.5),
      .cosine(totalSteps: 9), .oneCycle(totalSteps: 9),
    ] as [LearningRateSchedule.Shape])
  func factor(shape: LearningRateSchedule.Shape) {
    let plain = LearningRateSchedule(base: 0.1, shape: shape)
    var reduced = plain
    reduced.factor = 0.25
    for step in 0..<9 { #expect(reduced.rate(at: step) == 0.25 * plain.rate(at: step)) }
    #expect(reduced != plain)
  }
}
