// SPDX-License-Identifier: Apache-2.0

/// Where training stands, as a person wants to see it.
public struct Progress: Equatable, Sendable {
  /// The epoch, counted from 1.
  public var epoch: Int
  /// How many epochs there will be, where that is known.
  public var epochs: Int?
  /// How many steps were done.
  public var step: Int
  /// How many steps there will be.
  public var steps: Int
  /// The loss of the last step.
  public var loss: Double
  /// The last accuracy on held-out data, 0 to 1, where there is one.
  public var accuracy: Double?
  /// Training samples a second, lately.
  public var samplesPerSecond: Double?
  /// How many seconds are left, where that can be said.
  public var secondsLeft: Double?

  /// Describes a moment of training.
  public init(
    epoch: Int, epochs: Int?, step: Int, steps: Int, loss: Double, accuracy: Double? = nil,
    samplesPerSecond: Double? = nil, secondsLeft: Double? = nil
  ) {
    self.epoch = epoch
    self.epochs = epochs
    self.step = step
    self.steps = steps
    self.loss = loss
    self.accuracy = accuracy
    self.samplesPerSecond = samplesPerSecond
    self.secondsLeft = secondsLeft
  }
}

/// Progress as one line of text.
public enum ProgressLine {
  /// The line in full: epoch, step, loss, accuracy, samples a second, time left.
  public static func text(_ progress: Progress) -> String {
    parts(progress).map(\.text).joined(separator: "  ")
  }

  /// The line with a bar, in at most `width` columns; what matters least is left out first.
  public static func text(_ progress: Progress, width: Int) -> String {
    var parts = parts(progress)
    func length() -> Int { parts.map(\.text.count).reduce(0, +) + parts.count - 1 }
    while length() > width, parts.count > 1,
      let least = parts.indices.min(by: { parts[$0].worth < parts[$1].worth })
    {
      parts.remove(at: least)
    }
    let room = min(width - length() - 3, 24)
    if room >= 6 {
      parts.insert(Part("[" + bar(progress, length: room) + "]", worth: 0), at: 1)
    }
    return String(parts.map(\.text).joined(separator: " ").prefix(max(width, 0)))
  }

  private struct Part {
    let text: String
    let worth: Int

    init(_ text: String, worth: Int) {
      self.text = text
      self.worth = worth
    }
  }

  private static func parts(_ progress: Progress) -> [Part] {
    let epochs = progress.epochs.map { "/" + Readable.count($0) } ?? ""
    var parts = [
      Part("epoch \(Readable.count(progress.epoch))\(epochs)", worth: 4),
      Part("step \(Readable.count(progress.step))/\(Readable.count(progress.steps))", worth: 5),
      Part("loss \(Readable.loss(progress.loss))", worth: 6),
    ]
    if let accuracy = progress.accuracy {
      parts.append(Part("accuracy \(Readable.percentage(accuracy))", worth: 2))
    }
    if let rate = progress.samplesPerSecond {
      parts.append(Part("\(Readable.rate(rate)) samples/s", worth: 1))
    }
    if let seconds = progress.secondsLeft {
      parts.append(Part("\(Readable.time(seconds)) left", worth: 3))
    }
    return parts
  }

  private static func bar(_ progress: Progress, length: Int) -> String {
    let share = Double(progress.step) / Double(max(progress.steps, 1))
    let done = Int(Double(length) * min(max(share, 0), 1))
    if done == length { return String(repeating: "=", count: length) }
    return String(repeating: "=", count: done) + ">"
      + String(repeating: " ", count: length - done - 1)
  }
}
