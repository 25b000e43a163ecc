// SPDX-License-Identifier: Apache-2.0
import Datasets
import NeuralCore
import Testing

@Suite("Row order and batches")
struct RowOrderTests {
  @Test("a split is complete, has the requested fraction, and depends on the seed")
  func split() {
    let (training, heldOut) = DataSplit.split(rows: 101, fraction: 0.2, seed: 3)
    #expect(heldOut.count == 20)
    #expect((training + heldOut).sorted() == Array(0..<101))
    #expect(training == training.sorted() && heldOut == heldOut.sorted())
    #expect(DataSplit.split(rows: 101, fraction: 0.2, seed: 3).heldOut == heldOut)
    #expect(DataSplit.split(rows: 101, fraction: 0.2, seed: 4).heldOut != heldOut)
    #expect(DataSplit.split(rows: 5, fraction: 0, seed: 0).heldOut.isEmpty)
    #expect(DataSplit.split(rows: 2, fraction: 0.99, seed: 0).training.count == 1)
    #expect(DataSplit.split(rows: 2, fraction: 0.01, seed: 0).heldOut.count == 1)
    #expect(DataSplit.split(rows: 1, fraction: 0.5, seed: 0).training == [0])
  }

  @Test("an epoch has each row once, in an order that depends on seed and epoch")
  func order() {
    let rows: [Int32] = [2, 3, 5, 7, 11, 13, 17, 19, 23]
    let order = EpochOrder(rows: rows, seed: 1)
    let first = Array(order.rows(ofEpoch: 0))
    let second = Array(order.rows(ofEpoch: 1))
    #expect(first.sorted() == rows && second.sorted() == rows)
    #expect(first != second)
    #expect(Array(order.rows(ofEpoch: 0)) == first)
    let (again, other) = (EpochOrder(rows: rows, seed: 1), EpochOrder(rows: rows, seed: 2))
    withExtendedLifetime((order, again, other)) {
      #expect(Array(again.rows(ofEpoch: 1)) == second)
      #expect(Array(other.rows(ofEpoch: 0)) != first)
    }
  }

  @Test("each permutation of three rows is about equally frequent")
  func fairness() {
    let order = EpochOrder(rows: [0, 1, 2], seed: 9)
    var counts: [[Int32]: Int] = [:]
    for epoch in 0..<6000 { counts[Array(order.rows(ofEpoch: epoch)), default: 0] += 1 }
    #expect(counts.count == 6)
    #expect(counts.values.allSatisfy { abs($0 - 1000) < 150 })
  }

  @Test("batches cover all rows; a shorter last batch is kept or dropped")
  func batches() {
    let schedule = BatchSchedule(rows: 101, batchRows: 20)
    #expect(schedule.stepsPerEpoch == 6)
    #expect(schedule.range(ofStep: 5) == 100..<101)
    #expect(BatchSchedule(rows: 101, batchRows: 20, dropsLast: true).stepsPerEpoch == 5)
    #expect(BatchSchedule(rows: 7, batchRows: 20).range(ofStep: 0) == 0..<7)
    #expect(BatchSchedule(rows: 40, batchRows: 20).stepsPerEpoch == 2)
  }

  @Test("a batch buffer gathers the given rows in the given order")
  func gather() throws {
    let data = try Dataset.load(.synthetic(rows: 9, features: 3, classes: 2, seed: 0)).training
    let buffer = BatchBuffer(data, capacity: 4)
    let wanted: [Int32] = [8, 0, 5]
    wanted.withUnsafeBufferPointer { buffer.gather($0) }
    let batch = buffer.batch(globalRows: 10)
    #expect(batch.inputs.rows == 3 && batch.globalRows == 10)
    for (place, row) in wanted.enumerated() {
      for column in 0..<3 {
        #expect(batch.inputs.row(place)[column] == data.features[Int(row) * 3 + column])
      }
    }
    withExtendedLifetime(buffer) {}
  }
}
