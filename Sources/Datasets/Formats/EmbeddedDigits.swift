// SPDX-License-Identifier: Apache-2.0
internal import NeuralCore

/// The handwritten digits that the program carries: 1,797 images of 8 x 8 pixels.
///
/// Origin and license: `Resources/digits/README.md`. Pixels 0 to 16 are divided by 16.
enum EmbeddedDigits {
  static func load(_ options: LoadOptions) throws(DatasetError) -> Dataset {
    let bytes = try ByteFile.unpack(PackageResources.digits_csv_gz, "digits")
    let table = try CSVTable.parse(
      bytes, path: "digits",
      LoadOptions(targets: .classes, targetColumns: [], knownLabels: options.knownLabels))
    for index in 0..<table.features.count { table.features.base[index] /= 16 }
    return Dataset(
      rows: table.rows, columns: table.columns, features: table.features,
      targets: options.readsTargets ? table.targets : .absent)
  }
}
