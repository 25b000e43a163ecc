// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Coordination
import Datasets
import Foundation
import Reports
import Training

/// The command `describe`: shows how training would understand data.
struct DescribeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe",
    abstract: "Show how training would understand data; trains nothing.",
    discussion: DataHelp.text)

  @Argument(help: "The data.")
  var data: String

  @OptionGroup(title: OptionSection.data.title)
  var dataFlags: OptionFlags<DescribeSelection>

  @Flag(help: "Print everything as JSON.")
  var json = false

  @OptionGroup(title: StallOptions.title)
  var stallOptions: StallOptions

  func run() throws {
    try Session.run(stallOptions.limits) { group in
      var options = TrainingOptions()
      options.data = data
      try options.set(arguments: dataFlags.arguments)
      let description = try DataDescription(options, on: group)
      guard group.rank == 0 else { return }
      if json {
        return Terminal.write(try JSONOutput.text(description), to: .standardOutput)
      }
      for notice in description.notices { Terminal.note(notice) }
      Terminal.write(TextTable(description.summary).text, to: .standardOutput)
    }
  }
}

/// The options of training that decide how data are understood.
enum DescribeSelection: OptionSelection {
  static let options = OptionSection.all.flatMap(\.options).filter {
    [
      "target", "features", "ignore", "categorical", "weights", "max-levels", "missing", "header",
      "separator",
      "target-scale", "validation", "validation-split", "seed", "loss", "class-weight",
      "transport",
    ].contains($0.name)
  }
}
