// SPDX-License-Identifier: Apache-2.0
import Foundation
import Reports
import Testing
import Training

@Suite("Reports on runs")
struct RunReportTests {
  let folder: RecordedFolder

  init() throws { folder = try RecordedFolder() }

  /// What `--json` prints.
  struct Document: Decodable {
    struct Spread: Decodable, Equatable { let median, least, greatest: Double }
    struct Size: Decodable {
      let series: String
      let hosts, ranks, slices: Int
      let batch: Int?
      let runs: [String]
      let seconds, stepSeconds, samplesPerSecond: Spread?
      let speedUp, efficiency: Double?
      let shares: [String: Double]?
      let parties: Int?
      let sentBytesPerStep, leastBytesPerStep, statisticsBytesPerStep: Double?
      let agreement: String
      let isIdentical: Bool?
    }
    let kind: String?
    let sizes: [Size]
  }

  func document(_ report: RunReport) throws -> Document {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Document.self, from: Data(report.json().utf8))
  }

  func run(
    _ name: String, ranks: Int, seconds: Double, exchange: Int = 0, batch: Int = 32
  ) -> RecordedFolder.Run {
    var run = RecordedFolder.Run()
    (run.name, run.ranks, run.seconds, run.exchange) = (name, ranks, seconds, exchange)
    run.hosts = (1...ranks).map { "node\($0)" }
    run.machines = Array(0..<ranks)
    (run.parties, run.batch) = (ranks, batch)
    return run
  }

  @Test("A report has the speed-up, efficiency and traffic that were computed by hand")
  func strongScaling() throws {
    // 320 rows in 2 s are 160 per second; 256, 320 and 200 per second on two ranks; 400 on four.
    let report = try RunReport([
      folder.write(run("two-a", ranks: 2, seconds: 1.25, exchange: 88_000)),
      folder.write(run("four", ranks: 4, seconds: 0.8, exchange: 330_000)),
      folder.write(run("one", ranks: 1, seconds: 2)),
      folder.write(run("two-b", ranks: 2, seconds: 1, exchange: 88_000)),
      folder.write(run("two-c", ranks: 2, seconds: 1.6, exchange: 88_000)),
    ])
    let sizes = try document(report).sizes
    #expect(try document(report).kind == "strong")
    #expect(sizes.map(\.ranks) == [1, 2, 4] && sizes.map(\.runs.count) == [1, 3, 1])
    #expect(sizes[1].samplesPerSecond == .init(median: 256, least: 200, greatest: 320))
    #expect(sizes[1].stepSeconds == .init(median: 0.125, least: 0.1, greatest: 0.16))
    #expect(sizes.map(\.speedUp) == [1, 1.6, 2.5])
    #expect(sizes.map(\.efficiency) == [1, 0.8, 0.625])
    #expect(sizes[0].seconds?.median == 12.5)
    #expect(
      sizes[2].shares == ["compute": 0.5, "wait": 0.25, "exchange": 0.125, "update": 0.125])
    // 2 (P - 1) / P of 1,000 parameters of 4 bytes.
    #expect(sizes.map(\.leastBytesPerStep) == [0, 4000, 6000])
    #expect(sizes.map(\.sentBytesPerStep) == [0, 4000, 7500])
    #expect(sizes.map(\.statisticsBytesPerStep) == [200, 100, 50])
    #expect(sizes.allSatisfy { $0.isIdentical == true })
    let page = report.page.html
    for text in [
      "bitwise identical in 5 runs", "<td>1.60</td>", "<td>62.5 %</td>", "<td>1.25</td>",
      "100 ms to 160 ms",
    ] {
      #expect(page.contains(text), "\(text)")
    }
  }

  @Test("A batch size proportional to the ranks is weak scaling, without a comparison of bits")
  func weakScaling() throws {
    let report = try RunReport([
      folder.write(run("one", ranks: 1, seconds: 2)),
      folder.write(run("two", ranks: 2, seconds: 2.5, batch: 64)),
    ])
    let found = try document(report)
    #expect(found.kind == "weak")
    // 640 rows in 2.5 s.
    #expect(found.sizes.map(\.speedUp) == [1, 1.6] && found.sizes[1].efficiency == 0.8)
    #expect(found.sizes.map(\.isIdentical) == [true, nil])
    #expect(report.text.contains("the batch sizes differ, so equal results are not expected"))
    #expect(!report.page.html.contains("notice good"))
  }

  @Test("A report shows the first difference between runs, and its known reason")
  func differences() throws {
    let one = try folder.write(run("one", ranks: 1, seconds: 2))
    var other = run("two", ranks: 2, seconds: 1)
    other.lossAtStep11 = 0.5.nextUp
    var report = try RunReport([one, folder.write(other)])
    #expect(try document(report).sizes.map(\.isIdentical) == [true, false])
    #expect(report.text.contains("two first differs from one at step 11.\n"))
    #expect(!report.page.html.contains("notice good"))
    other.slices = 2
    report = try RunReport([one, folder.write(other)])
    let reason = "they used 2 and 4 slices, and only the same --slices gives identical"
    #expect(report.text.contains(reason))
    (other.lossAtStep11, other.digest, other.slices) = (0.5, "ff", 4)
    report = try RunReport([one, folder.write(other)])
    #expect(try document(report).sizes[1].isIdentical == false)
    #expect(report.page.html.contains("<code>ff</code>"))
  }

  @Test("Runs that differ in other options form series, each with its own baseline")
  func series() throws {
    func run(_ name: String, _ ranks: Int, _ seconds: Double, _ transport: String) throws -> String
    {
      var run = self.run(name, ranks: ranks, seconds: seconds)
      run.options.append("transport: \(transport)")
      return try folder.write(run)
    }
    let report = try RunReport([
      run("a1", 1, 2, "auto"), run("a2", 2, 1, "auto"), run("b1", 1, 4, "messages"),
      run("b2", 2, 3.2, "messages"),
    ])
    let sizes = try document(report).sizes
    #expect(
      sizes.map(\.series) == [
        "transport auto", "transport auto", "transport messages", "transport messages",
      ])
    #expect(sizes.map(\.speedUp) == [1, 2, 1, 1.25])
    #expect(
      report.page.html.contains("With transport messages, convergence was bitwise identical"))
  }

  @Test("A report warns of more ranks than cores on a machine")
  func oversubscription() throws {
    let one = try folder.write(run("one", ranks: 1, seconds: 2))
    var three = run("three", ranks: 3, seconds: 1)
    func text(cores: Int, _ machines: [Int]?) throws -> String {
      (three.cores, three.machines) = (cores, machines)
      return try RunReport([one, folder.write(three)]).text
    }
    let shared =
      "3 hosts: its 3 hosts (node1, node2, node3) are one machine with 2 cores, shared by 3 ranks"
    #expect(try text(cores: 2, [0, 0, 0]).contains(shared))
    #expect(try !text(cores: 3, [0, 0, 0]).contains(", shared by"))
    #expect(try !text(cores: 1, [0, 1, 2]).contains(", shared by"))
    #expect(try !text(cores: 2, nil).contains(", shared by"))
    three.hosts = ["node1", "node1", "node1"]
    let crowded = "1 host, 3 ranks: node1 has 2 cores, shared by 3 ranks"
    #expect(try text(cores: 2, nil).contains(crowded))
  }

  @Test("A report on one run has curves and no scaling")
  func single() throws {
    let report = try RunReport([folder.write(run("one", ranks: 1, seconds: 2))])
    #expect(try document(report).kind == nil)
    let page = report.page.html
    #expect(!page.contains("Speed-up") && !page.contains("class=\"notice"))
    for text in ["Training report", "Training loss", "Held-out accuracy", "75.0 %", "1,000"] {
      #expect(page.contains(text), "\(text)")
    }
  }

  @Test("A report names runs without their common parent directories")
  func names() throws {
    let one = try folder.write(run("one", ranks: 1, seconds: 2))
    let two = try folder.write(run("two", ranks: 1, seconds: 1))
    let page = try RunReport([one, two]).page.html
    #expect(page.contains("<td class=\"text\">one</td>") && !page.contains(folder.folder))
    #expect(try RunReport([one, one]).page.html.contains("<td class=\"text\">one</td>"))
    #expect(try RunReport([one]).page.html.contains("<td class=\"text\">one</td>"))
    // Names that would be empty or equal are left in full.
    let nested = try folder.write(run("one/inner", ranks: 1, seconds: 1))
    #expect(try RunReport([one, nested]).page.html.contains(">one/inner</td>"))
  }

  @Test("A report escapes the names of runs")
  func escapes() throws {
    let name = "<script>alert('&\"')"
    let path = try folder.write(run(name, ranks: 1, seconds: 2))
    let page = try RunReport([path, path]).page.html
    #expect(!page.contains("<script"))
    #expect(page.contains("&lt;script&gt;alert(&#39;&amp;&quot;&#39;)"))
  }
}
