// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import NeuralCore

/// Three small tensors in buffers of their own.
struct SampleTensors {
  let names = ["layers.0.weight", "layers.0.bias", "layers.0.norm.gamma"]
  let shapes = [[2, 3], [2], [3]]
  let buffers: [AlignedBuffer<Float>]

  init(shift: Float = 0) {
    buffers = shapes.map { shape in
      let count = shape.reduce(1, *)
      return AlignedBuffer((0..<count).map { Float($0) * 0.75 - 1 + shift })
    }
  }

  var tensors: [NamedTensor] {
    names.indices.map {
      NamedTensor(name: names[$0], shape: shapes[$0], in: buffers[$0])
    }
  }

  func metadata(step: Int = 120) -> CheckpointMetadata {
    CheckpointMetadata(
      step: step, epoch: 2, positionInEpoch: 7, seed: .max, slices: 4,
      config: #"{"batch":128,"optimizer":"adam"}"#, model: #"{"widths":[3,2]}"#,
      digest: ContentHash(high: 0x0123_4567_89AB_CDEF, low: 1), extra: ["note": "from a test"])
  }

  /// Whether a checkpoint has these values.
  func match(_ checkpoint: Checkpoint) throws -> Bool {
    try names.indices.allSatisfy { index in
      try values(of: checkpoint.tensor(names[index])) == values(of: buffers[index])
    }
  }
}

/// The content of a buffer; unlike `elements`, it stays valid without the buffer.
func values(of buffer: AlignedBuffer<Float>) -> [Float] {
  withExtendedLifetime(buffer) { Array(buffer.elements) }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a failing test can be repeated.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

func bytes(of path: String) throws -> [UInt8] {
  Array(try Data(contentsOf: URL(fileURLWithPath: path)))
}

func place(_ bytes: [UInt8], at path: String) throws {
  try Data(bytes).write(to: URL(fileURLWithPath: path))
}

/// A safetensors file with a handwritten header.
func safetensors(_ header: String, data: [UInt8] = []) -> [UInt8] {
  withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + header.utf8 + data
}
