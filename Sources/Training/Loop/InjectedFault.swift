// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import NeuralCore

/// A fault that tests ask for, to see that it is found.
///
/// `LOCKSTEP_TEST_FLIP=RANK:STEP` flips the lowest bit of one weight of the last layer on one rank
/// after a step: what a faulty memory would do.
struct InjectedFault {
  private let rank: Int
  private let step: Int

  /// The fault that the environment asks for, or nil.
  init?(_ environment: [String: String] = ProcessInfo.processInfo.environment) {
    let parts = environment["LOCKSTEP_TEST_FLIP"]?.split(separator: ":").map { Int($0) } ?? []
    guard parts.count == 2, let rank = parts[0], let step = parts[1] else { return nil }
    self.rank = rank
    self.step = step
  }

  func strike(_ store: ParameterStore, rank: Int, step: Int) {
    guard rank == self.rank, step == self.step,
      let entry = store.table.entries.last(where: { $0.specification.role == .weight })
    else { return }
    let elements = store.elements(of: entry)
    elements[0] = Float(bitPattern: elements[0].bitPattern ^ 1)
  }
}
