// SPDX-License-Identifier: Apache-2.0
public import Checkpoints
public import NeuralCore

/// Watches a metric on held-out rows: which evaluation was the best one, whether training should stop
/// because there was none better for long, and by how much the learning rate is reduced meanwhile.
///
/// It depends on nothing but the values that it is given, which are the same on all ranks.
///
/// ```swift
/// var monitor = MetricMonitor(.loss, patience: 2)
/// for (step, loss) in [(10, 0.5), (20, 0.4), (30, 0.4), (40, 0.45)] {
///   monitor.observe(loss, afterStep: step)
/// }
/// print(monitor.isExhausted, monitor.best?.step ?? 0)  // true 20
/// ```
///
/// Early stopping is that of Keras' `EarlyStopping`, the reduction that of
/// `torch.optim.lr_scheduler.ReduceLROnPlateau` with `threshold_mode="abs"`, `cooldown=0`, `min_lr=0` and
/// `eps=0`.
public struct MetricMonitor: Equatable, Sendable {
  /// How the learning rate is reduced while the metric does not improve.
  public struct Plateau: Equatable, Sendable {
    /// What each reduction multiplies the learning rate by.
    public let factor: Double
    /// The number of evaluations without improvement that pass before a reduction; the next such
    /// evaluation causes it.
    public let patience: Int

    /// A way to reduce the learning rate.
    public init(factor: Double = 0.1, patience: Int = 10) {
      (self.factor, self.patience) = (factor, patience)
    }
  }

  /// The metric.
  public let metric: MetricName
  /// How much better than the best value so far a value must be: by more than this.
  public let minimumDelta: Double
  /// The number of evaluations without improvement after which training should stop; nil for never.
  public let patience: Int?
  /// How the learning rate is reduced; nil if it is not.
  public let plateau: Plateau?

  /// What a checkpoint keeps: the outcome of all evaluations that a longer run has, too.
  public private(set) var state = MonitorState()
  /// The best value and its step, that of an evaluation at the end of the run included.
  public private(set) var best: MonitorState.Best?

  /// A monitor that has seen no value yet.
  public init(
    _ metric: MetricName, minimumDelta: Double = 0, patience: Int? = nil, plateau: Plateau? = nil
  ) {
    self.metric = metric
    self.minimumDelta = minimumDelta
    self.patience = patience
    self.plateau = plateau
  }

  /// Whether training should stop: there were `patience` evaluations since the best one.
  public var isExhausted: Bool { patience.map { state.evaluationsSinceBest >= $0 } ?? false }

  /// Whether training should stop if the next value is no improvement.
  var isAboutToExhaust: Bool { patience.map { state.evaluationsSinceBest + 1 >= $0 } ?? false }

  /// Takes the value of an evaluation.
  ///
  /// - Returns: whether it is an improvement. A value that is not finite never is.
  @discardableResult
  public mutating func observe(_ value: Double, afterStep step: Int) -> Bool {
    let improved = isImprovement(value, on: state.best)
    if improved {
      state.best = MonitorState.Best(value: value, step: step)
      (state.evaluationsSinceBest, state.evaluationsOnPlateau) = (0, 0)
    } else {
      state.evaluationsSinceBest += 1
      reduceRate()
    }
    best = state.best
    return improved
  }

  /// Takes the value of an evaluation that is due only because the run ends within an epoch.
  ///
  /// It may be the best one. But a longer run does not have it, so checkpoints must not know of it.
  ///
  /// - Returns: whether it is an improvement.
  @discardableResult
  public mutating func observeEnd(_ value: Double, afterStep step: Int) -> Bool {
    let improved = isImprovement(value, on: state.best)
    if improved { best = MonitorState.Best(value: value, step: step) }
    return improved
  }

  /// Continues from the state that a checkpoint has kept.
  public mutating func restore(_ state: MonitorState) {
    self.state = state
    best = state.best
  }

  private func isImprovement(_ value: Double, on best: MonitorState.Best?) -> Bool {
    guard value.isFinite else { return false }
    guard let best else { return true }
    return metric.isBetterHigher
      ? value > best.value + minimumDelta : value < best.value - minimumDelta
  }

  private mutating func reduceRate() {
    guard let plateau else { return }
    state.evaluationsOnPlateau += 1
    if state.evaluationsOnPlateau > plateau.patience {
      state.rateFactor *= plateau.factor
      state.evaluationsOnPlateau = 0
    }
  }
}

/// Why training stopped before its last step.
public struct EarlyStop: Equatable, Sendable {
  /// The epoch after which it stopped.
  public let epoch: Int
  /// The metric that did not improve.
  public let metric: MetricName
  /// By more than how much it would have had to improve.
  public let minimumDelta: Double
  /// Its best value; nil if none was finite.
  public let best: MonitorState.Best?
  /// The epoch of the best value; 0 without one.
  public let bestEpoch: Int
  /// Whether `checkpoints/best` names the checkpoint of the best value.
  public let hasBestCheckpoint: Bool
}

// MARK: - Options

extension TrainingOptions {
  /// Whether the run keeps a checkpoint of its best evaluation, which `checkpoints/best` names.
  var tracksBest: Bool { patience != nil || monitor != nil }

  /// Whether a metric on held-out rows decides about the run.
  var monitorsHeldOutRows: Bool { tracksBest || schedule == .plateau }

  /// The monitor that these options ask for; nil if they ask for none.
  func makeMonitor() -> MetricMonitor? {
    guard monitorsHeldOutRows else { return nil }
    return MetricMonitor(
      monitor ?? .loss, minimumDelta: minDelta, patience: patience,
      plateau: schedule == .plateau
        ? MetricMonitor.Plateau(factor: decayFactor, patience: plateauPatience) : nil)
  }

  /// The option that asks for a monitor, with its value.
  var monitoringOption: String {
    if let patience { return "--patience \(patience)" }
    return monitor.map { "--monitor \($0.rawValue)" } ?? "--schedule plateau"
  }

  /// The metrics that each evaluation computes besides loss and accuracy, or the scores of regression:
  /// those that were asked for, and the monitored one.
  var evaluatedMetrics: [MetricName] {
    guard let monitor, monitor.needsOutputs, !metrics.contains(monitor) else {
      return uniqueMetrics
    }
    return uniqueMetrics + [monitor]
  }

  /// Checks that the monitored metric can be computed; the loss function must be known.
  ///
  /// - Throws: ``TrainingError/usage(_:)``.
  func checkMonitor(hasNumbers: Bool, hasHeldOutRows: Bool) throws(TrainingError) {
    guard monitorsHeldOutRows else { return }
    guard hasHeldOutRows else {
      throw .usage(
        "\(monitoringOption): requires held-out rows; raise --validation-split or give --validation"
      )
    }
    if let monitor, let problem = lossName.problem(of: monitor, hasNumbers: hasNumbers) {
      throw .usage("--monitor \(monitor.rawValue): \(problem)")
    }
  }
}
