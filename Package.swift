// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

let package = Package(
  name: "lockstep",
  products: [
    .executable(name: "lockstep", targets: ["LockstepCLI"]),
    .library(name: "Failures", targets: ["Failures"]),
    .library(name: "Machine", targets: ["Machine"]),
    .library(name: "MessagePassing", targets: ["MessagePassing"]),
    .library(name: "NeuralCore", targets: ["NeuralCore"]),
    .library(name: "Datasets", targets: ["Datasets"]),
    .library(name: "Coordination", targets: ["Coordination"]),
    .library(name: "DataParallel", targets: ["DataParallel"]),
    .library(name: "Checkpoints", targets: ["Checkpoints"]),
    .library(name: "RunRecords", targets: ["RunRecords"]),
    .library(name: "Reports", targets: ["Reports"]),
    .library(name: "Training", targets: ["Training"]),
    .library(name: "Diagnosis", targets: ["Diagnosis"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
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

    // Leaves: errors and exit statuses, files, the clock and spans, the host that a process runs on.
    .target(name: "Failures"),
    .target(name: "Files", dependencies: ["Failures"]),
    .target(name: "Tracing"),
    .target(name: "Machine"),

    // The libraries, lowest first.
    .target(name: "MessagePassing", dependencies: ["Failures", "COpenMPI", "CMemoryFile"]),
    .target(name: "NeuralCore", dependencies: ["Tracing", "COneDNN", "CVectorMath", "CXXHash"]),
    .target(
      name: "Datasets", dependencies: ["Failures", "Files", "Machine", "NeuralCore", "CZlib"],
      exclude: ["Resources/digits/README.md", "Resources/digits/LICENSE.scikit-learn.txt"],
      resources: [.embedInCode("Resources/digits/digits.csv.gz")]),
    .target(name: "Coordination", dependencies: ["Failures", "Tracing", "NeuralCore"]),
    .target(
      name: "DataParallel",
      dependencies: ["Failures", "Tracing", "MessagePassing", "NeuralCore", "Coordination"]),
    .target(name: "Checkpoints", dependencies: ["Failures", "Files", "NeuralCore"]),
    .target(
      name: "RunRecords",
      dependencies: ["Failures", "Files", "NeuralCore", .product(name: "Yams", package: "Yams")]),
    .target(
      name: "Reports", dependencies: ["Failures", "NeuralCore", "Checkpoints", "RunRecords"]),
    .target(
      name: "Training",
      dependencies: [
        "Failures", "Files", "Tracing", "Machine", "NeuralCore", "Datasets", "Coordination",
        "Checkpoints", "RunRecords",
      ]),
    .target(
      name: "Diagnosis",
      dependencies: [
        "Failures", "Tracing", "Machine", "MessagePassing", "NeuralCore", "Coordination",
        "DataParallel",
      ]),

    // The command line composes them.
    .executableTarget(
      name: "LockstepCLI",
      dependencies: [
        "Failures", "Files", "Machine", "MessagePassing", "NeuralCore", "Datasets", "Coordination",
        "DataParallel", "Checkpoints", "RunRecords", "Reports", "Training", "Diagnosis", "CSignals",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // Programs that use the libraries.
    .executableTarget(
      name: "FitCurve",
      dependencies: ["Machine", "Coordination", "DataParallel", "MessagePassing", "NeuralCore"],
      path: "Examples/FitCurve"),

    // What Benchmarks/kernels runs.
    .executableTarget(
      name: "KernelBenchmark", dependencies: ["Tracing", "NeuralCore", "COneDNN", "CVectorMath"],
      path: "Benchmarks/KernelBenchmark"),

    // Tests: one target per module; then what a user of the program gets, what the launch scripts
    // do, and what holds for the repository. RankChecks is what mpirun starts on 1 to 4 ranks,
    // ReaderFuzz feeds mutated files to the readers.
    .target(name: "TestSupport", path: "Tests/TestSupport"),
    .target(
      name: "GoldenSupport", dependencies: ["NeuralCore"], path: "Tests/GoldenSupport"),
    .executableTarget(
      name: "RankChecks",
      dependencies: [
        "Failures", "Machine", "MessagePassing", "NeuralCore", "Coordination", "DataParallel",
        "GoldenSupport",
      ],
      path: "Tests/RankChecks"),
    .executableTarget(
      name: "ReaderFuzz",
      dependencies: [
        "Failures", "NeuralCore", "Datasets", "Coordination", "Checkpoints", "RunRecords",
        "Reports",
        "Training",
      ],
      path: "Tests/ReaderFuzz"),
    .testTarget(
      name: "MessagePassingTests", dependencies: ["RankChecks", "MessagePassing", "TestSupport"]),
    .testTarget(
      name: "NeuralCoreTests",
      dependencies: ["NeuralCore", "Tracing", "GoldenSupport", "TestSupport"],
      resources: [.copy("Resources")]),
    .testTarget(
      name: "DatasetsTests", dependencies: ["Failures", "Datasets", "NeuralCore", "TestSupport"]),
    .testTarget(
      name: "DataParallelTests",
      dependencies: [
        "RankChecks", "DataParallel", "Diagnosis", "Coordination", "NeuralCore", "TestSupport",
      ]),
    .testTarget(
      name: "CheckpointsTests",
      dependencies: ["Failures", "Files", "Checkpoints", "NeuralCore", "TestSupport"]),
    .testTarget(
      name: "ReportsTests",
      dependencies: ["Failures", "NeuralCore", "RunRecords", "Reports", "TestSupport"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Failures", "Training", "NeuralCore", "Datasets", "Coordination", "Checkpoints",
        "RunRecords",
        "Reports", "GoldenSupport", "TestSupport",
      ]),
    .testTarget(name: "LockstepCLITests", dependencies: ["LockstepCLI", "TestSupport"]),
    .testTarget(
      name: "EndToEndTests",
      dependencies: ["LockstepCLI", "Checkpoints", "NeuralCore", "TestSupport"],
      exclude: ["Resources"]),
    .testTarget(
      name: "LauncherTests", dependencies: ["LockstepCLI", "TestSupport"], exclude: ["Scripts"]),
    .testTarget(
      name: "RepositoryTests",
      dependencies: ["LockstepCLI", "ReaderFuzz", "FitCurve", "TestSupport"],
      exclude: ["Preload"]),
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
