// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Failures
import Files
import Foundation
import MessagePassing
import NeuralCore
import Reports
import RunRecords
import Training

/// The command `report`: writes an HTML page about runs, and prints its tables.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Write an HTML report on one or more runs.",
    discussion: """
      The page is self-contained. It plots losses and throughput over steps. For runs with \
      different numbers of ranks or hosts it also shows time, speedup, efficiency, traffic, and \
      whether convergence was bitwise identical. It reads the runs' logs, options and summaries, \
      but no checkpoints.
      """)

  @Argument(help: "Run directories; repeated runs of one size are aggregated.")
  var runs: [String]

  @Option(name: [.short, .long], help: ArgumentHelp("HTML file to write.", valueName: "file"))
  var output = "report.html"

  @Flag(help: "Print the results as JSON instead of tables.")
  var json = false

  @Flag(help: "Print nothing.")
  var quiet = false

  func run() throws {
    guard LaunchEnvironment.current.isFirst else { return }
    do {
      let report = try RunReport(runs, resolveOptions: Self.resolveOptions)
      let text = json ? try report.json() : report.text + "\nreport  \(output)\n"
      try TextFile.publish(report.page.html, to: output)
      if !quiet { Terminal.write(text, to: .standardOutput) }
    } catch RunRecordError.writeFailed(let path, let reason) {
      throw ProgramExit(.cannotCreate, "-o \(path): can't be written: \(reason)")
    } catch {
      throw ProgramExit(error)
    }
  }

  /// Rejects unknown options in a `config.yaml`, and fills in defaults.
  private static func resolveOptions(_ content: [UInt8], path: String) throws -> [UInt8] {
    var options = TrainingOptions()
    try options.read(configuration: content, path: path)
    return Array(options.configuration(slices: options.slices ?? 1).utf8)
  }
}
