// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("Examples")
struct ExampleTests {
  @Test("The example FitCurve fits its curve, with the same output on 1 and on 3 ranks")
  func fitCurve() throws {
    let program = try productURL(named: "FitCurve").path
    let outputs = try [1, 3].map { ranks in
      let result = try mpirun(ranks: ranks, program, [])
      #expect(result.status == 0, "\(result.standardError)")
      return result.standardOutput.replacing("ranks \(ranks),", with: "all")
    }
    #expect(outputs[0].contains("all weights ") && outputs[0] == outputs[1])
    let points = outputs[0].matches(of: /network +(-?[\d.]+), curve +(-?[\d.]+)/)
    #expect(points.count == 5)
    for point in points {
      let (found, wanted) = (Double(point.1) ?? .nan, Double(point.2) ?? .nan)
      #expect(abs(found - wanted) < 0.1, "\(point.0)")
    }
  }
}
