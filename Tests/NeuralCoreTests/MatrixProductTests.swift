// SPDX-License-Identifier: Apache-2.0
import NeuralCore
import Testing

@Suite("Matrix products and transposition")
struct MatrixProductTests {
  struct Shape: Sendable {
    let rows, columns, inner: Int
    var count: Int { rows * columns * inner }
  }

  static let shapes =
    [1, 15, 16, 17, 31, 33].flatMap { columns in
      [1, 3, 7, 8, 12, 33].map { Shape(rows: $0, columns: columns, inner: 17) }
    } + [
      Shape(rows: 1, columns: 1, inner: 1), Shape(rows: 5, columns: 1000, inner: 31),
      Shape(rows: 33, columns: 17, inner: 1000), Shape(rows: 1000, columns: 33, inner: 15),
      Shape(rows: 64, columns: 64, inner: 64), Shape(rows: 65, columns: 64, inner: 64),
      Shape(rows: 70, columns: 1025, inner: 1024),
    ]

  /// An operand in memory, with a gap after each row.
  struct Operand {
    let memory: Guarded<Float>
    let stride: Int
    let transposed: Bool
    let rows: Int
    let columns: Int

    init(rows: Int, columns: Int, transposed: Bool, _ numbers: inout Numbers) {
      (self.rows, self.columns, self.transposed) = (rows, columns, transposed)
      stride = (transposed ? rows : columns) + 2
      memory = Guarded(numbers.array((transposed ? columns : rows) * stride))
    }

    func element(_ row: Int, _ column: Int) -> Float {
      memory.base[transposed ? column * stride + row : row * stride + column]
    }

    var view: MatrixProduct.Operand {
      .init(base: memory.base, stride: stride, transposed: transposed)
    }
  }

  @Test(
    "matrix products with fewer rows need no more workspace",
    arguments: [(1024, 1024), (4096, 4096), (64, 10)])
  func workspace(columns: Int, inner: Int) {
    let counts = (1...1100).map {
      MatrixProduct.workspaceCount(rows: $0, columns: columns, inner: inner)
    }
    #expect(zip(counts, counts.dropFirst()).allSatisfy { $0 <= $1 })
    #expect((counts.last ?? 0) > 0)
  }

  @Test(
    "matrix products, transposed or not, are within half a unit per term, and write no gaps",
    arguments: shapes)
  func multiply(shape: Shape) throws {
    for (left, right) in [(false, false), (false, true), (true, false), (true, true)] {
      var numbers = Numbers(shape.count)
      let a = Operand(rows: shape.rows, columns: shape.inner, transposed: left, &numbers)
      let b = Operand(rows: shape.inner, columns: shape.columns, transposed: right, &numbers)
      let stride = shape.columns + 3
      let c = Guarded<Float>(count: (shape.rows - 1) * stride + shape.columns)
      let workspace = Guarded<Float>(
        count: MatrixProduct.workspaceCount(
          rows: shape.rows, columns: shape.columns, inner: shape.inner))
      try MatrixProduct.multiply(
        a.view, by: b.view, into: c.base, stride: stride, rows: shape.rows,
        columns: shape.columns, inner: shape.inner, workspace: workspace.base)
      let isSmall = SmallProduct.isFaster(
        rows: shape.rows, columns: shape.columns, inner: shape.inner)
      #expect(isSmall == (shape.count <= 262_144))
      var (isClose, isChain) = (true, true)
      for row in 0..<shape.rows {
        for column in 0..<shape.columns {
          var (exact, magnitude, chain) = (0.0, 0.0, Float(0))
          for k in 0..<shape.inner {
            let (x, y) = (a.element(row, k), b.element(k, column))
            exact += Double(x) * Double(y)
            magnitude += abs(Double(x) * Double(y))
            chain = chain.addingProduct(x, y)
          }
          let found = c.base[row * stride + column]
          isClose = isClose && units(found, exact, of: magnitude) <= Double(shape.inner) / 2
          isChain = isChain && found == chain
        }
      }
      #expect(isClose, "\(shape), \(left), \(right)")
      // A small product is one chain of fused multiply-adds, in any tile.
      #expect(!isSmall || isChain, "\(shape), \(left), \(right)")
      let gaps = (0..<c.count).filter { $0 % stride >= shape.columns }
      #expect(gaps.allSatisfy { c.base[$0].bitPattern == .max })
      #expect(c.isIntact && workspace.isIntact && a.memory.isIntact && b.memory.isIntact)
    }
  }

  @Test("transposition pads the rows of its result with zeros", arguments: oddLengths)
  func transpose(columns: Int) {
    for rows in [1, 15, 16, 17, 33] {
      var numbers = Numbers(columns + rows)
      let stride = columns + 3
      let padded = Vectors.padded(rows)
      let source = Guarded(numbers.array(rows * stride))
      let target = Guarded<Float>(count: columns * padded)
      Transposition.transpose(
        source.base, stride: stride, rows: rows, columns: columns, into: target.base,
        targetStride: padded, pads: true)
      let expected = (0..<columns * padded).map { place in
        place % padded < rows ? source.values[place % padded * stride + place / padded] : 0
      }
      #expect(target.values == expected, "\(rows) x \(columns)")
      #expect(target.isIntact && source.isIntact)
    }
  }
}
