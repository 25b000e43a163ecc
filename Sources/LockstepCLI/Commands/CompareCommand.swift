// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Failures
import Foundation
import MessagePassing
import NeuralCore
import Reports
import Training

/// The command `compare`: tells where runs differ, and shows their convergence side by side.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Check whether runs are bitwise identical, and find where they first differ.",
    discussion: """
      Compares the first run with each of the others. The exit status is 0 if all are identical \
      and 1 if not, as with cmp.
      """)

  @Argument(help: "Two or more run directories.")
  var runs: [String]

  @Flag(help: "Print the comparison as JSON.")
  var json = false

  func validate() throws {
    guard runs.count >= 2 else { throw ValidationError("compare requires two or more runs") }
  }

  func run() throws {
    guard LaunchEnvironment.current.isFirst else { return }
    let isEqual: Bool
    do {
      let recorded = try runs.map { try RecordedRun(path: $0) }
      let comparisons = try recorded.dropFirst().map { try RunComparison(recorded[0], $0) }
      let text = json ? try asJSON(comparisons, recorded) : asText(comparisons, recorded)
      Terminal.write(text, to: .standardOutput)
      isEqual = comparisons.allSatisfy(\.isEqual)
    } catch {
      throw ProgramExit(error)
    }
    if !isEqual { throw ProgramExit(ExitStatus(rawValue: 1), nil) }
  }

  private struct Document: Encodable {
    let comparisons: [RunComparison]
    let heldOutBySteps: Convergence
    let heldOutByEpochs: Convergence
  }

  private func asJSON(_ comparisons: [RunComparison], _ runs: [RecordedRun]) throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let document = Document(
      comparisons: comparisons, heldOutBySteps: Convergence(runs, by: .steps),
      heldOutByEpochs: Convergence(runs, by: .epochs))
    return String(decoding: try encoder.encode(document), as: UTF8.self) + "\n"
  }

  private func asText(_ comparisons: [RunComparison], _ runs: [RecordedRun]) -> String {
    comparisons.map(text(of:)).joined() + "\n" + ConvergenceText.text(runs)
  }

  private func text(of comparison: RunComparison) -> String {
    let names = comparison.runs.joined(separator: " and ")
    guard !comparison.isEqual else {
      return "\(names) are equal: \(comparison.commonSteps) logged steps, "
        + "\(comparison.commonCheckpoints) checkpoints\n"
    }
    var lines = ["\(names) differ"]
    if let step = comparison.firstStep {
      let losses = step.losses.map { $0.map { "\($0)" } ?? "none" }.joined(separator: " and ")
      let digests = step.digests.map { $0 ?? "none" }.joined(separator: " and ")
      lines.append("  first at step \(step.step): losses \(losses), digests \(digests)")
    } else {
      lines.append("  in no one of the \(comparison.commonSteps) logged steps that both have")
    }
    if let step = comparison.firstEvaluation {
      lines.append("  first evaluation that differs: after step \(step)")
    }
    if let found = comparison.firstTensor {
      lines.append(
        "  checkpoints of step \(found.step): \(found.tensor) and \(found.tensors - 1) more tensors; "
          + "\(found.elements) of its \(found.count) elements, by at most "
          + "\(found.largestUlps) units in the last place")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
