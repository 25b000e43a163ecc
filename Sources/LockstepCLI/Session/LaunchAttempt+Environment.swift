// SPDX-License-Identifier: Apache-2.0
import Foundation
import RunRecords

extension LaunchAttempt {
  /// What `launch/run` says about this start; nil for other launchers.
  static var current: LaunchAttempt? {
    let variables = ProcessInfo.processInfo.environment
    guard let launch = variables["LOCKSTEP_LAUNCH"],
      let number = variables["LOCKSTEP_ATTEMPT"].flatMap({ Int($0) })
    else { return nil }
    return LaunchAttempt(launch: launch, number: number)
  }
}
