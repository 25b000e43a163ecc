// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import NeuralCore
import Testing

/// Numbers in tables are compared with those of the C library, which rounds correctly.
@Suite("Numbers in tables")
struct NumberTests {
  let tables: TableFixture

  init() throws { tables = try TableFixture() }

  /// Random decimal texts.
  private struct Texts {
    var random = PhiloxStream(seed: 15, purpose: .syntheticData)

    mutating func below(_ bound: Int) -> Int { Int(random.next(below: UInt32(bound))) }

    mutating func digits(_ count: Int) -> String {
      (0..<count).map { _ in "\(below(10))" }.joined()
    }

    /// Up to 30 digits with a point anywhere, and an exponent or none.
    mutating func any() -> String {
      var digits = digits(1 + below(below(3) == 0 ? 30 : 9))
      if below(3) > 0 {
        digits.insert(".", at: digits.index(digits.startIndex, offsetBy: below(digits.count + 1)))
      }
      let sign = ["", "", "-", "+"][below(4)]
      let exponent = ["", "", "e\(below(60) - 45)", "E+\(below(20))", "e-0\(below(9))"][below(5)]
      return sign + digits + exponent
    }

    /// A finite Float32 of any bits below those of `limit`.
    mutating func float(below limit: Float = .infinity) -> Float {
      Float(bitPattern: UInt32(below(Int(limit.bitPattern))))
    }

    /// The exact middle between two neighboring Float32, or a number that is a little off it.
    mutating func middle(below limit: Float) -> String {
      let float = float(below: limit)
      let middle = (Double(float) + Double(float.nextUp)) / 2
      let exact = String(format: "%.*e", 160, middle)
      let parts = exact.split(separator: "e")
      let mantissa = String(parts[0]).replacing(/0+$/, with: "")
      switch below(4) {
      case 0: return "\(mantissa)e\(parts[1])"
      case 1: return "\(mantissa)\(String(repeating: "0", count: below(20)))1e\(parts[1])"
      case 2:
        // One digit less at the end, and nines behind it.
        guard let last = mantissa.last, let digit = last.wholeNumberValue, digit > 0 else {
          return "\(mantissa)e\(parts[1])"
        }
        return "\(mantissa.dropLast())\(digit - 1)\(String(repeating: "9", count: 1 + below(20)))"
          + "e\(parts[1])"
      default: return String(format: "%.\(1 + below(20))e", middle)
      }
    }
  }

  /// The first texts whose feature is not the Float32 of the C library.
  private func wrong(_ texts: [String], separator: String) throws -> [String] {
    let rows = texts.enumerated().map { "\($1)\(separator)\($0 % 2)" }
    let data = try tables.load(rows.joined(separator: "\n") + "\n") {
      $0.table.header = false
      $0.table.features = ["1"]
    }.training
    #expect(data.rows == texts.count)
    return texts.indices.filter {
      data.features[$0].bitPattern != strtof(texts[$0], nil).bitPattern
    }.prefix(5).map { "\(texts[$0]) is not \(data.features[$0])" }
  }

  @Test(
    "decimal texts of any length become the nearest Float32, read by the fast and by the slow way",
    arguments: [",", " "])
  func features(separator: String) throws {
    var source = Texts()
    let texts = (0..<60_000).map { _ in source.any() }.filter { strtof($0, nil).isFinite }
    #expect(try wrong(texts, separator: separator) == [])
  }

  @Test(
    "texts at or near the middle between two Float32, subnormal ones too, become the nearest",
    arguments: [",", "\t", " "])
  func middles(separator: String) throws {
    var source = Texts()
    let texts = (0..<20_000).map { index in
      source.middle(below: index % 4 == 0 ? .leastNormalMagnitude : .greatestFiniteMagnitude)
    }.filter { strtof($0, nil).isFinite }
    #expect(texts.count > 19_000)
    #expect(try wrong(texts, separator: separator) == [])
  }

  @Test("the shortest and the full texts of all Float32 read back to the same bits")
  func roundTrip() throws {
    var source = Texts()
    let floats = (0..<20_000).map { _ in source.float() }
    let texts = floats.flatMap {
      ["\($0)", String(format: "%.9g", $0), String(format: "-%.17g", $0)]
    }
    #expect(try wrong(texts, separator: ",") == [])
  }

  @Test("targets are read as Float64 before they are standardized")
  func targets() throws {
    var source = Texts()
    let texts = (0..<20_000).map { _ in source.any() }.filter { abs(strtod($0, nil)) < 1e38 }
    let data = try tables.load(texts.map { "1,\($0)\n" }.joined()) {
      $0.targets = .numeric
      $0.standardizesTargets = false
      $0.table.header = false
    }.training
    let wrong = texts.indices.filter {
      data.targetValues[$0].bitPattern != Float(strtod(texts[$0], nil)).bitPattern
    }
    #expect(wrong.prefix(5).map { texts[$0] } == [])
  }

  @Test(
    "a sign, a point at either end, an exponent, blanks around and quotes are parts of a number",
    arguments: [
      ("+7", 7), (".5", 0.5), ("5.", 5), ("-.25e1", -2.5), ("1E3", 1000), ("1e+02", 100),
      ("  3  ", 3), ("\"4\"", 4), ("\" 4.5 \"", 4.5), ("-0", -0.0), ("000012", 12),
      ("0.1e-1", 0.01), ("99999999999999999999", 1e20), ("True", 1), ("false", 0), ("TRUE", 1),
      ("\"False\"", 0),
    ] as [(String, Float)])
  func forms(text: String, number: Float) throws {
    let data = try tables.load("\(text),x\n2.5,y\n3.5,x\n").training
    #expect(data.columns == 1 && data.features[0].bitPattern == number.bitPattern)
  }

  @Test(
    "what no program writes for a number is none",
    arguments: [
      "1e", "e5", "--1", "+-1", "0x10", "inf", "-Infinity", "1_000", "1 000", "１", "1d5", ".", "-",
      "1.2.3", "tRUE", "yes", "1f", "1e5.", "∞",
    ])
  func others(text: String) throws {
    let rows = (0..<60).map { "\($0),\($0 % 2)\n" }.joined()
    let message = try tables.refusal(rows + "\(text),1\n")
    #expect(message.hasPrefix("column 1: 1 cell "), "\(message)")
    #expect(message.contains("(first \"\(text)\" in line 61)"), "\(message)")
  }
}
