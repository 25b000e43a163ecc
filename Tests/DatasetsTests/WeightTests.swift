// SPDX-License-Identifier: Apache-2.0
import Datasets
import Failures
import NeuralCore
import TestSupport
import Testing

@Suite("Weights of rows and classes")
struct WeightTests {
  let tables: TableFixture

  init() throws { tables = try TableFixture() }

  static let text = "a,w,b,y\n1,0.5,2,p\n3,2,4,q\n5,0,6,p\n7,1e1,8,q\n"

  private func weights(_ data: LoadedData) -> [Float]? {
    data.training.weights.map { Array($0.elements) }
  }

  // MARK: The column

  @Test("the column of weights is no feature, and is named by its name or its number")
  func column() throws {
    for name in ["w", "2", " w "] {
      let data = try tables.load(Self.text) { $0.table.weights = name }
      #expect(weights(data) == [0.5, 2, 0, 10])
      #expect(data.training.featureRows == [[1, 2], [3, 4], [5, 6], [7, 8]])
      #expect(data.training.classIndices == [0, 1, 0, 1])
      let schema = try data.known
      #expect(schema.weightsColumn == 1 && schema.width == 2 && schema.targetColumns == [3])
      #expect(schema.summary(rows: 4, inputs: 2).contains { $0 == ("weights", "column w") })
      #expect(schema.isValid(inputs: 2, outputs: 2))
    }
    let plain = try tables.load(Self.text)
    #expect(weights(plain) == nil && plain.training.columns == 3)
    #expect(try plain.known.weightsColumn == nil)
    let bare = try tables.load("1,0.5,2,p\n3,2,4,q\n5,0,6,p\n") { $0.table.weights = "2" }
    #expect(weights(bare) == [0.5, 2, 0])
    let summary = try bare.known.summary(rows: 3, inputs: 2)
    #expect(summary.contains { $0 == ("weights", "column 2") })
  }

  @Test("a name makes the first record a header, and the last column is the target but for weights")
  func roles() throws {
    // Nothing but the option says that these numbers have a header.
    let named = try tables.load("a,b,y,w\nb,a,p,3\nb,b,q,4\n") { $0.table.weights = "w" }
    #expect(try named.known.hasHeader && named.known.targetColumns == [2])
    #expect(weights(named) == [3, 4])
    let first = try tables.load("w,a,y\n1,2,0\n2,3,1\n3,4,0\n") { $0.table.weights = "w" }
    #expect(weights(first) == [1, 2, 3] && first.training.featureRows == [[2], [3], [4]])
    // The index column, and categories, are not confused by it.
    let mixed = try tables.load(",w,color,y\n0,1,red,2.5\n1,2,blue,3.5\n2,3,red,9\n") {
      $0.table.weights = "w"
    }
    #expect(
      mixed.training.featureRows == [[0, 1], [1, 0], [0, 1]] && weights(mixed) == [1, 2, 3])
    #expect(mixed.training.targetValues.count == 3)
    let chosen = try tables.load(Self.text) {
      $0.table.weights = "w"
      $0.table.features = ["b"]
    }
    #expect(chosen.training.featureRows == [[2], [4], [6], [8]])
    #expect(weights(chosen) == [0.5, 2, 0, 10])
  }

  @Test("weights are read alike from plain cells, quoted ones, and compressed files")
  func forms() throws {
    let plain = try tables.load(Self.text) { $0.table.weights = "w" }
    let quoted = try tables.load(
      "a,\"w\",b,y\n1,\"0.5\",2,p\n3,\" 2 \",4,q\n5,-0,6,p\n7,1E+1,8,q\n"
    ) { $0.table.weights = "w" }
    #expect(quoted.training.bytes != [] && weights(quoted) == weights(plain))
    let path = try compress(tables.folder.write("w.csv", Self.text))
    let packed = try Dataset.load(
      .table(path: path), TableFixture.options { $0.table.weights = "w" })
    #expect(packed.training.bytes == plain.training.bytes)
    let booleans = try tables.load("a,w,y\n1,True,p\n2,False,q\n") { $0.table.weights = "w" }
    #expect(weights(booleans) == [1, 0])
  }

  @Test("weights are part of the shape, of the copied numbers and of the content's hash")
  func memory() throws {
    let data = try tables.load(Self.text) { $0.table.weights = "w" }.training
    let other = try tables.load(Self.text.replacing("1e1", with: "11")) { $0.table.weights = "w" }
    let none = try tables.load(Self.text) { $0.table.ignored = ["w"] }.training
    #expect(data.shape.isWeighted && data.shape == other.training.shape)
    #expect(data.shape.byteCount == none.shape.byteCount + 64)
    let hashes = [data, other.training, none].map(\.contentHash)
    #expect(Set(hashes).count == 3)
    let memory = AlignedBuffer<UInt8>(count: data.shape.byteCount)
    data.copyNumbers(to: memory.base)
    let copy = Dataset(data.shape, in: memory, from: 0)
    #expect(copy.contentHash == data.contentHash)
    #expect(copy.weights.map { Array($0.elements) } == [0.5, 2, 0, 10])
  }

  @Test("rows without a cell are dropped with their weights, but a weight must be there")
  func missing() throws {
    let data = try tables.load("a,w,y\n1,2,p\n,3,q\n5,4,q\n") {
      $0.table.weights = "w"
      $0.table.missing = .drop
    }
    #expect(weights(data) == [2, 4])
    for policy in MissingPolicy.allCases {
      let said = try tables.refusal("a,w,y\n1,2,p\n2,,q\n3,NA,q\n4,1,p\n") {
        $0.table.weights = "w"
        $0.table.missing = policy
      }
      #expect(
        said
          == "the weights w: 2 cells missing (first in line 3): a weight is 0 or a positive number; "
          + "correct them, or remove these rows")
    }
  }

  @Test(
    "weights that are negative, words or infinite are refused with their lines",
    arguments: [
      ("-1", "1 cell below 0 (first \"-1.0\" in line 3)"),
      ("\"-0.5\"", "1 cell below 0 (first \"-0.5\" in line 3)"),
      ("many", "1 cell without a number (first \"many\" in line 3)"),
      ("1e99", "1 cell not finite in Float32 (first \"1e99\" in line 3)"),
      ("inf", "1 cell not finite in Float32 (first \"inf\" in line 3)"),
      ("nan", "1 cell missing (first in line 3)"),
      ("\"1,5\"", "1 cell without a number (first \"1,5\" in line 3)"),
    ])
  func refused(cell: String, message: String) throws {
    let table = "a,w,y\n1,2,p\n2,\(cell),q\n3,1,q\n"
    let said = try tables.refusal(table) { $0.table.weights = "w" }
    #expect(said.hasPrefix("the weights w: \(message): a weight is 0"), "\(said)")
    let bare = try tables.refusal("1,2,p\n2,1,q\n2,\(cell),q\n") { $0.table.weights = "2" }
    #expect(bare.hasPrefix("the weights column 2: \(message): a weight is 0"), "\(bare)")
  }

  @Test("a column of weights that another option names, or that is not there, is refused")
  func conflicts() throws {
    let changes: [(String, (inout TableOptions) -> Void)] = [
      ("--target", { $0.target = ["w"] }), ("--features", { $0.features = ["a", "2"] }),
      ("--ignore", { $0.ignored = ["w"] }), ("--categorical", { $0.categorical = ["w"] }),
    ]
    for (option, change) in changes {
      let said = try tables.refusal(Self.text) {
        $0.table.weights = "w"
        change(&$0.table)
      }
      #expect(
        said == "--weights w: the column is named by \(option), too; leave out one of them")
    }
    let none = try tables.refusal(Self.text) { $0.table.weights = "v" }
    #expect(none == "--weights v: no such column in t.csv; it has a, w, b, y")
    let alone = try tables.refusal("w,y\n1,p\n2,q\n") { $0.table.weights = "w" }
    #expect(alone.contains("no column is left for features"), "\(alone)")
    var options = LoadOptions()
    options.table.weights = "w"
    for source in [DataSource.digits, .synthetic(rows: 9, features: 2, classes: 2, seed: 0)] {
      let error = #expect(throws: DatasetError.self) { try Dataset.load(source, options) }
      #expect(error?.description.hasPrefix("--weights w: only the columns of a table") == true)
    }
  }

  // MARK: New tables

  @Test("new tables need no weights: by name, by place, and where the column is missing")
  func newTables() throws {
    let schema = try tables.load(Self.text) { $0.table.weights = "w" }.known
    let features: [[Float]] = [[1, 2], [3, 4]]
    for text in ["a,w,b,y\n1,-9,2,p\n3,x,4,q\n", "y,b,a\np,2,1\nq,4,3\n"] {
      let rows = try tables.read(text, schema)
      #expect(rows.features == features && rows.classes == [0, 1] && rows.notices == [])
    }
    let bare = try tables.load("1,0.5,2,p\n3,2,4,q\n5,0,6,p\n") { $0.table.weights = "2" }.known
    let all = try tables.read("1,,2,p\n3,?,4,q\n", bare)
    #expect(all.features == features && all.classes == [0, 1] && all.notices == [])
    let without = try tables.read("1,2,p\n3,4,q\n", bare)
    #expect(without.features == features && without.classes == [0, 1])
    #expect(
      without.notices == [
        "3 columns are one fewer than the model's table had: they are taken for all of them but the "
          + "weights, column 2"
      ])
    let only = try tables.read("1,2\n3,4\n", bare, readsTargets: false)
    #expect(only.features == features && only.notices == [])
    #expect(tables.newRefusal("1\n3\n", bare).contains("but the model was trained on 4"))
    #expect(tables.newRefusal("1,2,3,4,5\n1,2,3,4,5\n", bare).contains("takes 2 features"))
  }

  // MARK: Normalized weights

  /// The weights of the rows in a batch of all of them.
  private func gathered(_ data: Dataset, _ weights: RowWeights?) throws -> [Float] {
    let buffer = BatchBuffer(data, capacity: data.rows, weights: weights)
    Array(0..<Int32(data.rows)).withUnsafeBufferPointer { buffer.gather($0) }
    return try withExtendedLifetime(buffer) {
      try #require(buffer.batch(globalRows: data.rows).weights.map(Array.init))
    }
  }

  @Test("the mean of a row's weight times its class's is 1 over the training rows")
  func normalized() throws {
    let data = try tables.load(Self.text) { $0.table.weights = "w" }.training
    #expect(try gathered(data, nil) == [0.5, 2, 0, 10])
    let rows = try #require(RowWeights(data, trainingRows: [0, 1, 3]))
    #expect(try gathered(data, rows) == [0.5, 2, 0, 10].map { Float($0 / (12.5 / 3)) })
    let both = try #require(
      RowWeights(data, trainingRows: [0, 1, 2, 3], classWeights: [8, 0.5]))
    #expect(try gathered(data, both) == [4, 1, 0, 5].map { Float($0 / 2.5) })
    let plain = try tables.load("a,y\n1,p\n2,q\n3,p\n").training
    let classes = try #require(RowWeights(plain, trainingRows: [0, 1, 2], classWeights: [3, 1]))
    #expect(try gathered(plain, classes) == [9.0, 3, 9].map { Float($0 / 7) })
    // Without any weights a batch has none.
    let buffer = BatchBuffer(plain, capacity: 3)
    #expect(buffer.batch(globalRows: 3).weights == nil)
  }

  @Test("training rows that all have weight 0 have no normalized weights, and extreme ones do")
  func extremes() throws {
    let zeros = try tables.load("a,w,y\n1,0,p\n2,0,q\n3,7,p\n") { $0.table.weights = "w" }.training
    #expect(RowWeights(zeros, trainingRows: [0, 1]) == nil)
    #expect(RowWeights(zeros, trainingRows: [0, 1, 2], classWeights: [0, 1]) == nil)
    #expect(RowWeights(zeros, trainingRows: [0, 1, 2]) != nil)
    let wide = try tables.load("a,w,y\n1,1e-45,p\n2,3e38,q\n3,0,q\n") {
      $0.table.weights = "w"
    }.training
    for classWeights in [nil, [1e38, 1e-38], [3e38, 3e38], [1, 0]] {
      let weights = try #require(
        RowWeights(wide, trainingRows: [0, 1, 2], classWeights: classWeights))
      let found = try gathered(wide, weights)
      #expect(found.allSatisfy { $0 >= 0 && $0 <= 3 } && found[2] == 0, "\(found)")
      #expect(abs(found.reduce(0, +) - 3) < 1e-5)
    }
  }

  // MARK: Class weights

  @Test(
    "balanced class weights are those of scikit-learn",
    // compute_class_weight("balanced", classes=numpy.arange(len(counts)),
    //                      y=numpy.repeat(numpy.arange(len(counts)), counts)), scikit-learn 1.9.1
    arguments: [
      ([981, 19], [0.509683995922528, 26.31578947368421]),
      ([3, 4, 5], [1.3333333333333333, 1, 0.8]),
      ([1, 1, 1], [1, 1, 1]), ([619, 981], [1.2924071082390953, 0.8154943934760448]),
      ([7, 1, 100, 1000], [39.57142857142857, 277, 2.77, 0.277]),
    ])
  func balanced(counts: [Int], expected: [Double]) throws {
    let labels = counts.indices.map { "c\($0)" }
    let found = try ClassWeights.balanced.weights(labels: labels, counts: counts)
    #expect(found.notices == [])
    #expect(zip(found.weights, expected).allSatisfy { abs($0 - $1) <= 1e-15 * $1 })
  }

  @Test("a class without training rows is left out of balanced weights, with a notice")
  func absentClass() throws {
    let found = try ClassWeights.balanced.weights(labels: ["a", "b", "c"], counts: [3, 0, 1])
    #expect(found.weights == [4.0 / 6, 1, 2])
    #expect(
      found.notices == [
        "--class-weight balanced: no training row is of class b; the other 2 classes are balanced"
      ])
  }

  @Test("listed class weights are found by label, numbers by value; the others weigh 1")
  func listed() throws {
    func weights(_ text: String, _ labels: [String]) throws -> [Double] {
      try #require(ClassWeights(text)).weights(labels: labels, counts: labels.map { _ in 1 })
        .weights
    }
    #expect(try weights("yes:5,no:0.5", ["no", "yes"]) == [0.5, 5])
    #expect(try weights(" yes : 5 ", ["no", "yes"]) == [1, 5])
    #expect(try weights("\"a, b\":2,\"x:y\":3", ["a, b", "c", "x:y"]) == [2, 1, 3])
    #expect(try weights("x:y:3,\"say \"\"hi\"\"\":4", ["say \"hi\"", "x:y"]) == [4, 3])
    #expect(try weights("1:20", ["0", "1"]) == [1, 20])
    #expect(try weights("1.0:20,+0:2", ["0", "1"]) == [2, 20])
    #expect(try weights("True:3,0:0", ["False", "True"]) == [0, 3])
    // Among words, 1 and 1.0 are two labels.
    #expect(try weights("1:3", ["1", "1.0", "x"]) == [3, 1, 1])
    #expect(
      try ClassWeights("b:2")?.weights(labels: ["a", "b", "c"], counts: [1, 1, 1]).notices
        == ["--class-weight: classes that are not listed have weight 1: a, c"])
  }

  @Test("class weights have one text whatever the order and the form they were given in")
  func texts() throws {
    #expect(ClassWeights("Balanced") == .balanced && ClassWeights.balanced.text == "balanced")
    let weights = try #require(ClassWeights("\"b, c\":1e1,a:0.5"))
    #expect(weights.text == "a:0.5,\"b, c\":10")
    #expect(ClassWeights(weights.text) == weights && ClassWeights("a:0.50,\"b, c\":10") == weights)
    for text in ["", "a", "a:", ":2", "a:x", "a:2,b", "balanced,a:2", ",", "a=2"] {
      #expect(ClassWeights(text) == nil, "\(text)")
    }
  }

  @Test(
    "labels that no class has or that are listed twice, and weights that are none, are refused",
    arguments: [
      ("maybe:2", "no class has the label maybe; the classes are no, yes"),
      ("no:1,no:2", "the class no is named twice; the classes are no, yes"),
      ("yes:-1", "a weight must be 0 or a positive number; the classes are no, yes"),
      ("yes:nan", "a weight must be 0 or a positive number; the classes are no, yes"),
      ("yes:inf", "a weight must be 0 or a positive number; the classes are no, yes"),
      ("yes:1e39", "a weight must be 0 or a positive number; the classes are no, yes"),
    ])
  func refusedClasses(text: String, message: String) throws {
    let weights = try #require(ClassWeights(text))
    let error = #expect(throws: DatasetError.self) {
      try weights.weights(labels: ["no", "yes"], counts: [2, 2])
    }
    #expect(error?.exitStatus == .usage)
    #expect(error?.description.hasPrefix("--class-weight ") == true)
    #expect(error?.description.hasSuffix(message) == true, "\(String(describing: error))")
  }
}
