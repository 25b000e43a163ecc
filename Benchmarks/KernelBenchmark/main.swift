// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralCore

// The program of `Benchmarks/kernels`: `KernelBenchmark [--json] [NETWORK...]`.

/// The largest layer of a benchmark network, and the network's number of classes.
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

func end(_ message: String, status: Int32) -> Never {
  FileHandle.standardError.write(Data("Benchmarks/kernels: \(message)\n".utf8))
  exit(status)
}

let names = CommandLine.arguments.dropFirst().filter { $0 != "--json" }
for name in names where !Workload.all.contains(where: { $0.name == name }) {
  end("unknown network \(name): must be one of W1, W2, W3, W4", status: 64)
}

do {
  let limits = MachineLimits()
  var measurements: [Measurement] = []
  for workload in Workload.all where names.isEmpty || names.contains(workload.name) {
    measurements += try ProductKernels(workload, limits).measure()
    measurements += try LayerKernels(workload, limits).measure()
    measurements += ParameterKernels(workload, limits).measure()
  }
  let report = Report(
    peakGflops: limits.peak / 1e9,
    triadGigabytesPerSecond: limits.bandwidth(bytes: 3 << 27) / 1e9,
    measurements: measurements)
  if CommandLine.arguments.contains("--json") {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    print(String(decoding: try encoder.encode(report), as: UTF8.self))
  } else {
    print(report.table)
  }
} catch {
  end("\(error)", status: 70)
}
