// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// The handwritten digits that are embedded in the program: 1,797 images of 8 x 8 pixels.
///
/// Origin and license: `Resources/digits/README.md`. Pixels 0 to 16 are divided by 16.
enum EmbeddedDigits {
  static func load(_ options: LoadOptions) throws -> Dataset {
    let bytes = try ByteFile.decompress(PackageResources.digits_csv_gz, "digits")
    var reading = LoadOptions(targets: .classes)
    (reading.table.separator, reading.table.header) = (.comma, false)
    let table = try TableLoader(bytes, path: "digits", reading).load().training
    for index in 0..<table.features.count { table.features.base[index] /= 16 }
    return Dataset(
      rows: table.rows, columns: table.columns, features: table.features,
      targets: options.readsTargets
        ? try table.targets.relabeled(as: options.knownLabels, path: "digits") : .absent)
  }
}

/// Gaussian features; the class of each row is the largest output of a random linear teacher.
enum SyntheticData {
  static func make(rows: Int, features: Int, classes: Int, seed: UInt64) -> Dataset {
    let x = AlignedBuffer<Float>(count: rows * features)
    PhiloxStream(seed: seed, purpose: .syntheticData, subject: 0)
      .fillNormal(x.mutableElements, standardDeviation: 1)
    let teacher = teacher(classes: classes, features: features, seed: seed)
    let y = AlignedBuffer<Int32>(count: rows)
    let outputs = AlignedBuffer<Float>(count: classes)
    withExtendedLifetime((x, teacher, outputs)) {
      for row in 0..<rows {
        teach(x.base + row * features, features, teacher.base, into: outputs)
        y.base[row] = Int32(NeuralCore.Targets.argmax(outputs.base, classes))
      }
    }
    return Dataset(
      rows: rows, columns: features, features: x,
      targets: .classes(y, labels: (0..<classes).map(String.init)))
  }

  /// The weights of the teacher, `features x classes`.
  private static func teacher(classes: Int, features: Int, seed: UInt64) -> AlignedBuffer<Float> {
    let byClass = AlignedBuffer<Float>(count: classes * features)
    let byFeature = AlignedBuffer<Float>(count: classes * features)
    withExtendedLifetime(byClass) {
      PhiloxStream(seed: seed, purpose: .syntheticData, subject: 1)
        .fillNormal(byClass.mutableElements, standardDeviation: 1)
      TensorLayout(shape: [classes, features], order: .columnMajor)
        .arrange(byRows: byClass.base, into: byFeature.base)
    }
    return byFeature
  }

  /// Computes the teacher's outputs for a row.
  ///
  /// Each output sums over the features in their order, so all machines get the same classes.
  private static func teach(
    _ x: UnsafePointer<Float>, _ features: Int, _ teacher: UnsafePointer<Float>,
    into outputs: AlignedBuffer<Float>
  ) {
    let (sums, classes) = (outputs.base, outputs.count)
    outputs.fill(with: 0)
    for j in 0..<features {
      Reductions.add(teacher + j * classes, times: x[j], to: sums, classes)
    }
  }
}
