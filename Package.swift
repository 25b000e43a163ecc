// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

let package = Package(
  name: "lockstep",
  products: [
    .executable(name: "lockstep", targets: ["LockstepCLI"]),
    .library(name: "MessagePassing", targets: ["MessagePassing"]),
    .library(name: "NeuralCore", targets: ["NeuralCore"]),
    .library(name: "Datasets", targets: ["Datasets"]),
    .library(name: "DataParallel", targets: ["DataParallel"]),
    .library(name: "Checkpoints", targets: ["Checkpoints"]),
    .library(name: "Telemetry", targets: ["Telemetry"]),
    .library(name: "Training", targets: ["Training"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
  ],
  targets: [
    // C libraries, each imported by one module.
    .systemLibrary(
      name: "COpenMPILibrary", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .target(name: "COpenMPI", dependencies: ["COpenMPILibrary"]),
    .target(
      name: "COneDNN", linkerSettings: [.linkedLibrary("dnnl"), .linkedLibrary("gomp")]),
    .target(name: "CVectorMath"),
    .target(name: "CSignals"),
    .target(name: "CMemoryFile"),
    .systemLibrary(
      name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

    // The libraries, lowest first.
    .target(name: "MessagePassing", dependencies: ["COpenMPI", "CMemoryFile"]),
    .target(name: "NeuralCore", dependencies: ["COneDNN", "CVectorMath", "CXXHash"]),
    .target(
      name: "Datasets", dependencies: ["NeuralCore", "CZlib"],
      exclude: ["Resources/digits/README.md", "Resources/digits/LICENSE.scikit-learn.txt"],
      resources: [.embedInCode("Resources/digits/digits.csv.gz")]),
    .target(name: "DataParallel", dependencies: ["MessagePassing", "NeuralCore"]),
    .target(name: "Checkpoints", dependencies: ["NeuralCore"]),
    .target(name: "Telemetry"),
    .target(
      name: "Training",
      dependencies: [
        "NeuralCore", "Datasets", "Checkpoints", "Telemetry",
        .product(name: "Yams", package: "Yams"),
      ]),

    // The command line composes them.
    .executableTarget(
      name: "LockstepCLI",
      dependencies: [
        "MessagePassing", "NeuralCore", "Datasets", "DataParallel", "Checkpoints", "Telemetry",
        "Training", "CSignals",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // Programs that use the libraries.
    .executableTarget(
      name: "FitCurve", dependencies: ["DataParallel", "MessagePassing", "NeuralCore"],
      path: "Examples/FitCurve"),

    // What Benchmarks/kernels runs.
    .executableTarget(
      name: "KernelBenchmark", dependencies: ["NeuralCore", "COneDNN", "CVectorMath"],
      path: "Benchmarks/KernelBenchmark"),

    // Tests: one target a module; RankChecks is what mpirun starts at 1 to 4 ranks, ReaderFuzz feeds
    // changed files to readers.
    .target(name: "TestSupport", path: "Tests/TestSupport"),
    .target(
      name: "GoldenSupport", dependencies: ["NeuralCore"], path: "Tests/GoldenSupport"),
    .executableTarget(
      name: "RankChecks",
      dependencies: ["MessagePassing", "NeuralCore", "DataParallel", "GoldenSupport"],
      path: "Tests/RankChecks"),
    .executableTarget(
      name: "ReaderFuzz", dependencies: ["NeuralCore", "Datasets", "Checkpoints", "Training"],
      path: "Tests/ReaderFuzz"),
    .testTarget(name: "MessagePassingTests", dependencies: ["MessagePassing", "TestSupport"]),
    .testTarget(
      name: "NeuralCoreTests", dependencies: ["NeuralCore", "GoldenSupport", "TestSupport"],
      resources: [.copy("Resources")]),
    .testTarget(name: "DatasetsTests", dependencies: ["Datasets", "NeuralCore", "TestSupport"]),
    .testTarget(
      name: "DataParallelTests",
      dependencies: ["RankChecks", "DataParallel", "NeuralCore", "TestSupport"]),
    .testTarget(
      name: "CheckpointsTests", dependencies: ["Checkpoints", "NeuralCore", "TestSupport"]),
    .testTarget(name: "TelemetryTests", dependencies: ["Telemetry", "TestSupport"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: ["Training", "NeuralCore", "Datasets", "Checkpoints", "TestSupport"]),
    .testTarget(name: "LockstepCLITests", dependencies: ["LockstepCLI", "TestSupport"]),
    .testTarget(
      name: "ClusterTests",
      dependencies: [
        "LockstepCLI", "RankChecks", "ReaderFuzz", "FitCurve", "Checkpoints", "TestSupport",
      ],
      exclude: ["Scripts", "Preload"]),
  ],
  swiftLanguageModes: [.v6]
)

// `any` is spelled out, and a module sees and re-exports only what it imports by name.
for target in package.targets where ![.system, .plugin].contains(target.type) {
  target.swiftSettings = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
  ]
}
