// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralCore
import Reports
import RunRecords
import Testing

@Suite("Evaluation records")
struct EvaluationRecordTests {
  let file: TemporaryFile

  init() throws { file = try TemporaryFile() }

  static let rows = ClassifiedRows(
    classes: 3, targets: [0, 1, 2, 1],
    scores: [0.5, 0.25, 0.25, 0.25, 0.5, 0.25, 0.5, 0.25, 0.25, 0.125, 0.25, 0.625])
  static let classes = EvaluationRecord(
    step: 7, rows: 4, loss: 0.75,
    classification: ClassificationMetrics(rows, labels: ["a", "b & c", "d"]), by: "region",
    groups: [
      .init(name: "", rows: 1, values: [.init(.accuracy, 1), .init(.auc, nil)]),
      .init(name: "north", rows: 3, values: [.init(.accuracy, 0.5), .init(.auc, 0.25)]),
    ],
    curves: (0..<3).compactMap { index in
      rows.ranked(by: index)?.rocCurve.map { .init(label: "\(index)", points: $0) }
    })
  static let numbers = EvaluationRecord(
    rows: 2, loss: .nan,
    regression: RegressionMetrics(
      PredictedNumbers(columns: 1, targets: [1, 3], predictions: [1, .infinity]), names: ["y"]))
  static let labels = EvaluationRecord(
    rows: 2, loss: 1,
    multilabel: MultilabelMetrics(
      MultilabelRows(
        columns: 2, targets: [true, false, false, true], probabilities: [0.5, 0.25, 0.5, 1]),
      names: ["late", "lost"]))

  @Test("evaluation.json reads back equal, with null for what is undefined")
  func readsBack() throws {
    for record in [Self.classes, Self.labels] {
      try record.write(to: file.path)
      #expect(try EvaluationRecord(path: file.path) == record)
    }
    try Self.numbers.write(to: file.path)
    let numbers = try EvaluationRecord(path: file.path)
    #expect(numbers.loss.isNaN && numbers.regression == Self.numbers.regression)
    #expect(
      Self.numbers.json == """
        {
          "rows": 2,
          "loss": null,
          "mse": null,
          "rmse": null,
          "mae": null,
          "r2": null,
          "mape": null,
          "targets": [{"name":"y","mse":null,"rmse":null,"mae":null,"r2":null,"mape":null}]
        }

        """)
  }

  @Test(
    "A damaged evaluation.json is refused",
    arguments: [
      "", "{}", "{\"rows\":0,\"loss\":1}", "{\"rows\":-1,\"loss\":1}", "[1]",
      classes.json.replacing("[1,0,0]", with: "[1,0]"),
      classes.json.replacing("[1,0,0]", with: "[5,0,0]"),
      classes.json.replacing("\"false_positive_rate\":[0.0,", with: "\"false_positive_rate\":["),
      classes.json.replacing("\"accuracy\": ", with: "\"accuracy\": \""),
    ])
  func damaged(text: String) throws {
    #expect(text != Self.classes.json)
    try file.place(text)
    #expect(
      throws: RunRecordError.damaged(
        "\(file.path): damaged; restore the file or leave out this run")
    ) {
      try EvaluationRecord(path: file.path)
    }
    #expect(throws: RunRecordError.self) { try EvaluationRecord(path: file.path + "x") }
  }

  @Test("The text shows every metric, undefined ones as such")
  func text() {
    #expect(
      Self.classes.text == """
        rows               4
        loss               0.7500
        accuracy           50.00 %
        balanced accuracy  50.00 %
        top-2 accuracy     100.00 %
        log loss           1.0397
        AUC                0.6389
        average precision  0.5000
        Brier score        0.6484
        calibration error  0.2812

        class  precision  recall      F1     AUC  avg. prec.  rows
        a         0.5000  1.0000  0.6667  0.8333      0.5000     1
        b & c     1.0000  0.5000  0.6667  0.7500      0.7500     2
        d         0.0000  0.0000  0.0000  0.3333      0.2500     1
        mean      0.5000  0.5000  0.4444  0.6389      0.5000     4

        Confusion matrix (row: class, column: predicted class)
               a  b & c  d
        a      1      0  0
        b & c  0      1  1
        d      1      0  0

        region   rows  accuracy        AUC
        (empty)     1  100.00 %  undefined
        north       3   50.00 %     0.2500

        """)
    #expect(Self.numbers.text.contains("R2    undefined\n"))
    #expect(Self.labels.text.contains("target  accuracy  precision"))
  }

  @Test("Records of logs have the metrics that were asked for, and no field twice")
  func logs() throws {
    let metrics = [MetricValue(.auc, 0.5), .init(.accuracy, 0.25), .init(.logLoss, nil)]
    let record = MetricsRecord.evaluation(
      step: 1, epoch: 1, loss: 1, accuracy: 0.25, metrics: metrics)
    #expect(
      record.line
        == #"{"step":1,"epoch":1,"test_loss":1.0,"test_accuracy":0.25,"test_auc":0.5,"#
        + #""test_log_loss":null}"#)
    let read = try JSONDecoder().decode(MetricsRecord.self, from: Data(record.line.utf8))
    #expect(Set(read.testMetrics.map(\.metric)) == [.auc, .logLoss])
    let summary = RunSummary(
      ranks: 1, slices: 1, steps: 1, epochs: 1, testLoss: 1, seconds: 1, parameters: 1,
      version: "1", completed: true, testMetrics: metrics)
    try summary.write(to: file.path)
    #expect(try RunSummary(path: file.path).testMetrics.count == 2)
    #expect(TextTable.summary(summary).contains("held-out AUC"))
  }

  @Test("A heat map has a cell and a description for each count, and its text is escaped")
  func heatMap() {
    let figure = ReportFigure.matrix(
      HeatMap("C", labels: ["<a>", "b"], counts: [[3, 1], [0, 0]]))
    let page = ReportPage(
      title: "T", subtitle: "", sections: [ReportSection("", [.figures([figure])])]
    ).html
    #expect(page.components(separatedBy: "<rect class=\"cell\"").count == 5)
    #expect(page.contains("<title>&lt;a&gt; predicted as b: 1</title>"))
    #expect(page.contains("fill-opacity=\"0.75\"") && page.contains("fill-opacity=\"0.0\""))
    #expect(!page.contains("<a>"))
  }
}
