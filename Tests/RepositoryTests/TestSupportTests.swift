// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("Commands in tests")
struct TestSupportTests {
  @Test("A command returns its status and both outputs in full")
  func result() throws {
    let script = "head -c 300000 /dev/zero | tr '\\0' x; printf wrong >&2; exit 7"
    let result = try run("sh", ["-c", script])
    #expect(result.status == 7)
    #expect(result.standardOutput.utf8.count == 300_000)
    #expect(result.standardError == "wrong")
  }

  @Test("A command gets additional variables, and runs in the given folder")
  func environment() throws {
    let result = try run(
      "/bin/sh", ["-c", "echo $ADDED $PWD; cat"], environment: ["ADDED": "here"],
      currentDirectory: "/usr")
    #expect(result.standardOutput == "here /usr\n")
  }

  @Test("The status of a command that a signal ends is 128 plus the signal's number")
  func signal() throws {
    #expect(try run("sh", ["-c", "kill -9 $$"]).status == 137)
  }

  @Test("A command that does not end is killed with all its descendants")
  func timeout() throws {
    let mark = "31\(UInt32.random(in: 0..<1_000_000))"
    let script = "setsid sleep \(mark) & sleep \(mark) & trap '' TERM; echo started; wait; wait"
    #expect(throws: CommandError.self) {
      try run("sh", ["-c", script], timeout: 1)
    }
    try wait(until: "all processes are gone") {
      try run("pgrep", ["-f", "sleep \(mark)"]).standardOutput == ""
    }
  }
}
