// SPDX-License-Identifier: Apache-2.0
public import NeuralCore

/// What a checkpoint holds besides tensors: the position in training, and what resuming needs.
///
/// In the file it is the string map of the safetensors header, which is also its Codable form.
public struct CheckpointMetadata: Equatable, Sendable {
  /// The value of `format` in every checkpoint.
  public static let format = "lockstep checkpoint"
  /// The format version that this code writes; it reads this one and all earlier ones.
  public static let currentFormatVersion = 1

  /// The format version of the file.
  public internal(set) var formatVersion = Self.currentFormatVersion
  /// The number of completed steps.
  public var step: Int
  /// The epoch of the next step, counted from 0.
  public var epoch: Int
  /// The number of completed steps of that epoch.
  public var positionInEpoch: Int
  /// The seed of all random numbers.
  public var seed: UInt64
  /// The number of slices of a batch.
  public var slices: Int
  /// The options that determine the result: a JSON object, kept verbatim.
  public var config: String
  /// The architecture of the network (widths, activations, loss, class labels …): a JSON object,
  /// kept verbatim.
  public var model: String
  /// The XXH3-128 of all weights and running statistics in layer order.
  public var digest: ContentHash
  /// The training loss of the last step's epoch up to that step; nil before the first step, and in
  /// files of versions that didn't keep it.
  public var epochLoss: EpochLoss?
  /// What early stopping and the plateau schedule have seen; nil in runs without either.
  public var monitor: MonitorState?
  /// The XXH3-128 of each tensor's bytes, by name; set when the file is written.
  public internal(set) var checksums: [String: ContentHash] = [:]
  /// Entries of the string map that have no property above, including those of later versions.
  public var extra: [String: String]

  /// Describes a position in training.
  public init(
    step: Int, epoch: Int, positionInEpoch: Int, seed: UInt64, slices: Int,
    config: String, model: String, digest: ContentHash, extra: [String: String] = [:]
  ) {
    self.step = step
    self.epoch = epoch
    self.positionInEpoch = positionInEpoch
    self.seed = seed
    self.slices = slices
    self.config = config
    self.model = model
    self.digest = digest
    self.extra = extra
  }
}

/// The training loss of an epoch so far, added up over its rows.
public struct EpochLoss: Codable, Equatable, Sendable {
  /// The sum of the rows' losses.
  public private(set) var sum = 0.0
  /// The number of rows.
  public private(set) var rows = 0

  /// The loss of no rows.
  public init() {}

  fileprivate init(sum: Double, rows: Int) {
    (self.sum, self.rows) = (sum, rows)
  }

  /// The mean loss per row; nil without rows.
  public var mean: Double? { rows > 0 ? sum / Double(rows) : nil }

  /// The loss with that of a further batch of `rows` rows.
  public func adding(meanLoss: Double, rows: Int) -> EpochLoss {
    EpochLoss(sum: sum + meanLoss * Double(rows), rows: self.rows + rows)
  }
}

/// What a run has seen of a metric that it monitors on held-out rows: for early stopping, the best
/// checkpoint, and a learning rate that is reduced on a plateau.
public struct MonitorState: Codable, Equatable, Sendable {
  /// A value of the metric, and the step after which it was measured.
  public struct Best: Codable, Equatable, Sendable {
    /// The value; finite.
    public let value: Double
    /// The number of completed steps.
    public let step: Int

    /// A value that was measured after a step.
    public init(value: Double, step: Int) {
      (self.value, self.step) = (value, step)
    }
  }

  /// The best value so far; nil before the first one that is finite.
  public var best: Best?
  /// The number of evaluations since the best one.
  public var evaluationsSinceBest = 0
  /// What the learning rate is multiplied by: 1 until it is first reduced.
  public var rateFactor = 1.0
  /// The number of evaluations without improvement since the best one or the last reduction of the
  /// learning rate, whichever is later.
  public var evaluationsOnPlateau = 0

  /// The state before the first evaluation.
  public init() {}
}

// MARK: - The string map

extension CheckpointMetadata {
  /// The keys of the string map that have a property.
  enum Key: String, CaseIterable {
    case format
    case formatVersion = "format_version"
    case step
    case epoch
    case positionInEpoch = "position_in_epoch"
    case seed
    case slices
    case config
    case model
    case digest
    case epochLossSum = "epoch_loss_sum"
    case epochLossRows = "epoch_loss_rows"
    case bestValue = "best_value"
    case bestStep = "best_step"
    case evaluationsSinceBest = "evaluations_since_best"
    case rateFactor = "learning_rate_factor"
    case evaluationsOnPlateau = "evaluations_on_plateau"
    case checksums
    case headerChecksum = "header_checksum"
  }

  /// The string map, without the two checksum entries, which are added when the file is written.
  ///
  /// An `extra` entry with the key of a property is left out.
  var strings: [String: String] {
    var known: [Key: String] = [
      .format: Self.format,
      .formatVersion: String(formatVersion),
      .step: String(step),
      .epoch: String(epoch),
      .positionInEpoch: String(positionInEpoch),
      .seed: String(seed),
      .slices: String(slices),
      .config: config,
      .model: model,
      .digest: digest.description,
    ]
    if let epochLoss {
      // The shortest decimal number that is read as the same Float64.
      known[.epochLossSum] = "\(epochLoss.sum)"
      known[.epochLossRows] = "\(epochLoss.rows)"
    }
    if let monitor {
      known[.bestValue] = monitor.best.map { "\($0.value)" }
      known[.bestStep] = monitor.best.map { "\($0.step)" }
      known[.evaluationsSinceBest] = "\(monitor.evaluationsSinceBest)"
      known[.rateFactor] = "\(monitor.rateFactor)"
      known[.evaluationsOnPlateau] = "\(monitor.evaluationsOnPlateau)"
    }
    var strings = extra.filter { Key(rawValue: $0.key) == nil }
    for (key, value) in known { strings[key.rawValue] = value }
    return strings
  }

  /// Reads a string map.
  ///
  /// - Throws: `MalformedContent` if an entry is missing or invalid; `NewerFormat`.
  init(strings: [String: String], checksums: [String: ContentHash]) throws {
    let fields = Fields(strings: strings)
    guard strings[Key.format.rawValue] == Self.format else {
      throw MalformedContent("it is not a Lockstep checkpoint")
    }
    let version: Int = try fields.number(.formatVersion)
    guard version <= Self.currentFormatVersion else { throw NewerFormat(version: version) }
    guard version >= 1, let digest = ContentHash(hexadecimal: try fields.text(.digest)) else {
      throw MalformedContent("its format version or digest is invalid")
    }
    self.init(
      step: try fields.count(.step), epoch: try fields.count(.epoch),
      positionInEpoch: try fields.count(.positionInEpoch), seed: try fields.number(.seed),
      slices: try fields.count(.slices), config: try fields.text(.config),
      model: try fields.text(.model), digest: digest,
      extra: strings.filter { Key(rawValue: $0.key) == nil })
    guard slices >= 1 else { throw MalformedContent("its entry 'slices' is 0") }
    epochLoss = try fields.epochLoss()
    monitor = try fields.monitor()
    self.formatVersion = version
    self.checksums = checksums
  }

  /// A format version that this code does not know.
  struct NewerFormat: Error {
    let version: Int
  }

  private struct Fields {
    let strings: [String: String]

    func text(_ key: Key) throws -> String {
      guard let text = strings[key.rawValue] else {
        throw MalformedContent("its metadata lacks '\(key.rawValue)'")
      }
      return text
    }

    func number<Number: FixedWidthInteger>(_ key: Key) throws -> Number {
      let text = try text(key)
      guard let number = Number(text), String(number) == text else {
        throw MalformedContent(
          "its entry '\(key.rawValue)' is '\(printable(text))', not a valid integer")
      }
      return number
    }

    /// The loss of the epoch so far, which older files don't have.
    func epochLoss() throws -> EpochLoss? {
      guard strings[Key.epochLossSum.rawValue] != nil else { return nil }
      return EpochLoss(sum: try finite(.epochLossSum), rows: try count(.epochLossRows))
    }

    /// What early stopping and the plateau schedule have seen, which only their runs have.
    func monitor() throws -> MonitorState? {
      guard strings[Key.evaluationsSinceBest.rawValue] != nil else { return nil }
      var state = MonitorState()
      if strings[Key.bestValue.rawValue] != nil {
        state.best = MonitorState.Best(value: try finite(.bestValue), step: try count(.bestStep))
      }
      state.evaluationsSinceBest = try count(.evaluationsSinceBest)
      state.rateFactor = try finite(.rateFactor)
      guard (0...1).contains(state.rateFactor) else {
        throw MalformedContent("its entry 'learning_rate_factor' is not between 0 and 1")
      }
      state.evaluationsOnPlateau = try count(.evaluationsOnPlateau)
      return state
    }

    func finite(_ key: Key) throws -> Double {
      let text = try text(key)
      guard let number = Double(text), number.isFinite else {
        throw MalformedContent(
          "its entry '\(key.rawValue)' is '\(printable(text))', not a finite number")
      }
      return number
    }

    func count(_ key: Key) throws -> Int {
      let number: Int = try number(key)
      guard number >= 0 else { throw MalformedContent("its entry '\(key.rawValue)' is negative") }
      return number
    }
  }
}

extension CheckpointMetadata: Codable {
  /// Encodes the string map, with the checksums of the file that it was read from, if any.
  public func encode(to encoder: any Encoder) throws {
    var strings = strings
    strings[Key.checksums.rawValue] = TensorChecksums.encoded(checksums)
    var container = encoder.singleValueContainer()
    try container.encode(strings)
  }

  /// Decodes the string map.
  public init(from decoder: any Decoder) throws {
    let strings = try decoder.singleValueContainer().decode([String: String].self)
    do {
      let checksums = try TensorChecksums.decoded(strings[Key.checksums.rawValue] ?? "{}")
      try self.init(strings: strings, checksums: checksums)
    } catch let error as MalformedContent {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: error.what))
    } catch let error as NewerFormat {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath,
          debugDescription: "unknown checkpoint format \(error.version)"))
    }
  }
}
