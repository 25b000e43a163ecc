// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralCore
import Training

/// Writes predictions as CSV or as a file of NumPy's.
struct PredictionWriter {
  private let path: String?
  private let isNumPy: Bool
  private let labels: [String]
  private var text = ""
  private var values = Data()

  init(_ path: String?, _ model: ModelDescription, rows: Int, columns: Int) throws {
    self.path = path
    labels = model.labels
    isNumPy = path?.hasSuffix(".npy") ?? false
    if let path, !isNumPy, !path.hasSuffix(".csv") {
      throw TrainingError.usage("--output \(path): must end in .csv or .npy")
    }
    if isNumPy {
      values = Self.header(rows: rows, columns: columns)
    } else if labels.isEmpty {
      text = (1...columns).map { "value_\($0)" }.joined(separator: ",") + "\n"
    } else {
      text = "class," + labels.map { Self.quoted("p_\($0)") }.joined(separator: ",") + "\n"
    }
  }

  /// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, version 1.0.
  private static func header(rows: Int, columns: Int) -> Data {
    var words = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
    words += String(repeating: " ", count: 63 - (10 + words.utf8.count) % 64) + "\n"
    let length = UInt16(words.utf8.count)
    return Data([0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 255), UInt8(length >> 8)])
      + Data(words.utf8)
  }

  private static func quoted(_ text: String) -> String {
    guard text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }

  mutating func append(_ outputs: MatrixView) throws {
    if isNumPy {
      values.append(contentsOf: UnsafeRawBufferPointer(outputs.elements))
      return
    }
    for row in 0..<outputs.rows {
      let numbers = (0..<outputs.columns).map { "\(outputs.row(row)[$0])" }
      let best = Targets.argmax(outputs.row(row), outputs.columns)
      let first = labels.indices.contains(best) ? [Self.quoted(labels[best])] : []
      text += (first + numbers).joined(separator: ",") + "\n"
    }
    if path == nil { flush() }
  }

  private mutating func flush() {
    Terminal.write(text, to: .standardOutput)
    text = ""
  }

  /// Writes the file, whole or not at all.
  mutating func finish() throws {
    guard let path else { return flush() }
    do {
      try (isNumPy ? values : Data(text.utf8)).write(
        to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw TrainingError.cannotCreate("\(path): can't be written: \(error.localizedDescription)")
    }
  }
}
