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

  @Argument(help: "A checkpoint file, or a run directory for its newest intact checkpoint.")
  var model: String

  @Argument(
    help: """
      Rows to predict: of a folder the test images if it has any. Labels and the target column of a \
      table are ignored; they may be missing.
      """)
  var data: String

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "Output file, .csv or .npy. (default: CSV on standard output)", valueName: "file"))
  var output: String?

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
    let loaded = try LoadedModel(path: model)
    let dataset = try load(loaded)
    var writer = try PredictionWriter(
      output, loaded.description, rows: dataset.rows, columns: loaded.network.outputs)
    try Predictor(loaded).run(dataset) { _, outputs in
      try writer.append(outputs)
      try afterBlock()
    }
    try writer.finish()
  }

  private func load(_ loaded: LoadedModel) throws -> Dataset {
    let source = try DataSource.parse(data)
    let inputs = loaded.network.inputs
    // A table without its target has one column less: the target's column is looked for first.
    if case .csv = source,
      let labeled = try? Dataset.load(source, LoadOptions(targets: .ignored)).training,
      labeled.columns == inputs
    {
      return labeled
    }
    let bare = try Dataset.load(source, LoadOptions(targets: .absent)).training
    guard bare.columns == inputs else {
      throw TrainingError.unsuitableData(
        "\(data): \(bare.columns) features, but the model has \(inputs)")
    }
    return bare
  }
}

/// Writes predictions as CSV or as a NumPy file.
struct PredictionWriter {
  private let path: String?
  private let isNumPy: Bool
  private let labels: [String]
  private var content: [UInt8]

  /// Begins a table of `rows x columns` outputs; without a path, it is CSV on standard output.
  init(_ path: String?, _ model: ModelDescription, rows: Int, columns: Int) throws {
    self.path = path
    labels = model.labels
    isNumPy = path?.hasSuffix(".npy") ?? false
    if let path, !isNumPy, !path.hasSuffix(".csv") {
      throw TrainingError.usage("--output \(path): must end in .csv or .npy")
    }
    content =
      isNumPy
      ? Self.numPyHeader(rows: rows, columns: columns)
      : Array(Self.csvHeader(model.labels, columns: columns).utf8)
  }

  private static func csvHeader(_ labels: [String], columns: Int) -> String {
    let names =
      labels.isEmpty
      ? (1...columns).map { "value_\($0)" } : ["class"] + labels.map { quoted("p_\($0)") }
    return names.joined(separator: ",") + "\n"
  }

  /// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, version 1.0.
  private static func numPyHeader(rows: Int, columns: Int) -> [UInt8] {
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
    header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
    let length = UInt16(header.utf8.count)
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 255), UInt8(length >> 8)]
      + Array(header.utf8)
  }

  /// A CSV field (RFC 4180).
  private static func quoted(_ text: String) -> String {
    guard text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }

  /// Adds the outputs of rows; standard output receives them at once.
  mutating func append(_ outputs: MatrixView) throws {
    if isNumPy {
      content.append(contentsOf: UnsafeRawBufferPointer(outputs.elements))
      return
    }
    for row in 0..<outputs.rows {
      let numbers = (0..<outputs.columns).map { "\(outputs.row(row)[$0])" }
      let best = Targets.argmax(outputs.row(row), outputs.columns)
      let first = labels.indices.contains(best) ? [Self.quoted(labels[best])] : []
      content.append(contentsOf: (first + numbers).joined(separator: ",").utf8)
      content.append(UInt8(ascii: "\n"))
    }
    if path == nil { flush() }
  }

  private mutating func flush() {
    Terminal.write(String(decoding: content, as: UTF8.self), to: .standardOutput)
    content.removeAll(keepingCapacity: true)
  }

  /// Writes the file, which appears complete or not at all.
  mutating func finish() throws {
    guard let path else { return flush() }
    do {
      try OutputFile<FileError>.publish(path) { output in
        try content.withUnsafeBytes { try output.write($0) }
      }
    } catch FileError.writeFailed(_, let reason) {
      throw TrainingError.cannotCreate("\(path): can't be written: \(reason)")
    }
  }
}
