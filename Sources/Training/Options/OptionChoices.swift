// SPDX-License-Identifier: Apache-2.0
public import Coordination
public import NeuralCore
package import RunRecords

/// Hidden-layer activations, by their names on the command line.
public enum ActivationName: String, Codable, CaseIterable, Sendable {
  case relu
  case sigmoid
  case identity

  /// The activation function of that name.
  public var function: any ActivationFunction {
    switch self {
    case .relu: Relu()
    case .sigmoid: Sigmoid()
    case .identity: Identity()
    }
  }
}

/// Loss functions, by their names on the command line.
public enum LossName: String, Codable, CaseIterable, Sendable {
  /// Softmax cross-entropy, for classes.
  case crossEntropy = "cross-entropy"
  /// Mean squared error, for numeric targets, or for classes as one-hot rows.
  case meanSquaredError = "mse"

  /// The loss function of that name.
  public var function: any LossFunction {
    switch self {
    case .crossEntropy: CrossEntropy()
    case .meanSquaredError: MeanSquaredError()
    }
  }
}

/// Optimizers, by their names on the command line.
public enum OptimizerName: String, Codable, CaseIterable, Sendable {
  /// Adam, or AdamW with weight decay.
  case adam
  /// Stochastic gradient descent, with optional momentum.
  case sgd
}

/// Learning-rate schedules, by their names on the command line.
public enum ScheduleName: String, Codable, CaseIterable, Sendable {
  case constant
  /// Multiplied by a factor every N steps.
  case step
  /// Decays to zero along half a cosine wave.
  case cosine
}

/// Modes of batch normalization, by their names on the command line.
public enum BatchNormName: String, Codable, CaseIterable, Sendable {
  /// Statistics over the global batch, on all ranks.
  case synchronized
  /// Statistics over each rank's rows of the batch.
  case local
  /// No batch normalization.
  case off
}

/// Gradients through batch normalization, by their names on the command line.
public enum BatchNormBackwardName: String, Codable, CaseIterable, Sendable {
  /// The true gradient.
  case exact
  /// The gradient with batch statistics treated as constants.
  case frozen
}

extension ActivationName: WordOption {}
extension LossName: WordOption {}
extension OptimizerName: WordOption {}
extension ScheduleName: WordOption {}
extension BatchNormName: WordOption {}
extension BatchNormBackwardName: WordOption {}
extension ExchangeOptions.Mode: WordOption {}
extension ExchangeOptions.Schedule: WordOption {}
extension ExchangeOptions.Transport: WordOption {}

/// The checkpoint that training resumes from.
public enum ResumeSource: Equatable, Sendable {
  /// The newest intact checkpoint of the run, which continues in its directory.
  case newest
  /// A checkpoint file; the resumed run has a directory of its own.
  case file(String)
}

extension ResumeSource: OptionValue {
  /// What the command line and configuration files call ``newest``.
  static let newestName = "newest"

  package static var expectation: String { "newest or a checkpoint file" }
  package init?(_ value: ConfigurationValue) {
    guard let text = value.text else { return nil }
    self.init(commandLine: text)
  }
  package init?(commandLine text: String) {
    self = text == Self.newestName ? .newest : .file(text)
  }
  package var configured: ConfigurationValue {
    switch self {
    case .newest: .quoted(Self.newestName)
    case .file(let path): .quoted(path)
    }
  }
}
