// SPDX-License-Identifier: Apache-2.0
public import Coordination
public import Datasets
public import NeuralCore
package import RunRecords

/// Hidden-layer activations, by their names on the command line.
public enum ActivationName: String, Codable, CaseIterable, Sendable {
  case relu
  case leakyRelu = "leaky-relu"
  case elu
  case gelu
  case silu
  case softplus
  case tanh
  case sigmoid
  case identity

  /// The activation function of that name.
  public var function: any ActivationFunction {
    switch self {
    case .relu: Relu()
    case .leakyRelu: LeakyRelu()
    case .elu: Elu()
    case .gelu: Gelu()
    case .silu: Silu()
    case .softplus: Softplus()
    case .tanh: Tanh()
    case .sigmoid: Sigmoid()
    case .identity: Identity()
    }
  }
}

/// Optimizers, by their names on the command line.
public enum OptimizerName: String, Codable, CaseIterable, Sendable {
  /// Adam, or AdamW with weight decay.
  case adam
  /// Stochastic gradient descent, with optional momentum.
  case sgd
  /// RMSProp, with optional momentum.
  case rmsprop
  /// Adam with layer-wise scaled steps, for large batches.
  case lamb
  /// SGD with layer-wise scaled steps, for large batches.
  case lars
}

/// Learning-rate schedules, by their names on the command line.
public enum ScheduleName: String, Codable, CaseIterable, Sendable {
  case constant
  /// Multiplied by a factor every N steps.
  case step
  /// Decays to zero along half a cosine wave.
  case cosine
  /// Decays continuously, by a factor every N steps.
  case exponential
  /// Rises to the learning rate and then decays to nearly zero, along half a cosine wave each.
  case oneCycle = "one-cycle"
  /// Multiplied by a factor whenever a metric on held-out rows has not improved for a while.
  case plateau
}

/// Normalizations of the layers' inputs, by their names on the command line.
public enum NormName: String, Codable, CaseIterable, Sendable {
  /// Batch normalization, in one of the modes of ``BatchNormName``.
  case batch
  /// Layer normalization.
  case layer
  /// No normalization. Not called `none`, which an optional name would take for its own.
  case off = "none"
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

/// Whether a table has a header, by the names on the command line.
public enum HeaderName: String, Codable, CaseIterable, Sendable {
  /// Found out from the table.
  case auto
  case yes
  case no
}

/// What is done to targets that are numbers, by the names on the command line.
public enum TargetScaleName: String, Codable, CaseIterable, Sendable {
  /// ``standard`` where the loss function has no unit of its own, ``none`` elsewhere; see
  /// ``LossName/standardizesTargets``.
  case auto
  /// The training rows' mean is subtracted, and what remains divided by their standard deviation.
  case standard
  case none
}

/// Columns of a table, by name or by number from 1.
///
/// On the command line they are separated by commas, and quoted like the fields of a CSV record where
/// a name has a comma.
public struct ColumnNames: Equatable, Sendable, ExpressibleByArrayLiteral {
  /// The names or numbers.
  public var names: [String]

  /// Names or numbers.
  public init(_ names: [String] = []) { self.names = names }

  public init(arrayLiteral names: String...) { self.names = names }
}

extension ColumnNames: OptionValue {
  package static var expectation: String { "columns such as [a, b], by name or number" }
  package static var commandLineExpectation: String { "columns separated by commas" }
  package init?(_ value: ConfigurationValue) {
    switch value {
    case .list(let items):
      let texts = items.compactMap(\.text)
      guard texts.count == items.count else { return nil }
      self.init(texts)
    case .plain(let text), .quoted(let text): self.init(CSVField.fields(text))
    case .none: self.init()
    case .mapping, .other: return nil
    }
  }
  package init?(commandLine text: String) { self.init(CSVField.fields(text)) }
  package var configured: ConfigurationValue { .list(names.map { .quoted($0) }) }
}

extension ClassWeights: OptionValue {
  package static var expectation: String {
    "balanced, or a weight per label such as {no: 1, yes: 5}"
  }
  package static var commandLineExpectation: String {
    "balanced, or LABEL:WEIGHT separated by commas, such as no:1,yes:5"
  }
  package init?(_ value: ConfigurationValue) {
    switch value {
    case .plain(let text), .quoted(let text): self.init(text)
    case .list(let items):
      self.init(items.compactMap { $0.text.flatMap { Listed($0) } }, of: items.count)
    case .mapping(let entries):
      self.init(
        entries.compactMap { entry in
          entry.value.text.flatMap { Listed(label: entry.key, weight: $0) }
        }, of: entries.count)
    case .none, .other: return nil
    }
  }
  package init?(commandLine text: String) { self.init(text) }
  package var configured: ConfigurationValue { .quoted(text) }
}

extension HeaderName: WordOption {}
extension TargetScaleName: WordOption {}
extension MissingPolicy: WordOption {}
extension TableSeparator: WordOption {
  package init?(_ value: ConfigurationValue) {
    guard let text = value.text else { return nil }
    self.init(named: text)
  }
  package init?(commandLine text: String) { self.init(named: text) }
}
extension ActivationName: WordOption {}
extension MetricName: WordOption {}
extension OptimizerName: WordOption {}
extension ScheduleName: WordOption {}
extension NormName: WordOption {}
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
