// SPDX-License-Identifier: Apache-2.0
import Files
import NeuralCore
import RunRecords
import Training

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
