// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import NeuralCore
import TestSupport
import Testing
import Training

@Suite("Monitoring a metric")
struct MetricMonitorTests {
  /// A case of `early_stopping.json`.
  struct Reference: Decodable {
    struct Stop: Decodable {
      let stopped: Int?
      let best: Int
    }

    let values: [Double?]
    let higher: Bool
    let delta: Double
    let patience: Int
    let factor: Double
    let keras: Stop?
    let rates: [Double]

    static func all() throws -> [Reference] {
      let path = packagePath("Tests/Reference/early_stopping.json")
      return try JSONDecoder().decode(
        [Reference].self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }

    func monitor(plateau: MetricMonitor.Plateau? = nil) -> MetricMonitor {
      MetricMonitor(
        higher ? .accuracy : .loss, minimumDelta: delta, patience: patience, plateau: plateau)
    }
  }

  @Test("Training stops at the evaluation, and with the best one, of Keras' EarlyStopping")
  func keras() throws {
    let cases = try Reference.all()
    #expect(cases.count == 80)
    for reference in cases {
      guard let expected = reference.keras else { continue }
      var monitor = reference.monitor()
      var stopped: Int?
      for (index, value) in reference.values.enumerated() where stopped == nil {
        monitor.observe(value ?? .nan, afterStep: index)
        if monitor.isExhausted { stopped = index + 1 }
      }
      #expect(stopped == expected.stopped, "\(reference)")
      #expect(monitor.best?.step == expected.best, "\(reference)")
    }
  }

  @Test("The learning rate is reduced at the evaluations of PyTorch's ReduceLROnPlateau")
  func torch() throws {
    for reference in try Reference.all() {
      var monitor = reference.monitor(
        plateau: .init(factor: reference.factor, patience: reference.patience))
      let rates = reference.values.enumerated().map { index, value in
        monitor.observe(value ?? .nan, afterStep: index)
        return monitor.state.rateFactor
      }
      for (own, expected) in zip(rates, reference.rates) {
        #expect(abs(own - expected) <= 1e-14 * expected, "\(reference)")
      }
    }
  }

  @Test("Equal values, values within the delta, and values that are not finite are no improvement")
  func noImprovement() {
    func improvements(_ monitor: inout MetricMonitor, _ values: [Double]) -> [Bool] {
      values.enumerated().map { monitor.observe($1, afterStep: $0 + 1) }
    }
    var loss = MetricMonitor(.loss, minimumDelta: 0.25, patience: 5)
    #expect(
      improvements(&loss, [1, 1, 0.75, 0.875, .nan, -.infinity])
        == [true, false, false, false, false, false])
    #expect(loss.isExhausted && loss.best == .init(value: 1, step: 1))
    var r2 = MetricMonitor(.r2, patience: 2)
    #expect(improvements(&r2, [.nan, .infinity]) == [false, false])
    #expect(r2.isExhausted && r2.best == nil)
    #expect(improvements(&r2, [-3, -2, -2]) == [true, true, false])
  }

  @Test("A monitor that continues from its state goes on as if it had not been interrupted")
  func restored() throws {
    for reference in try Reference.all() {
      let make = {
        reference.monitor(plateau: .init(factor: reference.factor, patience: reference.patience))
      }
      var whole = make()
      var parts = make()
      for (index, value) in reference.values.enumerated() {
        whole.observe(value ?? .nan, afterStep: index)
        var next = make()
        next.restore(parts.state)
        next.observe(value ?? .nan, afterStep: index)
        parts = next
        #expect(parts == whole)
      }
    }
  }

  @Test("The evaluation at the end of a run can be the best one, but leaves no trace in the state")
  func end() {
    var monitor = MetricMonitor(.loss, patience: 1)
    monitor.observe(2, afterStep: 10)
    let state = monitor.state
    let improved = monitor.observeEnd(1, afterStep: 13)
    #expect(improved && monitor.best == .init(value: 1, step: 13))
    #expect(monitor.state == state && !monitor.isExhausted)
    let worse = monitor.observeEnd(3, afterStep: 13)
    #expect(!worse && monitor.state == state)
  }

  @Test("The factor of a schedule multiplies every rate, during the warm-up too")
  func factor() {
    for shape in [
      LearningRateSchedule.Shape.constant, .step(every: 3, factor: 0.5), .cosine(totalSteps: 9),
    ] {
      let whole = LearningRateSchedule(base: 0.3, shape: shape, warmupSteps: 4)
      var reduced = whole
      reduced.factor = 0.25
      for step in 0..<9 { #expect(reduced.rate(at: step) == 0.25 * whole.rate(at: step)) }
    }
  }
}
