// SPDX-License-Identifier: Apache-2.0
import Reports
import Testing

@Suite("Text plots")
struct TextPlotTests {
  @Test("A text plot shows each curve with its letter, and where curves meet")
  func curves() {
    let text = TextPlot.text(
      [[(x: 0, y: 0), (x: 1, y: 1), (x: 2, y: 2)], [(x: 0, y: 2), (x: 1, y: 1), (x: 2, y: 0)]],
      width: 5, height: 3)
    #expect(
      text == """
                2 |B   A
                  |  *  
                0 |A   B
                  +-----

        """)
  }

  @Test("A text plot leaves out points that are not finite, and is empty without points")
  func notFinite() {
    #expect(TextPlot.text([[(x: 0, y: .nan)], []]).isEmpty)
    let text = TextPlot.text([[(x: 0, y: 1), (x: 1, y: .infinity)]], width: 3, height: 2)
    #expect(text.contains("A"))
  }
}
