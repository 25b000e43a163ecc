// SPDX-License-Identifier: Apache-2.0

extension TrainingOptions {
  /// Checks that all options can hold, alone and together.
  ///
  /// - Throws: ``TrainingError/usage(_:)`` that names the option and what it must be.
  public func validate(ranks: Int) throws(TrainingError) {
    try validateNetwork()
    try validateOptimizer()
    try validateSchedule()
    try validateBatches(ranks: ranks)
  }

  private func check(
    _ holds: Bool, _ option: String, _ value: some CustomStringConvertible, _ must: String
  ) throws(TrainingError) {
    guard holds else { throw .usage("--\(option) \(value): must be \(must)") }
  }

  private func validateNetwork() throws(TrainingError) {
    for width in layers {
      try check(
        (1...1 << 20).contains(width), "layers", layers.map(String.init).joined(separator: ","),
        "widths from 1 to 1048576, such as 256,128")
    }
    try check(
      batchNormMomentum > 0 && batchNormMomentum < 1, "batch-norm-momentum", batchNormMomentum,
      "between 0 and 1")
    try check(epsilon > 0 && epsilon.isFinite, "epsilon", epsilon, "a positive number")
    try check(
      bucketMegabytes > 0 && bucketMegabytes <= 1024, "bucket-mb", bucketMegabytes,
      "above 0 and at most 1024")
  }

  private func validateOptimizer() throws(TrainingError) {
    if let scaleLearningRate {
      try check(scaleLearningRate >= 1, "scale-learning-rate", scaleLearningRate, "1 or more")
    }
    let rate = resolvedLearningRate
    try check(
      rate > 0 && rate.isFinite, "learning-rate", learningRate ?? rate, "a positive number")
    try check(momentum >= 0 && momentum < 1, "momentum", momentum, "at least 0 and below 1")
    try check(beta1 >= 0 && beta1 < 1, "beta1", beta1, "at least 0 and below 1")
    try check(beta2 >= 0 && beta2 < 1, "beta2", beta2, "at least 0 and below 1")
    try check(
      weightDecay >= 0 && weightDecay.isFinite, "weight-decay", weightDecay,
      "0 or a positive number")
    if optimizer == .adam && momentum != 0 {
      throw .usage("--momentum \(momentum): goes with --optimizer sgd only")
    }
    if nesterov && momentum == 0 { throw .usage("--nesterov: needs --momentum above 0") }
    if optimizer == .sgd && (beta1 != 0.9 || beta2 != 0.999) {
      throw .usage("--beta1 and --beta2: go with --optimizer adam only")
    }
    if let clipNorm {
      try check(clipNorm > 0 && clipNorm.isFinite, "clip-norm", clipNorm, "a positive number")
    }
  }

  private func validateSchedule() throws(TrainingError) {
    try check(warmupSteps >= 0, "warmup-steps", warmupSteps, "0 or more")
    if let decayEvery { try check(decayEvery >= 1, "decay-every", decayEvery, "1 or more") }
    try check(
      decayFactor > 0 && decayFactor <= 1, "decay-factor", decayFactor, "above 0 and at most 1")
    if schedule != .step && (decayEvery != nil || decayFactor != 0.1) {
      throw .usage("--decay-every and --decay-factor: go with --schedule step only")
    }
    if epochs != nil && steps != nil { throw .usage("--epochs and --steps exclude each other") }
    if let epochs { try check((1...1_000_000).contains(epochs), "epochs", epochs, "1 or more") }
    if let steps { try check(steps >= 1, "steps", steps, "1 or more") }
    try check(evaluateEvery >= 1, "evaluate-every", evaluateEvery, "1 or more")
    try check(logEvery >= 1, "log-every", logEvery, "1 or more")
    if let checkpointEvery {
      try check(checkpointEvery >= 1, "checkpoint-every", checkpointEvery, "1 or more")
    }
    if let keep { try check(keep >= 1, "keep", keep, "1 or more") }
    if resume == .newest && run == nil {
      throw .usage("--resume: needs --run FOLDER, the run to go on with, or a checkpoint file")
    }
    if resume == .newest && overwrite {
      throw .usage("--resume and --overwrite exclude each other")
    }
    try check((1...100_000).contains(traceSteps), "trace-steps", traceSteps, "from 1 to 100000")
    if traceSteps != 100 && !trace { throw .usage("--trace-steps: goes with --trace only") }
    if let digestEvery { try check(digestEvery >= 1, "digest-every", digestEvery, "1 or more") }
  }

  private func validateBatches(ranks: Int) throws(TrainingError) {
    try check((1...1 << 30).contains(batch), "batch", batch, "1 or more")
    try check(
      validationSplit >= 0 && validationSplit < 1, "validation-split", validationSplit,
      "at least 0 and below 1")
    if let slices {
      try check((1...65536).contains(slices), "slices", slices, "from 1 to 65536")
      guard slices >= ranks else {
        throw .usage(
          "--slices \(slices): fewer slices than the \(ranks) ranks; use --slices \(ranks) or more, "
            + "or fewer ranks")
      }
    }
  }
}
