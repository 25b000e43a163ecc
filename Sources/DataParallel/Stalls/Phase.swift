// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import NeuralCore

/// What a rank waits for others in.
enum Phase: Int {
  case startUp
  case forwardStatistics
  case backwardSums
  case gradientExchange
  case gradientNorm
  case parameterGather
  case digest
  case evaluation
  case checkpoint

  /// The phase of whatever an activity asks the group for, unless the phase is known better.
  init(_ activity: Activity) {
    self =
      switch activity {
      case .startUp: .startUp
      case .training: .forwardStatistics
      case .digest: .digest
      case .evaluation: .evaluation
      case .checkpoint: .checkpoint
      }
  }

  /// The phase in words, as in "has not come in …".
  var words: String {
    switch self {
    case .startUp: "the start-up"
    case .forwardStatistics: "the forward statistics"
    case .backwardSums: "the backward sums"
    case .gradientExchange: "the gradient exchange"
    case .gradientNorm: "the gradient norm"
    case .parameterGather: "the parameter gather"
    case .digest: "the digest"
    case .evaluation: "the evaluation"
    case .checkpoint: "the checkpoint"
    }
  }
}
