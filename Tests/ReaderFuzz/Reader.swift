// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Datasets
import Foundation
import NeuralCore
import RunRecords
import Training

/// A reader of untrusted files, with its seed inputs.
enum Reader: String, CaseIterable {
  case safetensors, checkpoint, idx, csv, gzip, npy, npz, yaml

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
    case .csv:
      [
        Array("a,\"b\"\"c\",d\r\n1,2.5,x\r\n-3e2,4,\"y\"\r\n5,6,x\r\n".utf8),
        Array("1,2\n3,4\n".utf8),
      ]
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
    case .csv: [",", "\"", "\"\"", "\r\n", "\n", "nan", "1e999", "-", ",,,,"]
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
      case .csv: _ = try Dataset.load(.table(path: folder.write("t.csv", input)))
      case .gzip: _ = try Dataset.load(.table(path: folder.write("z.csv.gz", input)))
      case .npy:
        let path = folder.write("x.npy", input)
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
