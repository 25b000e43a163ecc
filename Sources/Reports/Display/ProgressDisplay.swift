// SPDX-License-Identifier: Apache-2.0

/// Shows progress while training runs, without writing more than a person can read.
///
/// On a terminal one line is drawn over and over; elsewhere plain lines are written, without any
/// control character. It writes through a closure and reads a clock through another:
///
/// ```swift
/// var display = ProgressDisplay(style: .plain(interval: 10), now: { 0 }, output: { print($0) })
/// display.show(Progress(epoch: 1, epochs: 3, step: 1, steps: 90, loss: 2.3))
/// ```
public struct ProgressDisplay {
  /// Where the progress is shown.
  public enum Style: Equatable, Sendable {
    /// On a terminal of so many columns, redrawn at most ten times a second.
    case terminal(width: Int)
    /// As lines, at most one every `interval` seconds besides those of epochs and evaluations.
    case plain(interval: Double)
  }

  /// Where the progress is shown; may change when the terminal does.
  public var style: Style
  private let now: () -> Double
  private let output: (String) -> Void
  private var lastShown: Double?
  private var lineIsDrawn = false

  /// Makes a display that has shown nothing yet.
  ///
  /// `now` gives seconds from any start and never goes back; `output` gets text to be written as it
  /// is, line feeds included.
  public init(style: Style, now: @escaping () -> Double, output: @escaping (String) -> Void) {
    self.style = style
    self.now = now
    self.output = output
  }

  /// Shows where training stands, unless it was shown a moment ago.
  public mutating func show(_ progress: Progress) {
    let time = now()
    switch style {
    case .terminal(let width):
      if let lastShown, time - lastShown < 0.1 { return }
      draw(progress, width: width)
      lastShown = time
    case .plain(let interval):
      // The first interval begins with the first call: short epochs then need no lines between.
      guard let lastShown else { return self.lastShown = time }
      if time - lastShown < interval { return }
      output(ProgressLine.text(progress) + "\n")
      self.lastShown = time
    }
  }

  /// Shows the end of an epoch or an evaluation, whatever was shown before.
  public mutating func showMilestone(_ progress: Progress) {
    switch style {
    case .terminal(let width): draw(progress, width: width)
    case .plain: output(ProgressLine.text(progress) + "\n")
    }
    lastShown = now()
  }

  /// Writes a line of its own, such as a warning, without spoiling the one that is drawn.
  public mutating func write(_ line: String) {
    let erase = lineIsDrawn ? Self.restart + Self.eraseToEnd : ""
    output(erase + Readable.oneLine(line) + "\n")
    lineIsDrawn = false
  }

  /// Ends the line that is drawn, so that other text can follow.
  public mutating func finish() {
    if lineIsDrawn { output("\n") }
    lineIsDrawn = false
  }

  private mutating func draw(_ progress: Progress, width: Int) {
    // A full last column would make some terminals begin a new line.
    output(Self.restart + ProgressLine.text(progress, width: width - 1) + Self.eraseToEnd)
    lineIsDrawn = true
  }

  private static let restart = "\r"
  private static let eraseToEnd = "\u{1B}[K"
}
