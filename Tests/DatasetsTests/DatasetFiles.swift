// SPDX-License-Identifier: Apache-2.0
import Datasets
import NeuralCore
import TestSupport
import Testing

/// Compresses a file with gzip, and returns the path of the result; the file stays.
func compress(_ file: String) throws -> String {
  let result = try run("gzip", ["-nkf", file])
  try #require(result.status == 0, "\(result.standardError)")
  return file + ".gz"
}

/// An IDX file of unsigned bytes.
func idx(_ shape: [Int], _ elements: [UInt8], type: UInt8 = 8) -> [UInt8] {
  [0, 0, type, UInt8(shape.count)]
    + shape.flatMap { extent in
      [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: extent >> $0) }
    } + elements
}

/// A NumPy file, version 1.0.
func npy(_ type: String, _ shape: String, _ data: [UInt8], fortran: Bool = false) -> [UInt8] {
  let header =
    "{'descr': '\(type)', 'fortran_order': \(fortran ? "True" : "False"), 'shape': (\(shape)), }\n"
  return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0]
    + Array(header.utf8) + data
}

func bytes<T: BitwiseCopyable>(_ values: [T]) -> [UInt8] {
  values.withUnsafeBytes { Array($0) }
}

/// Loads a source that must be refused, and returns the error.
func refusal(
  _ source: DataSource, _ options: LoadOptions = LoadOptions(),
  _ location: SourceLocation = #_sourceLocation
) -> DatasetError? {
  do {
    _ = try Dataset.load(source, options)
    Issue.record("\(source) was accepted", sourceLocation: location)
    return nil
  } catch let error as DatasetError {
    return error
  } catch {
    Issue.record("\(source): \(error)", sourceLocation: location)
    return nil
  }
}

extension LoadOptions {
  /// Options that name target columns.
  static func columns(_ names: [String], _ targets: TargetKind = .classes) -> LoadOptions {
    var options = LoadOptions(targets: targets)
    options.table.target = names
    return options
  }
}
