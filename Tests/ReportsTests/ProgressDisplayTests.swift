// SPDX-License-Identifier: Apache-2.0
import Reports
import RunRecords
import Testing

@Suite("Progress display")
struct ProgressDisplayTests {
  /// A clock under the control of the test, and the text that was written.
  final class World {
    var time = 0.0
    var written: [String] = []
  }

  let world = World()
  let progress = TrainingProgress(
    epoch: 3, epochs: 10, step: 240, steps: 560, loss: 0.1234, accuracy: 0.971,
    samplesPerSecond: 12345, secondsLeft: 12)

  private func display(_ style: ProgressDisplay.Style) -> ProgressDisplay {
    ProgressDisplay(style: style, now: { world.time }, output: { world.written.append($0) })
  }

  @Test("A progress line fits its width by leaving out the least important parts first")
  func widths() {
    #expect(
      ProgressLine.text(progress, width: 200)
        == "epoch 3/10 [==========>             ] step 240/560 loss 0.1234 accuracy 97.1 % "
        + "12,345 samples/s 0:12 left")
    #expect(
      ProgressLine.text(progress, width: 80)
        == "epoch 3/10 step 240/560 loss 0.1234 accuracy 97.1 % 12,345 samples/s 0:12 left")
    #expect(
      ProgressLine.text(progress, width: 40) == "epoch 3/10 step 240/560 loss 0.1234")
    for width in 0...120 {
      #expect(ProgressLine.text(progress, width: width).count <= width)
    }
  }

  @Test("Extreme numbers neither trap nor widen the progress line")
  func strangeNumbers() {
    for value in [Double.nan, .infinity, -.infinity, 1e300, -1, 0, .leastNonzeroMagnitude] {
      let strange = TrainingProgress(
        epoch: .max, epochs: nil, step: .max, steps: 0, loss: value, accuracy: value,
        samplesPerSecond: value, secondsLeft: value)
      for width in [0, 1, 40, 80, 200] {
        #expect(ProgressLine.text(strange, width: width).count <= width)
      }
    }
  }

  @Test(
    "The remaining time is formatted as minutes and seconds, or hours",
    arguments: [
      (0, "0:00"), (12.4, "0:12"), (59.6, "1:00"), (754, "12:34"), (3600, "1:00:00"),
      (360_000, "100:00:00"), (-1, "-:--"), (.nan, "-:--"),
    ] as [(Double, String)])
  func times(seconds: Double, text: String) {
    var progress = progress
    progress.secondsLeft = seconds
    #expect(ProgressLine.text(progress).hasSuffix("  \(text) left"))
  }

  @Test(
    "Losses of any magnitude are readable",
    arguments: [
      (0, "0.0000"), (2.302585, "2.3026"), (0.0001234, "1.234e-04"), (1e8, "1.000e+08"),
      (-0.5, "-0.5000"), (.nan, "NaN"), (.infinity, "infinite"),
    ] as [(Double, String)])
  func losses(loss: Double, text: String) {
    #expect(
      ProgressLine.text(
        TrainingProgress(epoch: 1, epochs: nil, step: 1_234_567, steps: 9, loss: loss))
        == "epoch 1  step 1,234,567/9  loss \(text)")
  }

  @Test("On a terminal the line is redrawn in place, at most ten times per second")
  func terminal() {
    var display = display(.terminal(width: 40))
    for tick in 0..<100 {
      world.time = Double(tick) * 0.01
      display.show(progress)
    }
    #expect((9...11).contains(world.written.count))
    #expect(
      world.written.allSatisfy {
        $0 == "\repoch 3/10 step 240/560 loss 0.1234\u{1B}[K"
      })
    display.finish()
    display.finish()
    #expect(world.written.last == "\n")
    #expect(world.written.filter { $0 == "\n" }.count == 1)
  }

  @Test("A message replaces the drawn line")
  func message() {
    var display = display(.terminal(width: 40))
    display.showMilestone(progress)
    display.write("checkpoint\tdamaged\u{1B}[2J")
    #expect(world.written.last == "\r\u{1B}[Kcheckpoint damaged [2J\n")
    display.write("again")
    #expect(world.written.last == "again\n")
  }

  @Test("Without a terminal there are few lines, and no control characters")
  func plain() {
    var display = display(.plain(interval: 10))
    for tick in 0..<1000 {
      world.time = Double(tick) * 0.1
      display.show(progress)
    }
    #expect(world.written.count == 9)
    display.showMilestone(progress)
    display.write("a message\r")
    display.finish()
    #expect(world.written.count == 11)
    for line in world.written {
      #expect(line.hasSuffix("\n"))
      #expect(line.dropLast().unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F })
    }
  }

  @Test("Without a terminal a short run shows only its milestones")
  func milestones() {
    var display = display(.plain(interval: 10))
    for step in 0..<50 {
      world.time = Double(step) * 0.1
      display.show(progress)
    }
    display.showMilestone(progress)
    #expect(
      world.written == [
        "epoch 3/10  step 240/560  loss 0.1234  accuracy 97.1 %  12,345 samples/s  0:12 left\n"
      ])
  }
}
