// SPDX-License-Identifier: Apache-2.0
public import RunRecords

/// The lines that stand at the end of a training.
public enum SummaryText {
  /// Says what a run came to and where its files are: (what, path) pairs.
  ///
  /// Every line ends with a line feed; what is not known has no line.
  public static func text(_ summary: RunSummary, files: [(what: String, path: String)] = [])
    -> String
  {
    var rows: [(String, String)] = []
    func add(_ name: String, _ value: String?) {
      if let value { rows.append((name, value)) }
    }
    add("held-out accuracy", summary.testAccuracy.map(Readable.percentage))
    add("held-out loss", summary.testLoss.map(Readable.loss))
    add("training loss", summary.finalLoss.map(Readable.loss))
    add(
      "steps",
      "\(Readable.count(summary.steps)) in \(Readable.count(summary.epochs)) epoch"
        + (summary.epochs == 1 ? "" : "s"))
    add("parameters", Readable.count(summary.parameters))
    add("ranks", "\(Readable.count(summary.ranks)) (\(Readable.count(summary.slices)) slices)")
    add("time", summary.seconds.map(Readable.time))
    add("samples/s", summary.samplesPerSecond.map(Readable.rate))
    add("digest", summary.digest)
    for file in files { add(file.what, file.path) }
    let title = summary.completed ? "Training is complete." : "Training was stopped early."
    return title + "\n" + ResolvedOptionsTable(rows).text
  }
}
