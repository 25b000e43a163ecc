// SPDX-License-Identifier: Apache-2.0
public import RunRecords

/// Shows progress during training, without writing more than a person can read.
///
/// On a terminal a single line is redrawn; elsewhere plain lines without control characters are
/// written. Output and clock are closures:
///
/// ```swift
/// var display = ProgressDisplay(style: .plain(interval: 10), now: { 0 }, output: { print($0) })
/// display.show(TrainingProgress(epoch: 1, epochs: 3, step: 1, steps: 90, loss: 2.3))
/// ```
public struct ProgressDisplay {
  /// How progress is shown.
  public enum Style: Equatable, Sendable {
    /// On a terminal with this many columns, redrawn at most ten times per second.
    case terminal(width: Int)
    /// As lines, at most one every `interval` seconds besides those of milestones.
    case plain(interval: Double)
  }

  /// How progress is shown; may change when the terminal does.
  public var style: Style
  private let now: () -> Double
  private let output: (String) -> Void
  private var lastShown: Double?
  private var lineIsDrawn = false

  /// Makes a display that has not shown anything yet.
  ///
  /// - Parameters:
  ///   - now: a monotonic clock, in seconds.
  ///   - output: receives text to be written as it is, line feeds included.
  public init(style: Style, now: @escaping () -> Double, output: @escaping (String) -> Void) {
    self.style = style
    self.now = now
    self.output = output
  }

  /// Shows the progress, unless the last time was a moment ago.
  public mutating func show(_ progress: TrainingProgress) {
    let time = now()
    switch style {
    case .terminal(let width):
      if let lastShown, time - lastShown < 0.1 { return }
      draw(progress, width: width)
      lastShown = time
    case .plain(let interval):
      // The first interval starts with the first call, so short epochs have no lines in between.
      guard let lastShown else { return self.lastShown = time }
      if time - lastShown < interval { return }
      output(ProgressLine.text(progress) + "\n")
      self.lastShown = time
    }
  }

  /// Shows the end of an epoch or an evaluation, no matter what was shown before.
  public mutating func showMilestone(_ progress: TrainingProgress) {
    switch style {
    case .terminal(let width): draw(progress, width: width)
    case .plain: output(ProgressLine.text(progress) + "\n")
    }
    lastShown = now()
  }

  /// Writes a separate line, such as a warning, in place of the drawn one.
  public mutating func write(_ line: String) {
    let erase = lineIsDrawn ? Self.restart + Self.eraseToEnd : ""
    output(erase + Readable.oneLine(line) + "\n")
    lineIsDrawn = false
  }

  /// Ends the drawn line, so that other text can follow.
  public mutating func finish() {
    if lineIsDrawn { output("\n") }
    lineIsDrawn = false
  }

  private mutating func draw(_ progress: TrainingProgress, width: Int) {
    // Some terminals start a new line when the last column is filled.
    output(Self.restart + ProgressLine.text(progress, width: width - 1) + Self.eraseToEnd)
    lineIsDrawn = true
  }

  private static let restart = "\r"
  private static let eraseToEnd = "\u{1B}[K"
}

/// Progress as one line of text.
public enum ProgressLine {
  /// The full line: epoch, step, loss, accuracy, samples per second, remaining time.
  public static func text(_ progress: TrainingProgress) -> String {
    parts(progress).map(\.text).joined(separator: "  ")
  }

  /// The line with a progress bar, in at most `width` columns.
  ///
  /// Less important parts are left out first.
  public static func text(_ progress: TrainingProgress, width: Int) -> String {
    var parts = parts(progress)
    func length() -> Int { parts.map(\.text.count).reduce(0, +) + parts.count - 1 }
    while length() > width, parts.count > 1,
      let last = parts.indices.min(by: { parts[$0].importance < parts[$1].importance })
    {
      parts.remove(at: last)
    }
    let room = min(width - length() - 3, 24)
    if room >= 6 {
      parts.insert(Part("[" + bar(progress, length: room) + "]", importance: 0), at: 1)
    }
    return String(parts.map(\.text).joined(separator: " ").prefix(max(width, 0)))
  }

  private struct Part {
    let text: String
    let importance: Int

    init(_ text: String, importance: Int) {
      self.text = text
      self.importance = importance
    }
  }

  private static func parts(_ progress: TrainingProgress) -> [Part] {
    let epochs = progress.epochs.map { "/" + Readable.count($0) } ?? ""
    var parts = [
      Part("epoch \(Readable.count(progress.epoch))\(epochs)", importance: 4),
      Part(
        "step \(Readable.count(progress.step))/\(Readable.count(progress.steps))", importance: 5),
      Part("loss \(Readable.loss(progress.loss))", importance: 6),
    ]
    if let accuracy = progress.accuracy {
      parts.append(Part("accuracy \(Readable.percentage(accuracy))", importance: 2))
    }
    if let rate = progress.samplesPerSecond {
      parts.append(Part("\(Readable.rate(rate)) samples/s", importance: 1))
    }
    if let seconds = progress.secondsLeft {
      parts.append(Part("\(Readable.time(seconds)) left", importance: 3))
    }
    return parts
  }

  private static func bar(_ progress: TrainingProgress, length: Int) -> String {
    let share = Double(progress.step) / Double(max(progress.steps, 1))
    let done = Int(Double(length) * min(max(share, 0), 1))
    if done == length { return String(repeating: "=", count: length) }
    return String(repeating: "=", count: done) + ">"
      + String(repeating: " ", count: length - done - 1)
  }
}
