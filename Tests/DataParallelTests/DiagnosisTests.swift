// SPDX-License-Identifier: Apache-2.0
import DataParallel
import Diagnosis
import Testing

private func host(
  _ name: String, ranks: Int = 2, cores: Int = 4, freeMegabytes: Int = 8000, shared: Int? = 64,
  clock: Double = 0, source: String = "tsc", mpi: String = "Open MPI v4.1.4"
) -> HostReport {
  HostReport(
    host: name, ranks: Array(0..<ranks),
    program: HostReport.Program(
      mpi: mpi, onednn: "2.6.3", instructionSet: "AVX2", build: "b", freeBytes: freeMegabytes << 20),
    processor: "p", cores: cores, memoryBytes: 16 << 30,
    sharedMemory: shared.map { HostReport.Capacity(bytes: 64 << 20, freeBytes: $0 << 20) },
    clockSource: source, clockOffsetS: clock, addresses: [])
}

private func link(_ from: Int, _ to: Int, us: Double = 50, mb: Double = 110) -> LinkMeasurement {
  LinkMeasurement(
    from: from, to: to, fromHost: "h\(from)", toHost: "h\(to)", latencyUs: us, gapUs: 1,
    megabytesPerS: mb)
}

@Suite("Diagnosis of hosts and links")
struct DiagnosisTests {
  @Test("There are no findings where nothing is wrong")
  func healthy() {
    #expect(HostFindings.all([host("a"), host("b", clock: -0.9)]).isEmpty)
    #expect(HostFindings.all([host("a", ranks: 1, shared: nil)]).isEmpty)
  }

  @Test(
    "A finding names host, figure and advice, and does not stop training",
    arguments: [
      (host("b", ranks: 5), "b: 5 ranks share 4 cores"),
      (host("b", freeMegabytes: 300), "b: only 300 MB of memory is free for 2 ranks"),
      (host("b", shared: 9), "b: 9 MB of the 64 MB of /dev/shm is free, but MPI needs 10 MB"),
      (host("b", clock: -2.25), "b: its clock is 2.3 s behind"),
      (host("b", clock: 90), "b: its clock is 90.0 s ahead of"),
      (host("b", source: "hpet"), "b: the kernel's clock source is hpet"),
      (host("b", mpi: "Open MPI v5.0.1"), "b has Open MPI v5.0.1, a has Open MPI v4.1.4"),
    ])
  func findings(report: HostReport, text: String) throws {
    let found = HostFindings.all([host("a"), report])
    #expect(found.count == 1 && found[0].status == 0)
    #expect(found[0].message.hasPrefix(text), "\(found[0].message)")
    #expect(found[0].message.contains("; "))
  }

  @Test(
    "Links with less than half the median bandwidth, or over four times its latency, are reported")
  func links() {
    let good = [link(0, 1), link(1, 0), link(0, 2), link(2, 0)]
    #expect(LinkFindings.all(good).isEmpty)
    #expect(LinkFindings.all(good + [link(1, 2, us: 199, mb: 56)]).isEmpty)
    let slow = LinkFindings.all(good + [link(1, 2, mb: 12)])
    #expect(slow.count == 1)
    #expect(
      slow[0].message.hasPrefix(
        "h1 (rank 1) to h2 (rank 2): 12 MB/s, but the median link has 110 MB/s"))
    let late = LinkFindings.all(good + [link(1, 2, us: 250)])
    #expect(late.map(\.status) == [0])
    #expect(late[0].message.contains("messages take 250 us, but 50 us on the median link"))
  }

  @Test("The link model has the medians of the links between hosts, and none exists without links")
  func model() {
    let links = [
      link(0, 1, us: 10, mb: 100), link(1, 0, us: 30, mb: 300), link(0, 2, us: 20, mb: 200),
    ]
    #expect(LinkModel(links) == LinkModel(latency: 20 / 1e6, gap: 1 / 1e6, bandwidth: 200 * 1e6))
    #expect(LinkModel([]) == nil)
  }
}
