// SPDX-License-Identifier: Apache-2.0
import NeuralCore
import Testing

@Suite("Kernels over contiguous memory")
struct KernelTests {
  @Test("guarded memory detects reads and writes beyond its end")
  func guarded() {
    let x = Guarded<Float>([1, 2, 3])
    #expect(x.isIntact && x.base[3].isNaN && units(x.base[3], 3).isNaN)
    x.base[3] = 0
    #expect(!x.isIntact)
    #expect(units(Float(1).nextUp, 1) == 1 && units(1, 1.5, of: 1) == 0x1p22)
  }

  @Test("additions are rounded once, and write nothing beyond the end", arguments: oddLengths)
  func add(count: Int) {
    var numbers = Numbers(count)
    let (a, b) = (Guarded(numbers.array(count)), Guarded(numbers.array(count)))
    let before = b.values
    Reductions.add(a.base, to: b.base, count)
    #expect(b.values == zip(a.values, before).map { $0 + $1 })
    #expect(b.isIntact && a.isIntact)
  }

  @Test(
    "streaming stores write every element, wherever in a cache line they start",
    arguments: oddLengths
  )
  func streaming(count: Int) {
    var numbers = Numbers(count)
    for start in [0, 1, 15, 16] {
      let x = Guarded(numbers.array(count))
      let y = Guarded(numbers.array(start + count))
      let before = y.values.prefix(start)
      StreamingStores.copy(x.base, to: y.base + start, count)
      StreamingStores.finish()
      #expect(y.values.prefix(start) == before && Array(y.values.dropFirst(start)) == x.values)
      #expect(y.isIntact && x.isIntact)
      StreamingStores.fetch(x.base, count)
    }
  }

  @Test("sums in Float64 are within one Float64 unit per element", arguments: oddLengths)
  func sums(count: Int) {
    var numbers = Numbers(count)
    let x = Guarded(numbers.array(count))
    let doubles = Guarded(x.values.map { Double($0) / 3 })
    let squares = sum(x.values.map { Double($0) * Double($0) })
    let exact = sum(doubles.values)
    let magnitude = sum(doubles.values.map { abs($0) })
    let unit = 0x1p-52 * Double(count)
    #expect(abs(Reductions.sumOfSquares(x.base, count) - squares) <= squares * unit)
    #expect(abs(Reductions.sum(doubles.base, count) - exact) <= magnitude * unit)
    #expect(x.isIntact && doubles.isIntact)
  }

  @Test("maps and products with maps process each element once", arguments: oddLengths)
  func maps(count: Int) {
    var numbers = Numbers(count)
    let (x, y) = (Guarded(numbers.array(count)), Guarded<Float>(count: count))
    let input = UnsafeBufferPointer(start: UnsafePointer(x.base), count: count)
    let output = UnsafeMutableBufferPointer(start: y.base, count: count)
    Vectors.map(input, into: output) { $0 * 3 + 1 }
    #expect(y.values == x.values.map { $0 * 3 + 1 })
    Vectors.multiply(output, byMapping: input) { $0 + 2 }
    #expect(y.values == x.values.map { ($0 * 3 + 1) * ($0 + 2) })
    #expect(y.isIntact && x.isIntact)
  }

  @Test("vectors load, store and mask every number of lanes", arguments: 1...16)
  func lanes(count: Int) {
    var numbers = Numbers(count)
    let (x, y) = (Guarded(numbers.array(count)), Guarded<Float>(count: count))
    let vector = Vectors.load(x.base, count: count)
    for lane in 0..<16 { #expect(vector[lane] == (lane < count ? x.values[lane] : 0)) }
    Vectors.store(vector, to: y.base, count: count)
    #expect(y.values == x.values && y.isIntact)
    let mask = Vectors.mask(first: count)
    for lane in 0..<16 { #expect(mask[lane] == (lane < count)) }
    #expect(Vectors.maximum(vector) == Swift.max(x.values.max() ?? 0, count < 16 ? 0 : -3))
    #expect(Vectors.padded(count) == 16 && Vectors.padded(count + 16) == 32)
  }

  @Test("fused multiply-adds are rounded once")
  func multiplyAdd() {
    var numbers = Numbers(3)
    for _ in 0..<100 {
      let (a, b, c) = (numbers.next(), numbers.next(), numbers.next())
      let result = Vectors.multiplyAdd(
        Vectors.broadcast(a), Vectors.broadcast(b), Vectors.broadcast(c))
      for lane in 0..<16 { #expect(result[lane] == c.addingProduct(a, b)) }
    }
  }

  @Test("Float64 vectors widen exactly, and round once when they narrow or take square roots")
  func doubles() {
    var numbers = Numbers(4)
    let x = Guarded(numbers.array(8))
    let wide = DoubleVectors.load(UnsafePointer(x.base))
    let (narrow, exact) = (Guarded<Float>(count: 8), Guarded<Double>(count: 8))
    DoubleVectors.store(wide / 3, to: narrow.base)
    DoubleVectors.store(wide / 3, to: exact.base)
    let roots = DoubleVectors.squareRoot(wide * wide + 0.1)
    for lane in 0..<8 {
      let value = Double(x.values[lane])
      #expect(wide[lane] == value)
      #expect(narrow.values[lane] == Float(value / 3) && exact.values[lane] == value / 3)
      #expect(roots[lane] == (value * value + 0.1).squareRoot())
    }
    #expect(narrow.isIntact && exact.isIntact)
    var indices: [Int] = []
    DoubleVectors.forEach(32) { indices.append($0) }
    #expect(indices == [0, 8, 16, 24])
  }

  @Test("gathered rows are in the requested order, even if repeated or none", arguments: oddLengths)
  func gather(columns: Int) {
    var numbers = Numbers(columns)
    let source = Guarded(numbers.array(70 * columns))
    for indices: [Int32] in [[], [69], [3, 0, 3, 68, 1], (0..<70).reversed()] {
      let target = Guarded<Float>(count: indices.count * columns)
      indices.withUnsafeBufferPointer {
        RowGather.copy(rows: $0, of: source.base, columns: columns, to: target.base)
      }
      let expected = indices.flatMap { index in
        (0..<columns).map { source.values[Int(index) * columns + $0] }
      }
      #expect(target.values == expected)
      #expect(target.isIntact && source.isIntact)
    }
  }

  @Test("a multiple is rounded before it is added", arguments: oddLengths)
  func addMultiple(count: Int) {
    var numbers = Numbers(count)
    let addend = Guarded(numbers.array(count))
    let target = Guarded(numbers.array(count))
    let expected = zip(target.values, addend.values).map { old, x -> Float in
      let product = x * 0.3
      return old + product
    }
    Reductions.add(addend.base, times: 0.3, to: target.base, count)
    #expect(target.values == expected)
    #expect(target.isIntact && addend.isIntact)
  }

  @Test("column-major layout converts from row-major order and back", arguments: oddLengths)
  func layout(columns: Int) {
    for rows in [1, 15, 16, 17, 64, 65, 130] {
      var numbers = Numbers(columns + rows)
      let source = Guarded(numbers.array(rows * columns))
      let target = Guarded<Float>(count: rows * columns)
      let layout = TensorLayout(shape: [rows, columns], order: .columnMajor)
      layout.arrange(byRows: source.base, into: target.base)
      let expected = (0..<rows * columns).map { place in
        source.values[place % rows * columns + place / rows]
      }
      #expect(target.values == expected, "\(rows) x \(columns)")
      #expect(target.isIntact && source.isIntact)
      var back: [Float] = []
      layout.forEachPieceByRows(of: target.base) { back += $0 }
      #expect(back == source.values, "\(rows) x \(columns)")
    }
  }
}
