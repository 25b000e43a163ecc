// SPDX-License-Identifier: Apache-2.0
public import Failures

/// Why a run can't start or continue.
public enum TrainingError: ReportableError, Equatable, Sendable {
  /// An option can't hold.
  case usage(String)
  /// The data don't suit the options or the model.
  case unsuitableData(String)
  /// A file that should be a model is none, or doesn't fit itself.
  case unsuitableModel(String)
  /// The disk took no more; nothing else is wrong with the run.
  case writeFailed(String)
  /// The run directory can't be made.
  case cannotCreate(String)

  public var exitStatus: ExitStatus {
    switch self {
    case .usage: .usage
    case .unsuitableData, .unsuitableModel: .badData
    case .cannotCreate: .cannotCreate
    case .writeFailed: .inputOutput
    }
  }

  /// One sentence: what is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .usage(let words), .unsuitableData(let words), .unsuitableModel(let words),
      .writeFailed(let words),
      .cannotCreate(let words):
      words
    }
  }
}
