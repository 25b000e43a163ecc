// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Coordination
import Datasets
import Files
import Foundation
import MessagePassing
import NeuralCore
import RunRecords
import Training

/// The command `predict`: computes a model's predictions for rows.
struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Predict class and probabilities, or values, for each row.",
    discussion: DataHelp.text)

  @Argument(
    help: """
      A checkpoint file, or a run directory: for its best checkpoint where the run has monitored a \
      metric, otherwise for its newest intact one.
      """)
  var model: String

  @Argument(
    help: """
      Rows to predict: of a folder or an archive the test part if it has one; - for a table on \
      standard input. Targets are not needed, and not used.
      """)
  var data: String

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "Output file, .csv or .npy. (default: CSV on standard output)", valueName: "file"))
  var output: String?

  @Option(
    help: ArgumentHelp(
      "Columns of a table to pass through to the output, such as an id, by name or number.",
      valueName: "columns"))
  var columns: String?

  @OptionGroup(title: TableFormatOptions.title)
  var tableFormat: TableFormatOptions

  @OptionGroup(title: StallOptions.title)
  var stallOptions: StallOptions

  func run() throws {
    try Session.run(stallOptions.limits) { group in
      group.begin(.evaluation, step: 0)
      try group.agree {
        // One process is enough: the others wait for its success.
        if group.rank == 0 { try lead(group) } else { try follow(group) }
      }
    }
  }

  /// Predicts, and lets the others know after each block of rows, so that they wait for a block at a
  /// time; rank 0.
  private func lead(_ group: any ProcessGroup) throws {
    do {
      try predict { _ = try group.allGather([1]) }
    } catch let error as MPIError {
      throw error
    } catch {
      _ = try group.allGather([0])
      throw error
    }
    _ = try group.allGather([0])
  }

  /// Waits for rank 0's blocks, to the last; the other ranks.
  private func follow(_ group: any ProcessGroup) throws {
    while try group.allGather([0])[0] == [1] {}
  }

  private func predict(afterBlock: () throws -> Void) throws {
    let loaded = try LoadedModel(path: model) { Terminal.note($0) }
    let passing = columns.map { CSVField.fields($0) } ?? []
    let form = try PredictionForm(output, loaded.description, passesColumns: !passing.isEmpty)
    let predictor = try Predictor(loaded, data, tableFormat.options, passing: passing)
    try form.write { writer in
      try writer.begin(passing: predictor.passedNames)
      try predictor.run { outputs, passed in
        try writer.append(outputs, passed)
        try afterBlock()
      }
    }
    let name = data == "-" ? "standard input" : data
    for notice in predictor.notices { Terminal.note("\(name): \(notice)") }
  }
}

/// Where predictions go: to a file, which appears complete or not at all, or to standard output.
private struct PredictionForm {
  private let path: String?
  private let isNumPy: Bool
  private let model: ModelDescription

  init(_ path: String?, _ model: ModelDescription, passesColumns: Bool) throws {
    self.path = path
    self.model = model
    isNumPy = path?.hasSuffix(".npy") ?? false
    if let path, !isNumPy, !path.hasSuffix(".csv") {
      throw TrainingError.usage("--output \(path): must end in .csv or .npy")
    }
    if isNumPy, passesColumns {
      throw TrainingError.usage("--columns: an .npy file has no room for them; use .csv")
    }
  }

  func write(_ body: (any PredictionWriter) throws -> Void) throws {
    guard let path else {
      return try body(
        CSVPredictions(model) { bytes in
          Terminal.write(String(decoding: bytes, as: UTF8.self), to: .standardOutput)
        })
    }
    do {
      try OutputFile<FileError>.publish(path) { output in
        let sink = { (bytes: [UInt8]) throws in
          try bytes.withUnsafeBytes { try output.write($0) }
        }
        guard isNumPy else { return try body(CSVPredictions(model, sink)) }
        let writer = NumPyPredictions(model, sink)
        try body(writer)
        try output.rewind()
        try sink(writer.header)
      }
    } catch FileError.writeFailed(_, let reason) {
      throw TrainingError.cannotCreate("\(path): can't be written: \(reason)")
    }
  }
}

/// Writes predictions, a block of rows at a time.
private protocol PredictionWriter: AnyObject {
  /// Begins, with the names of the columns that are passed through.
  func begin(passing names: [String]) throws
  /// Adds the outputs of rows, and the texts of each row that are passed through.
  func append(_ outputs: MatrixView, _ passed: [[String]]) throws
}

/// Writes predictions as CSV (RFC 4180): class and probabilities, or values.
private final class CSVPredictions: PredictionWriter {
  private let labels: [String]
  private let names: [String]
  private let scales: [TableSchema.Scale]
  private let sink: ([UInt8]) throws -> Void

  init(_ model: ModelDescription, _ sink: @escaping ([UInt8]) throws -> Void) {
    labels = model.labels
    let scales = model.schema?.scales ?? []
    self.scales = scales
    let hasNames = model.schema?.hasHeader == true
    let areProbabilities = model.loss == .binaryCrossEntropy
    names =
      model.labels.isEmpty
      ? (0..<(model.widths.last ?? 1)).map {
        areProbabilities
          ? "p_\(hasNames ? scales[$0].name : "\($0 + 1)")"
          : hasNames ? "predicted_\(scales[$0].name)" : "value_\($0 + 1)"
      }
      : ["class"] + model.labels.map { "p_\($0)" }
    self.sink = sink
  }

  func begin(passing passed: [String]) throws {
    let header = (passed + names).map { CSVField.quoted($0) }.joined(separator: ",")
    try sink(Array((header + "\n").utf8))
  }

  func append(_ outputs: MatrixView, _ passed: [[String]]) throws {
    var content: [UInt8] = []
    for row in 0..<outputs.rows {
      let numbers = (0..<outputs.columns).map { text(outputs.row(row)[$0], column: $0) }
      let best = Targets.argmax(outputs.row(row), outputs.columns)
      let first = labels.indices.contains(best) ? [labels[best]] : []
      let texts = ((passed.indices.contains(row) ? passed[row] : []) + first)
        .map { CSVField.quoted($0) }
      content.append(contentsOf: (texts + numbers).joined(separator: ",").utf8)
      content.append(UInt8(ascii: "\n"))
    }
    try sink(content)
  }

  /// An output, in the target's own units with as many decimals as a Float32 tells apart.
  private func text(_ output: Float, column: Int) -> String {
    guard scales.indices.contains(column), scales[column].isScaled else { return "\(output)" }
    let scale = scales[column]
    let decimals = min(max(7 - Int(log10(scale.deviation).rounded(.up)), 0), 300)
    return String(format: "%.\(decimals)f", scale.value(output))
  }
}

/// Writes predictions as an array of NumPy: Float32, or Float64 where targets are scaled.
private final class NumPyPredictions: PredictionWriter {
  private let scales: [TableSchema.Scale]
  private let columns: Int
  private let sink: ([UInt8]) throws -> Void
  private var rows = 0

  init(_ model: ModelDescription, _ sink: @escaping ([UInt8]) throws -> Void) {
    let scales = model.schema?.scales ?? []
    self.scales = scales.contains(where: \.isScaled) ? scales : []
    columns = model.widths.last ?? 1
    self.sink = sink
  }

  /// The header, of the same length for any number of rows.
  ///
  /// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, version 1.0.
  var header: [UInt8] {
    var header = "{'descr': '\(scales.isEmpty ? "<f4" : "<f8")', 'fortran_order': False, "
    header += "'shape': (\(rows), \(columns)), }"
    header += String(repeating: " ", count: 117 - header.utf8.count) + "\n"
    let length = UInt16(header.utf8.count)
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 255), UInt8(length >> 8)]
      + Array(header.utf8)
  }

  func begin(passing names: [String]) throws { try sink(header) }

  func append(_ outputs: MatrixView, _ passed: [[String]]) throws {
    rows += outputs.rows
    guard !scales.isEmpty else {
      return try sink(Array(UnsafeRawBufferPointer(outputs.elements)))
    }
    let values = outputs.elements.enumerated().map { place, output in
      scales[place % columns].value(output)
    }
    try values.withUnsafeBytes { try sink(Array($0)) }
  }
}
