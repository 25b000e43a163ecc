// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

extension TrainingOptions {
  /// The metrics that were asked for, each once.
  var uniqueMetrics: [MetricName] {
    metrics.indices.filter { metrics.firstIndex(of: metrics[$0]) == $0 }.map { metrics[$0] }
  }

  /// Checks that the metrics that were asked for can be computed; the loss function must be known.
  ///
  /// - Throws: ``TrainingError/usage(_:)`` that names the first one that can't, and why.
  func checkMetrics(hasNumbers: Bool, hasHeldOutRows: Bool) throws(TrainingError) {
    guard let first = metrics.first else { return }
    guard hasHeldOutRows else {
      throw .usage(
        "--metrics \(first.rawValue): requires held-out rows; raise --validation-split or give "
          + "--validation")
    }
    for metric in metrics {
      if let problem = lossName.problem(of: metric, hasNumbers: hasNumbers) {
        throw .usage("--metrics \(metric.rawValue): \(problem)")
      }
    }
  }
}

extension LossName {
  /// Why a metric can't be computed with this loss function, and what to do; nil if it can.
  ///
  /// - Parameter hasNumbers: whether the targets are numbers rather than classes.
  func problem(of metric: MetricName, hasNumbers: Bool) -> String? {
    // Targets of 0 and 1 are classified, each on its own.
    let classifies = !hasNumbers || self == .binaryCrossEntropy
    guard classifies ? !metric.needsNumbers : !metric.needsClasses else {
      let suitable = MetricName.allCases.filter { classifies ? !$0.needsNumbers : !$0.needsClasses }
      return "is for \(classifies ? "numbers" : "classes"), and the target is "
        + "\(classifies ? "classes" : "numbers"); choose from "
        + suitable.map(\.rawValue).joined(separator: ", ")
    }
    let needsProbabilities = [MetricName.logLoss, .brier, .calibrationError].contains(metric)
    guard !needsProbabilities || self == .crossEntropy || self == .binaryCrossEntropy else {
      return "requires probabilities: use --loss cross-entropy"
    }
    return nil
  }
}
