// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import DataParallel

/// The options about ranks that don't come.
struct StallOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Name the ranks that others have waited for this long.", valueName: "seconds"))
  var stallSeconds = 60

  @Option(
    help: ArgumentHelp(
      "End the job, with status 75, when ranks have waited this long.", valueName: "seconds"))
  var stallAbortSeconds = 600

  func validate() throws {
    for (name, value, least) in [
      ("--stall-seconds", stallSeconds, 1), ("--stall-abort-seconds", stallAbortSeconds, 3),
    ] where !(least...1_000_000).contains(value) {
      throw ValidationError("\(name) \(value): must be \(least) or more")
    }
    guard stallAbortSeconds > stallSeconds + 1 else {
      throw ValidationError(
        "--stall-abort-seconds \(stallAbortSeconds): must be \(stallSeconds + 2) or more, since "
          + "--stall-seconds is \(stallSeconds)")
    }
  }

  var limits: StallLimits {
    StallLimits(reportAfter: Double(stallSeconds), abortAfter: Double(stallAbortSeconds))
  }
}
