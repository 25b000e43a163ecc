// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import NeuralCore
package import RunRecords

extension ActivationName: WordOption {}
extension LossName: WordOption {}
extension OptimizerName: WordOption {}
extension ScheduleName: WordOption {}
extension BatchNormName: WordOption {}
extension BatchNormBackwardName: WordOption {}
extension ExchangeOptions.Mode: WordOption {}
extension ExchangeOptions.Schedule: WordOption {}
extension ExchangeOptions.Transport: WordOption {}

extension ResumeSource: OptionValue {
  package static var expectation: String { "newest or a checkpoint file" }
  package init?(_ value: ConfigurationValue) {
    guard let text = value.text else { return nil }
    self.init(text)
  }
  package var configured: ConfigurationValue {
    switch self {
    case .newest: .quoted("newest")
    case .file(let path): .quoted(path)
    }
  }
}

/// An option by its name, which is the same on the command line and in a configuration file.
struct OptionField: Sendable {
  /// The name, such as `learning-rate`.
  let name: String
  /// Whether the `config.yaml` of a run has it.
  ///
  /// What says where a run goes and how it begins is not in it, so that it repeats the run elsewhere.
  let isRecorded: Bool
  /// What a person must write.
  let expectation: String
  /// Sets the option, or gives false where the value is of another type.
  let set: @Sendable (inout TrainingOptions, ConfigurationValue) -> Bool
  /// The option's value.
  let get: @Sendable (TrainingOptions) -> ConfigurationValue

  init<Value: OptionValue>(
    _ name: String, _ path: any WritableKeyPath<TrainingOptions, Value> & Sendable,
    isRecorded: Bool = true
  ) {
    self.name = name
    self.isRecorded = isRecorded
    expectation = Value.expectation
    set = { options, value in
      guard let value = Value(value) else { return false }
      options[keyPath: path] = value
      return true
    }
    get = { $0[keyPath: path].configured }
  }
}

extension TrainingOptions {
  /// All options, in the order in which they are written.
  static let fields: [OptionField] = dataFields + networkFields + optimizerFields + runFields

  private static let dataFields = [
    OptionField("data", \.data),
    OptionField("target", \.targetColumns),
    OptionField("validation-split", \.validationSplit),
    OptionField("batch", \.batch),
    OptionField("drop-last", \.dropLast),
    OptionField("epochs", \.epochs),
    OptionField("steps", \.steps),
    OptionField("seed", \.seed),
    OptionField("slices", \.slices),
  ]

  private static let networkFields = [
    OptionField("layers", \.layers),
    OptionField("activation", \.activation),
    OptionField("loss", \.loss),
    OptionField("batch-norm", \.batchNorm),
    OptionField("batch-norm-backward", \.batchNormBackward),
    OptionField("batch-norm-momentum", \.batchNormMomentum),
    OptionField("epsilon", \.epsilon),
  ]

  private static let optimizerFields = [
    OptionField("optimizer", \.optimizer),
    OptionField("learning-rate", \.learningRate),
    OptionField("scale-learning-rate", \.scaleLearningRate),
    OptionField("momentum", \.momentum),
    OptionField("nesterov", \.nesterov),
    OptionField("weight-decay", \.weightDecay),
    OptionField("beta1", \.beta1),
    OptionField("beta2", \.beta2),
    OptionField("schedule", \.schedule),
    OptionField("warmup-steps", \.warmupSteps),
    OptionField("decay-every", \.decayEvery),
    OptionField("decay-factor", \.decayFactor),
    OptionField("clip-norm", \.clipNorm),
  ]

  private static let runFields = [
    OptionField("exchange", \.exchange),
    OptionField("exchange-schedule", \.exchangeSchedule),
    OptionField("transport", \.transport),
    OptionField("bucket-mb", \.bucketMegabytes),
    OptionField("allow-mixed-hardware", \.allowsMixedHardware),
    OptionField("checkpoint-every", \.checkpointEvery),
    OptionField("keep", \.keep),
    OptionField("wait-for-checkpoints", \.waitsForCheckpoints),
    OptionField("evaluate-every", \.evaluateEvery),
    OptionField("log-every", \.logEvery),
    OptionField("digest-every", \.digestEvery),
    OptionField("trace", \.trace),
    OptionField("trace-steps", \.traceSteps),
    OptionField("run", \.run, isRecorded: false),
    OptionField("overwrite", \.overwrite, isRecorded: false),
    OptionField("resume", \.resume, isRecorded: false),
  ]
}
