// SPDX-License-Identifier: Apache-2.0

/// The largest layer of a network that is measured elsewhere too, and its outputs.
struct Workload {
  let name: String
  let batch: Int
  let inputs: Int
  let outputs: Int
  let classes: Int

  static let all = [
    Workload(name: "W1", batch: 128, inputs: 784, outputs: 256, classes: 10),
    Workload(name: "W2", batch: 1024, inputs: 4096, outputs: 4096, classes: 1000),
    Workload(name: "W3", batch: 32, inputs: 64, outputs: 64, classes: 10),
    Workload(name: "W4", batch: 1024, inputs: 1024, outputs: 1024, classes: 10),
  ]
}
