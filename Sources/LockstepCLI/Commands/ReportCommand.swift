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

/// The command `report`: writes a page about runs, and prints its tables.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Writes an HTML page about one run or several.",
    discussion: """
      The page needs nothing beside itself. It shows losses and speed over the steps, and, where
      runs differ in ranks or hosts, time, speed-up, efficiency, traffic, and whether convergence
      was identical to the bit. It reads the runs' logs, options and summaries, no checkpoint.
      """)

  @Argument(help: "Run directories; repeats of a size are summed up.")
  var runs: [String]

  @Option(name: [.short, .long], help: "Where the page is written.")
  var output = "report.html"

  @Flag(help: "Print the numbers as JSON instead of tables.")
  var json = false

  @Flag(help: "Print nothing.")
  var quiet = false

  func run() throws {
    guard LaunchEnvironment.current.isFirst else { return }
    do {
      let report = try RunReport(runs)
      let text = json ? try report.json() : report.text + "\nreport  \(output)\n"
      try TextFile.publish(report.page.html, to: output)
      if !quiet { Terminal.write(text, to: .standardOutput) }
    } catch RunRecordError.writeFailed(let path, let reason) {
      throw ProgramExit(.cannotCreate, "-o \(path): can't be written: \(reason)")
    } catch {
      throw ProgramExit(error)
    }
  }
}
