// SPDX-License-Identifier: Apache-2.0
import DataParallel
import Diagnosis
import Foundation
import Reports

/// The predictions of a plan, as JSON and as text.
struct PlanReport: Encodable {
  struct Node: Encodable {
    let ranks, batch, parameters: Int
    let stepS, fixedS, perRowS, updateS: Double
  }
  struct Link: Encodable {
    let latencyUs, gapUs, bandwidthMbit: Double
  }

  let node: Node
  let link: Link
  let sharedCores: Int?
  let bucketMb: Double
  let rows: [ScalingPlan.Row]

  /// Predicts for each number of nodes that the batch can be divided by.
  init(_ plan: ScalingPlan, nodes: [Int]) {
    node = Node(
      ranks: plan.ranksPerNode, batch: plan.batch, parameters: plan.schedule.parameterCount,
      stepS: plan.node.step(rows: plan.batch), fixedS: plan.node.fixed, perRowS: plan.node.perRow,
      updateS: plan.node.update)
    link = Link(
      latencyUs: 1e6 * plan.link.latency, gapUs: 1e6 * plan.link.gap,
      bandwidthMbit: plan.link.bandwidth * 8 / 1e6)
    sharedCores = plan.sharedCores
    bucketMb = Double(plan.bucketBytes) / 1_048_576
    rows = ScalingPlan.Kind.allCases.flatMap { kind in
      nodes.compactMap { plan.row(nodes: $0, kind) }
    }
  }

  /// One object with snake-case keys.
  var json: String {
    get throws {
      let encoder = JSONEncoder()
      encoder.keyEncodingStrategy = .convertToSnakeCase
      encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
      return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }
  }

  /// The measured node and network, and a table for each kind of scaling.
  var text: String {
    let known =
      "One node: \(node.ranks) rank\(node.ranks == 1 ? "" : "s"), batch \(node.batch), step "
      + "\(Self.milliseconds(node.stepS)) ms (\(Self.milliseconds(node.fixedS)) fixed, "
      + "\(Self.milliseconds(node.updateS)) update)\nNetwork: latency \(Self.short(link.latencyUs)) us, "
      + "gap \(Self.short(link.gapUs)) us, \(Self.short(link.bandwidthMbit)) Mbit/s\n"
    let tables = ScalingPlan.Kind.allCases.map { kind in
      let title =
        kind == .strong
        ? "Strong scaling: fixed batch" : "Weak scaling: \(node.batch) rows per node"
      return "\n\(title)\n" + table(rows.filter { $0.scaling == kind })
    }
    return known + tables.joined()
      + "\n90 % at: rows per node (the batch times a power of two) from which efficiency is at least 90 %.\n"
  }

  private func table(_ rows: [ScalingPlan.Row]) -> String {
    let titles = [
      "nodes", "batch", "step ms", "samples/s", "speed-up", "efficiency", "wait", "exchange",
      "messages", "MB",
      "best bucket MB", "its step ms", "90 % at",
    ]
    return TextTable(
      titles,
      rows.map { row in
        [
          "\(row.nodes)", "\(row.batch)", Self.milliseconds(row.stepS), Self.short(row.samplesPerS),
          Self.short(row.speedUp), Self.percent(row.efficiency), Self.percent(row.waitShare),
          row.schedule,
          "\(row.messages)", Self.short(Double(row.bytes) / 1e6), Self.short(row.bestBucketMb),
          Self.milliseconds(row.bestBucketStepS), row.efficientBatch.map { "\($0)" } ?? "-",
        ]
      }
    ).text
  }

  private static func milliseconds(_ seconds: Double) -> String { short(1e3 * seconds) }

  private static func percent(_ share: Double) -> String { String(format: "%.0f %%", 100 * share) }

  /// About three significant digits.
  private static func short(_ value: Double) -> String {
    let size = abs(value)
    if size >= 100 || size == 0 { return String(format: "%.0f", value) }
    return size >= 10
      ? String(format: "%.1f", value)
      : size >= 0.01 ? String(format: "%.3g", value) : String(format: "%.2g", value)
  }
}
