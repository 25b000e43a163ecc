// SPDX-License-Identifier: Apache-2.0

extension TrainingOptions {
  /// What determines the result, beside the data, as (option, value) in a fixed order.
  ///
  /// Ranks, exchange, run directory and logging are not among them: they change no bit.
  ///
  /// Ranks are, where each normalizes its own rows.
  public func determining(slices: Int, ranks: Int) -> [(name: String, value: String)] {
    var rows: [(name: String, value: String)] = [
      ("layers", layers.map(String.init).joined(separator: ",")),
      ("activation", activation.rawValue), ("loss", loss.rawValue),
      ("optimizer", optimizer.rawValue), ("learning-rate", "\(resolvedLearningRate)"),
      ("weight-decay", "\(weightDecay)"),
    ]
    switch optimizer {
    case .adam: rows += [("beta1", "\(beta1)"), ("beta2", "\(beta2)")]
    case .sgd: rows += [("momentum", "\(momentum)"), ("nesterov", "\(nesterov)")]
    }
    rows += [("schedule", schedule.rawValue), ("warmup-steps", "\(warmupSteps)")]
    if schedule == .step {
      rows += [
        ("decay-every", decayEvery.map(String.init) ?? "a third of all steps"),
        ("decay-factor", "\(decayFactor)"),
      ]
    }
    rows += [
      ("clip-norm", clipNorm.map { "\($0)" } ?? "none"), ("batch", "\(batch)"),
      (steps == nil ? "epochs" : "steps", "\(steps ?? epochs ?? Self.defaultEpochs)"),
      ("drop-last", "\(dropLast)"), ("validation-split", "\(validationSplit)"),
      ("seed", "\(seed)"), ("slices", "\(slices)"), ("batch-norm", batchNorm.rawValue),
    ]
    if batchNorm != .off {
      rows += [
        ("batch-norm-backward", batchNormBackward.rawValue),
        ("batch-norm-momentum", "\(batchNormMomentum)"), ("epsilon", "\(epsilon)"),
      ]
    }
    if batchNorm == .local { rows.append(("ranks", "\(ranks)")) }
    return rows
  }
}
