internal import Foundation
// SPDX-License-Identifier: Apache-2.0
internal import RunRecords

/// The numbers of a report, for other programs.
extension RunReport {
  /// The sizes and their runs as JSON; what is not known is left out.
  ///
  /// - Throws: what encoding throws: nothing that a run can cause.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let document = Document(
      kind: study.comparesSizes ? study.kind.rawValue : nil, sizes: study.sizes.map(Size.init))
    return String(decoding: try encoder.encode(document), as: UTF8.self) + "\n"
  }

  private struct Document: Encodable {
    /// strong, weak or mixed, where sizes are compared.
    let kind: String?
    let sizes: [Size]
  }

  private struct Size: Encodable {
    let series: String
    let hosts, ranks, slices: Int
    let batch: Int?
    let runs: [String]
    let seconds, stepSeconds, samplesPerSecond: Spread?
    let speedUp, efficiency: Double?
    let shares: [String: Double]?
    let parties: Int?
    let sentBytesPerStep, leastBytesPerStep, statisticsBytesPerStep: Double?
    let sharedBytesPerStep: Double?
    let digests: [String?]
    let agreement: String
    let isIdentical: Bool?

    init(_ size: ScalingSize) {
      series = size.key.series
      (hosts, ranks, slices) = (size.key.hosts, size.key.ranks, size.key.slices)
      batch = size.key.batch
      runs = size.runs.map(\.path)
      (seconds, stepSeconds) = (size.seconds, size.stepSeconds)
      samplesPerSecond = size.samplesPerSecond
      (speedUp, efficiency) = (Self.finite(size.speedUp), Self.finite(size.efficiency))
      shares = size.shares.map {
        ["compute": $0.compute, "wait": $0.wait, "exchange": $0.exchange, "update": $0.update]
          .filter(\.value.isFinite)
      }
      parties = size.traffic?.parties
      sentBytesPerStep = Self.finite(size.traffic?.sent)
      leastBytesPerStep = Self.finite(size.traffic?.least)
      statisticsBytesPerStep = Self.finite(size.traffic?.statistics)
      sharedBytesPerStep = Self.finite(size.traffic?.shared)
      digests = size.runs.map(\.digest)
      agreement = size.agreement.words
      isIdentical =
        size.agreement == .identical ? true : size.agreement.isDifference ? false : nil
    }

    /// JSON has no infinity and no NaN.
    private static func finite(_ value: Double?) -> Double? {
      value.flatMap { $0.isFinite ? $0 : nil }
    }
  }
}
