// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Datasets
import Foundation
import NeuralCore
import RunRecords
import Training

/// A reader of untrusted files, with its seed inputs.
enum Reader: String, CaseIterable {
  case safetensors, checkpoint, idx, table, gzip, npy, npz, yaml, schema
  case newTable = "new-table"

  /// Valid inputs, from which others are mutated.
  var seeds: [[UInt8]] {
    switch self {
    case .safetensors: [Samples.safetensors]
    case .checkpoint: [Samples.checkpoint]
    case .idx:
      [
        Samples.idx, [0, 0, 8, 1, 0, 0, 0, 3, 5, 6, 5], Samples.idx(type: 0x0D, [3, 1], size: 4),
        Samples.idx(type: 0x0E, [3, 2], size: 8), Samples.idx(type: 0x0B, [3, 1, 2], size: 2),
        Samples.idx(type: 0x0C, [3, 8], size: 4),
      ]
    case .table: Samples.tables.map { Array($0.utf8) }
    case .newTable:
      [
        Array("a,w,k,y\n1,red,u,p\n?,blue,v,q\n3,green,u,p\n".utf8), Array("1;red;u\n2;;v\n".utf8),
        Array("7,1,red,0.5,u,p\n8,2,blue,x,v,q\n".utf8), Array("7,1,red,u,p\n8,2,,v,q\n".utf8),
        Array("y\tw\ta\tk\tid\np\t\"red\"\t1e3\tu\t7\nq\tNA\t-2.5\tz\t8\n".utf8),
      ]
    case .schema: [Samples.description]
    case .gzip: [Samples.gzip]
    case .npy:
      [
        Samples.npy("<f4", "(2, 2)", 16), Samples.npy("|u1", "(3,)", 3),
        Samples.npy("<U1", "(2,)", 8), Samples.npy(">f2", "(2, 1, 2)", 8, fortran: true),
      ]
    case .npz: [Samples.npz(isDeflated: false), Samples.npz(isDeflated: true)]
    case .yaml:
      [
        Array("# run\ndata: digits\nbatch: 16\nlayers: [8, 9]\nloss: \"mse\"\nsteps: ~\n".utf8),
        Array("\u{FEFF}lr: 1\r\nnesterov: Yes\r\nloss: Cross_Entropy\r\n".utf8),
        Array("{a: !!str b, ? [c] : d}\n--- |\n x\n".utf8),
      ]
    }
  }

  /// Tokens that have a meaning in the format.
  var words: [String] {
    switch self {
    case .safetensors, .checkpoint:
      [
        "99999999999999999999", "9223372036854775807", "-1", "\"", "{", "}", "[", "]", ",", ":",
        "\\ud800", "\\u0000", "0", "1e3", "null", "__metadata__", "F16", "[[[[", "16777216",
      ]
    case .idx:
      [
        "\u{8}\u{3}", "\u{c}\u{2}", "\u{e}\u{2}", "\u{0}\u{0}\u{0}\u{1}",
        "\u{7f}\u{7f}\u{7f}\u{7f}",
      ]
    case .table, .newTable:
      [
        ",", ";", "\t", "|", " ", "\"", "\"\"", "\r\n", "\n", "\r", "nan", "NA", "?", "None",
        "null",
        "1e999", "1e-50", "-", ",,,,", "True", "1,234", "13%", "$5", "2024-03-01", "red", "\n0,",
        "0.1234567890123456789", "\u{FEFF}", "9007199254740993", "id", "Unnamed: 0", "x y",
      ]
    case .schema:
      [
        "\"", "{", "}", "[", "]", ",", ":", "0", "-1", "1e999", "9223372036854775807", "null",
        "true",
        "number", "category", "ignored", "target", "weight",
        "{\"weight\":{}}", "classes", "values", "fill", "levels", "rare",
        "\"has_missing\":true", "\"has_header\":false", "\"columns\":[]", "\"target_columns\":[0]",
        "mean", "deviation", "comma", "blanks", "drop", "refuse", "\\ud800", "\"x\",\"x\"",
      ]
    case .gzip: ["\u{1f}", "\u{8}", "\u{0}\u{0}"]
    case .npy:
      [
        "<f8", "|i1", "<i8", "True", "99999999999", "(", ")", ", ", "0", "descr", "<U2", "|S1",
        ">f2",
      ]
    case .npz:
      ["PK\u{1}\u{2}", "PK\u{3}\u{4}", "PK\u{5}\u{6}", "x.npy", "\u{0}\u{0}", "\u{8}\u{0}"]
    case .yaml:
      [
        "[", "]", "{", "}", "- ", "? ", ": ", "&a ", "*a", "!!int ", "|\n", ">\n", "\"", "'",
        "---\n", "...\n", "%YAML 1.1\n", "\\x2A", "\t", "batch: ", "null", "<<: ", "\u{85}",
        "\u{FEFF}", "\r\n", "batch_size: ", "True",
      ]
    }
  }

  /// Reads an input as a user's file is read; returns whether it is accepted.
  ///
  /// A refusal must be an error of the module that reads; any other error ends the process.
  func accepts(_ input: [UInt8], in folder: Folder) -> Bool {
    do {
      switch self {
      case .safetensors: try readSafetensors(folder.write("x.safetensors", input))
      case .checkpoint:
        let path = folder.write("c.safetensors", Samples.signed(input))
        try Checkpoint(path: path).verify()
        _ = try LoadedModel(path: path)
      case .idx:
        _ = folder.write("train-images-idx3-ubyte", input)
        _ = folder.write("labels/train-labels-idx1-ubyte", input)
        let asImages = try? Dataset.load(.idx(folder: folder.path))
        let asLabels = try? Dataset.load(.idx(folder: folder.path + "/labels"))
        return asImages != nil || asLabels != nil
      case .table: return readTable(folder.write("t.csv", input))
      case .newTable:
        try readNewTable(folder.write("n.csv", input), Samples.schema)
      case .schema:
        let model = try ModelDescription(
          json: String(decoding: input, as: UTF8.self), path: "schema")
        _ = model.readingSchema.summary(rows: nil, inputs: model.widths[0])
        // What a damaged schema says about a sound table is an error or not, but no trap.
        for seed in Reader.newTable.seeds where model.widths[0] < 1 << 16 {
          let path = folder.write("n.csv", seed)
          _ = try? readNewTable(path, model.readingSchema, inputs: model.widths[0])
        }
      case .gzip: _ = try Dataset.load(.table(path: folder.write("z.csv.gz", input)))
      case .npy:
        let path = folder.write("x.npy", input)
        if let rows = try? NPYRows(path), rows.columns <= 1 << 16 {
          let block = AlignedBuffer<Float>(count: 2 * rows.columns)
          while let count = try? rows.read(2, into: block.base), count > 0 {}
        }
        _ = try Dataset.load(
          .npy(features: path, targets: path), LoadOptions(targets: .numeric))
        _ = try Dataset.load(.npy(features: path, targets: folder.path + "/y.npy"))
      case .npz:
        let path = folder.write("x.npz", input)
        _ = try Dataset.load(.npz(path: path), LoadOptions(targets: .numeric))
        _ = try Dataset.load(.npz(path: path))
      case .yaml:
        var options = TrainingOptions()
        try options.read(configuration: input, path: "c.yaml")
      }
      return true
    } catch is CheckpointError, is DatasetError, is RunRecordError, is TrainingError {
      return false
    } catch {
      fatalError("\(rawValue): unexpected error: \(error)")
    }
  }

  /// Reads a table with several options; returns whether one of them accepts it.
  private func readTable(_ path: String) -> Bool {
    var isAccepted = false
    for number in 0..<5 {
      var options = LoadOptions(targets: number == 3 ? .numeric : .automatic)
      options.standardizesTargets = true
      options.heldOutFraction = 0.25
      options.table.missing = number == 1 ? .drop : .mean
      options.table.maxLevels = number == 2 ? 3 : 256
      options.table.categorical = number == 2 ? ["1"] : []
      options.table.target = number == 3 ? ["1", "2"] : []
      options.table.weights = number == 4 ? "1" : nil
      do {
        let data = try Dataset.load(.table(path: path), options)
        isAccepted = true
        guard let schema = data.schema,
          schema.isValid(inputs: data.training.columns, outputs: data.training.outputs),
          data.training.features.elements.allSatisfy(\.isFinite),
          data.training.weights.map({ $0.elements.allSatisfy { $0.isFinite && $0 >= 0 } }) ?? true
        else { fatalError("\(rawValue): a schema, features or weights that can't be used") }
        if number == 4 { checkRowWeights(data) }
        // What it was read as must do for the table itself.
        try readNewTable(path, schema)
      } catch is DatasetError {
        continue
      } catch {
        fatalError("\(rawValue): unexpected error: \(error)")
      }
    }
    return isAccepted
  }

  /// Weighs the rows of a table by its column and by balanced classes.
  private func checkRowWeights(_ data: LoadedData) {
    let (rows, labels) = (data.split?.training ?? [], data.training.labels)
    guard !rows.isEmpty, data.training.weights != nil else {
      fatalError("\(rawValue): a table without the weights that were asked for")
    }
    var weights: [Double]?
    if case .classes(let indices, _) = data.training.targets {
      var counts = [Int](repeating: 0, count: labels.count)
      for row in rows { counts[Int(indices[Int(row)])] += 1 }
      weights = try? ClassWeights.balanced.weights(labels: labels, counts: counts).weights
    }
    guard
      let normalized = RowWeights(data.training, trainingRows: rows, classWeights: weights)
    else { return }
    let buffer = BatchBuffer(data.training, capacity: rows.count, weights: normalized)
    rows.withUnsafeBufferPointer { buffer.gather($0) }
    let found =
      buffer.batch(globalRows: rows.count).weights ?? UnsafeBufferPointer(start: nil, count: 0)
    guard found.count == rows.count, found.allSatisfy({ $0.isFinite && $0 >= 0 }) else {
      fatalError("\(rawValue): weights that can't be used")
    }
    withExtendedLifetime(buffer) {}
  }

  private func readNewTable(_ path: String, _ schema: TableSchema, inputs: Int? = nil) throws {
    for readsTargets in [true, false] {
      let table = try NewTable(
        path, schema, inputs: inputs ?? schema.width, readsTargets: readsTargets,
        passing: readsTargets ? [] : ["1"])
      let row = UnsafeMutablePointer<Float>.allocate(capacity: max(table.inputs, 1))
      defer { row.deallocate() }
      while try table.next(into: row) {
        guard (0..<table.inputs).allSatisfy({ row[$0].isFinite }) else {
          fatalError("\(rawValue): a feature is not finite")
        }
      }
    }
  }

  private func readSafetensors(_ path: String) throws {
    let file = try SafetensorsFile(path: path)
    for entry in file.tensors { _ = try file.tensor(entry.name) }
  }
}

/// The folder that inputs are written to, in memory if the system has such a file system.
final class Folder {
  let path: String

  init() throws {
    let base = FileManager.default.fileExists(atPath: "/dev/shm") ? "/dev/shm" : "/tmp"
    path = "\(base)/lockstep-fuzz-\(getpid())"
    try FileManager.default.createDirectory(
      atPath: path + "/labels", withIntermediateDirectories: true)
    _ = write("labels/train-images-idx3-ubyte", Samples.idx)
    _ = write("train-labels-idx1-ubyte", [0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 0])
    _ = write("y.npy", Samples.npy("|u1", "(2,)", 2))
  }

  func remove() {
    try? FileManager.default.removeItem(atPath: path)
  }

  func write(_ name: String, _ bytes: [UInt8]) -> String {
    let file = path + "/" + name
    let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    let count = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
    close(descriptor)
    guard count == bytes.count else { fatalError("can't write \(file)") }
    return file
  }
}
