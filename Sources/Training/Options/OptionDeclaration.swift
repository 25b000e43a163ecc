// SPDX-License-Identifier: Apache-2.0
internal import Failures
internal import RunRecords

/// The declaration of one option: its name, its help, the values that it accepts, and what it affects.
package struct OptionDeclaration: Sendable {
  /// The name, such as `learning-rate`, on the command line and in configuration files.
  package let name: String
  /// The help text, with the accepted words and the default.
  package let help: String
  /// What the help calls the value; nil for the option's name.
  package let valueName: String?
  /// The accepted words; empty if the option is not limited to certain words.
  package let choices: [String]
  /// Whether the option is a positional argument.
  package let isPositional: Bool
  /// Whether the option is on or off, without a value on the command line.
  package let isFlag: Bool
  /// The value of an option that is given without one.
  package let impliedValue: String?

  /// Whether `config.yaml` records the option.
  ///
  /// It does not record where a run is written and what it resumes from, so that it can repeat the
  /// run elsewhere.
  fileprivate let isRecorded: Bool
  fileprivate let affectsResult: Effect
  /// What an unset option means, such as "none".
  fileprivate let unset: String?
  fileprivate let requirement: Requirement?
  fileprivate let value: @Sendable (TrainingOptions) -> ConfigurationValue
  /// Sets the option from a configuration file; returns false if the value is of another type.
  fileprivate let configure: @Sendable (inout TrainingOptions, ConfigurationValue) -> Bool
  /// What a value in a configuration file must be.
  fileprivate let expectation: String
  private let setArgument: @Sendable (inout TrainingOptions, String) -> Bool
  private let argumentExpectation: String

  init<Value: OptionValue>(
    _ name: String, _ path: any WritableKeyPath<TrainingOptions, Value> & Sendable,
    _ help: String, _ requirement: Requirement? = nil, unset: String? = nil,
    valueName: String? = nil, impliedValue: String? = nil, affectsResult: Effect = .never,
    isRecorded: Bool = true, isPositional: Bool = false
  ) {
    self.name = name
    self.valueName = valueName
    choices = Value.choices
    self.isPositional = isPositional
    isFlag = Value.self == Bool.self
    self.impliedValue = impliedValue
    self.isRecorded = isRecorded
    self.affectsResult = affectsResult
    self.unset = unset
    self.requirement = requirement
    value = { $0[keyPath: path].configured }
    configure = { options, value in
      guard let value = Value(value) else { return false }
      options[keyPath: path] = value
      return true
    }
    expectation = Value.expectation
    setArgument = { options, text in
      guard let value = Value(commandLine: text) else { return false }
      options[keyPath: path] = value
      return true
    }
    argumentExpectation = requirement?.type ?? Value.commandLineExpectation
    let initial = TrainingOptions()[keyPath: path].configured.commandLineText
    let notes = [
      choices.isEmpty ? nil : "values: " + choices.joined(separator: ", "),
      (unset ?? (isFlag ? "no" : initial)).map { "default: \($0)" },
    ].compactMap { $0 }
    self.help = notes.isEmpty ? help : "\(help) (\(notes.joined(separator: "; ")))"
  }

  /// Sets the option from the text of a command-line argument, `true` or `false` for a flag.
  ///
  /// - Throws: ``TrainingError/usage(_:)`` that names the option and what it must be.
  package func set(_ options: inout TrainingOptions, argument: String) throws(TrainingError) {
    guard setArgument(&options, argument) else {
      throw .usage("--\(name) \(argument): must be \(argumentExpectation)")
    }
    try check(options, shown: argument)
  }

  fileprivate func check(
    _ options: TrainingOptions, shown: String? = nil
  ) throws(TrainingError) {
    let value = value(options)
    guard let requirement, !value.numbers.allSatisfy(requirement.holds) else { return }
    let shown = shown ?? value.commandLineText ?? ""
    throw .usage("--\(name) \(shown): must be \(requirement.text)")
  }

  /// The value as the command line has it, or what an unset option means.
  fileprivate func text(_ options: TrainingOptions) -> String {
    value(options).commandLineText ?? unset ?? "none"
  }
}

/// When an option changes the bits of the result.
enum Effect: Sendable {
  case never
  case always
  case when(@Sendable (TrainingOptions) -> Bool)

  fileprivate func applies(_ options: TrainingOptions) -> Bool {
    switch self {
    case .never: false
    case .always: true
    case .when(let condition): condition(options)
    }
  }
}

/// What the numbers of an option must be.
struct Requirement: Sendable {
  /// How an error message names it, after "must be".
  let text: String
  /// How an error message describes the type, if better than the type itself does.
  let type: String?
  let holds: @Sendable (Double) -> Bool

  private init(
    _ text: String, type: String? = nil, holds: @escaping @Sendable (Double) -> Bool
  ) {
    self.text = text
    self.type = type
    self.holds = holds
  }

  static let positive = Requirement("a positive number") { $0 > 0 && $0.isFinite }
  static let nonnegative = Requirement("0 or a positive number") { $0 >= 0 && $0.isFinite }
  static let fraction = Requirement("at least 0 and below 1") { $0 >= 0 && $0 < 1 }
  static let openFraction = Requirement("between 0 and 1") { $0 > 0 && $0 < 1 }
  static let widths = Requirement(
    "widths from 1 to 1048576, such as 256,128", type: "widths such as 256,128"
  ) { $0 >= 1 && $0 <= 1_048_576 }

  static func atLeast(_ minimum: Int) -> Requirement {
    Requirement("\(minimum) or more") { $0 >= Double(minimum) }
  }
  static func from(_ minimum: Int, to maximum: Int) -> Requirement {
    Requirement("from \(minimum) to \(maximum)") {
      $0 >= Double(minimum) && $0 <= Double(maximum)
    }
  }
  static func above(_ bound: Int, atMost maximum: Int) -> Requirement {
    Requirement("above \(bound) and at most \(maximum)") {
      $0 > Double(bound) && $0 <= Double(maximum)
    }
  }
}

// MARK: - Reading options

extension TrainingOptions {
  private static let declarations = OptionSection.all.flatMap(\.options)

  /// The names of all options, on the command line and in a configuration file.
  package static var optionNames: [String] { declarations.map(\.name) }

  /// Sets the options that the command line gives, in order.
  ///
  /// - Throws: ``TrainingError/usage(_:)`` that names the option and what it must be.
  package mutating func set(
    arguments: [(option: OptionDeclaration, text: String)]
  ) throws(TrainingError) {
    // Either gives the length of the run, so a flag replaces the other one of a configuration file.
    if arguments.contains(where: { ["epochs", "steps"].contains($0.option.name) }) {
      (epochs, steps) = (nil, nil)
    }
    for (option, text) in arguments { try option.set(&self, argument: text) }
  }

  /// Sets the options that a configuration file has; the others keep their values.
  ///
  /// - Parameters:
  ///   - configuration: the file's bytes.
  ///   - path: the file's name, for error messages.
  /// - Throws: ``RunRecordError/badConfiguration(_:)`` that names line and key: invalid YAML, an
  ///   unknown option (with the one that was probably meant), or a value of another type (with the
  ///   expected one).
  public mutating func read(configuration: [UInt8], path: String) throws {
    for entry in try ConfigurationFile.entries(of: configuration, path: path) {
      guard let option = Self.declarations.first(where: { $0.name == entry.key }) else {
        let hint =
          UnknownOption.hint(entry.key, among: Self.optionNames) ?? "see lockstep train --help"
        throw RunRecordError.badConfiguration(
          "\(path), line \(entry.line): unknown option \(ConfigurationValue.oneLine(entry.key)); "
            + hint)
      }
      guard option.configure(&self, entry.value) else {
        throw RunRecordError.badConfiguration(
          "\(path), line \(entry.line): \(option.name): expected \(option.expectation), "
            + "found \(entry.value.shown)")
      }
    }
  }
}

// MARK: - Recording and comparing options

extension TrainingOptions {
  /// These options with the defaults that depend on other options filled in.
  private func resolved(slices: Int) -> TrainingOptions {
    var resolved = self
    resolved.learningRate = unscaledLearningRate
    resolved.slices = slices
    resolved.targetScale = standardizesTargets ? .standard : .none
    if loss == .huber { resolved.huberDelta = huberDelta ?? LossParameters.defaultDelta }
    if loss == .quantile { resolved.quantile = quantile ?? LossParameters.defaultQuantile }
    if steps == nil { resolved.epochs = epochs ?? Self.defaultEpochs }
    return resolved
  }

  /// The text of a run's `config.yaml`, one option per line.
  ///
  /// Training with it gives the same bits, in a run directory of another name.
  package func configuration(slices: Int) -> String {
    let resolved = resolved(slices: slices)
    let lines = Self.declarations.filter(\.isRecorded).map { option in
      "\(option.name): \(option.value(resolved).yaml)\n"
    }
    return "# All options of this run. lockstep train --config FILE repeats it; flags win.\n"
      + lines.joined()
  }

  /// The options that determine the result, besides the data, as (name, value) in a fixed order.
  ///
  /// Exchange, run directory and logging are not among them, since they change no bit. Nor is the
  /// number of ranks, unless each rank normalizes its own rows.
  public func determining(slices: Int, ranks: Int) -> [(name: String, value: String)] {
    var resolved = resolved(slices: slices)
    resolved.learningRate = resolvedLearningRate
    // As in checkpoints that were written before there was --norm.
    if normName != .batch { resolved.batchNorm = .off }
    var rows = Self.declarationsByEffect.filter { $0.affectsResult.applies(resolved) }.map {
      (name: $0.name, value: $0.text(resolved))
    }
    if resolved.batchNorm == .local { rows.append((name: "ranks", value: "\(ranks)")) }
    return rows
  }

  /// The values of all options by name, whether they determine the result or not.
  func values(slices: Int) -> [String: String] {
    let resolved = resolved(slices: slices)
    return Dictionary(
      Self.declarations.map { ($0.name, $0.text(resolved)) },
      uniquingKeysWith: { first, _ in first })
  }

  /// The declarations in the order in which ``determining(slices:ranks:)`` lists them.
  private static let declarationsByEffect: [OptionDeclaration] = {
    // The order that users know from the table at the start of a run; other options come last.
    let order = [
      "layers", "activation", "loss", "optimizer", "learning-rate", "weight-decay", "beta1",
      "beta2", "momentum", "nesterov", "rho", "trust-coefficient", "schedule", "warmup-steps",
      "decay-every", "decay-factor", "clip-norm", "max-norm", "batch", "epochs", "steps",
      "drop-last", "validation-split", "seed", "slices", "batch-norm", "batch-norm-backward",
      "batch-norm-momentum", "epsilon",
    ]
    let listed = order.compactMap { name in declarations.first { $0.name == name } }
    return listed + declarations.filter { !order.contains($0.name) }
  }()
}

// MARK: - Validation

extension TrainingOptions {
  /// Checks each option and their combinations.
  ///
  /// - Throws: ``TrainingError/usage(_:)`` that names the option and what it must be.
  public func validate(ranks: Int) throws(TrainingError) {
    for option in Self.declarations { try option.check(self) }
    try validateLoss()
    try validateNetwork()
    try validateOptimizer()
    try validateRun()
    if let slices, slices < ranks {
      throw .usage(
        "--slices \(slices): fewer slices than the \(ranks) ranks; use --slices \(ranks) or more, "
          + "or fewer ranks")
    }
  }

  /// Checks what belongs to one loss function, as far as it is chosen.
  func validateLoss() throws(TrainingError) {
    if let huberDelta, loss != .huber {
      throw .usage("--huber-delta \(huberDelta): requires --loss huber")
    }
    if let quantile, loss != .quantile {
      throw .usage("--quantile \(quantile): requires --loss quantile")
    }
    if labelSmoothing != 0, let loss, loss != .crossEntropy {
      throw .usage(
        "--label-smoothing \(labelSmoothing): requires --loss cross-entropy, not \(loss.rawValue)")
    }
    if targetScale == .standard, let loss, !loss.standardizesTargets, !loss.takesClasses {
      throw .usage(
        "--target-scale standard: --loss \(loss.rawValue) takes targets as they are; use "
          + "--target-scale none, or leave it out")
    }
  }

  private func validateNetwork() throws(TrainingError) {
    if let norm, norm != .off, batchNorm == .off {
      throw .usage(
        "--batch-norm off: is another name for --norm none, and contradicts --norm \(norm.rawValue); "
          + "leave one of them out")
    }
    if batchNorm == .local && !hasBatchNorm {
      throw .usage("--batch-norm local: requires --norm batch")
    }
    let widths = layers.isEmpty ? "\"\"" : layers.map(String.init).joined(separator: ",")
    if residual && !zip(layers, layers.dropFirst()).contains(where: ==) {
      throw .usage(
        "--residual: requires two consecutive hidden layers of the same width, and --layers \(widths) "
          + "has none; use widths such as --layers 128,128")
    }
    if !dropout.isEmpty && dropout.count != 1 && dropout.count != layers.count {
      throw .usage(
        "--dropout \(dropout.map { "\($0)" }.joined(separator: ",")): must be one number, or one for "
          + "each of the \(layers.count) hidden layers of --layers \(widths)")
    }
    if !dropout.isEmpty && layers.isEmpty {
      throw .usage(
        "--dropout: requires hidden layers, and --layers \"\" has none; use --input-dropout")
    }
  }

  private func validateOptimizer() throws(TrainingError) {
    let rate = resolvedLearningRate
    guard rate > 0 && rate.isFinite else {
      throw .usage("--learning-rate \(learningRate ?? rate): must be a positive number")
    }
    if !optimizer.hasMomentum && momentum != 0 {
      throw .usage("--momentum: requires --optimizer sgd, rmsprop or lars")
    }
    if nesterov && optimizer != .sgd { throw .usage("--nesterov: requires --optimizer sgd") }
    if nesterov && momentum == 0 { throw .usage("--nesterov: requires --momentum above 0") }
    if !optimizer.hasBetas && (beta1 != 0.9 || beta2 != 0.999) {
      throw .usage("--beta1 and --beta2: require --optimizer adam or lamb")
    }
    if optimizer != .rmsprop && rho != 0.99 {
      throw .usage("--rho: requires --optimizer rmsprop")
    }
    if optimizer != .lars && trustCoefficient != 0.001 {
      throw .usage("--trust-coefficient: requires --optimizer lars")
    }
    try validateSchedule()
  }

  private func validateSchedule() throws(TrainingError) {
    if !schedule.hasDecay && decayEvery != nil {
      throw .usage("--decay-every: requires --schedule step or exponential")
    }
    if !schedule.hasDecayFactor && decayFactor != 0.1 {
      throw .usage("--decay-factor: requires --schedule step, exponential or plateau")
    }
    if schedule == .plateau && decayFactor == 1 {
      throw .usage("--decay-factor 1: must be below 1 with --schedule plateau")
    }
    if schedule != .plateau && plateauPatience != 10 {
      throw .usage("--plateau-patience: requires --schedule plateau")
    }
    if schedule == .oneCycle && warmupSteps > 0 {
      throw .usage(
        "--warmup-steps and --schedule one-cycle are mutually exclusive: one-cycle has a warm-up "
          + "of its own")
    }
  }

  private func validateRun() throws(TrainingError) {
    if epochs != nil && steps != nil {
      throw .usage("--epochs and --steps are mutually exclusive")
    }
    if resume == .newest && run == nil {
      throw .usage("--resume: requires --run FOLDER, the run to resume, or a checkpoint file")
    }
    if resume == .newest && overwrite {
      throw .usage("--resume and --overwrite are mutually exclusive")
    }
    if batch == 1 && hasBatchNorm {
      throw .usage(
        "--batch 1: batch norm needs at least two rows; use --batch 2 or more, or --batch-norm off")
    }
    if weightsColumn.names.count > 1 {
      throw .usage("--weights \(weightsColumn.names.joined(separator: ",")): must be one column")
    }
    if minDelta != 0 && !monitorsHeldOutRows {
      throw .usage("--min-delta: requires --patience, --monitor or --schedule plateau")
    }
    if traceSteps != 100 && !trace { throw .usage("--trace-steps: requires --trace") }
  }
}
