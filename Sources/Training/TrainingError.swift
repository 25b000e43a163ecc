// SPDX-License-Identifier: Apache-2.0
internal import Checkpoints
internal import Datasets
public import NeuralCore
internal import Telemetry

/// Why a run can't start or go on.
public enum TrainingError: Error, Equatable, Sendable, CustomStringConvertible {
  /// An option can't hold.
  case usage(String)
  /// The data don't suit the options or the model.
  case unsuitableData(String)
  /// A file that should be a model is none, or doesn't fit itself.
  case unsuitableModel(String)
  /// A configuration file says what it can't.
  case badConfiguration(String)
  /// A file that is needed is not there or can't be read.
  case missingFile(String)
  /// The disk took no more; nothing else is wrong with the run.
  case writeFailed(String)
  /// The run directory can't be made.
  case cannotCreate(String)

  /// The exit status, as sysexits.h numbers them.
  public var status: Int32 {
    switch self {
    case .usage: 64
    case .unsuitableData, .unsuitableModel: 65
    case .missingFile: 66
    case .cannotCreate: 73
    case .writeFailed: 74
    case .badConfiguration: 78
    }
  }

  /// One sentence: what is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .usage(let words), .unsuitableData(let words), .unsuitableModel(let words),
      .badConfiguration(let words), .missingFile(let words), .writeFailed(let words),
      .cannotCreate(let words):
      words
    }
  }
}

extension Failure {
  /// What an error means to the person at the terminal: an exit status and a sentence.
  ///
  /// Errors of unknown kinds are our mistakes, status 70.
  public init(of error: any Error) {
    switch error {
    case let failure as Failure:
      self = failure
    case let error as TrainingError:
      self.init(status: error.status, message: error.description)
    case let error as DatasetError:
      let status: Int32 =
        switch error.kind {
        case .usage: 64
        case .content: 65
        case .missing: 66
        }
      self.init(status: status, message: error.description)
    case let error as CheckpointError:
      self.init(status: error.kind.rawValue, message: error.description)
    case let error as TelemetryError:
      self.init(status: 74, message: error.description)
    default:
      self.init(status: 70, message: "\(error)")
    }
  }
}
