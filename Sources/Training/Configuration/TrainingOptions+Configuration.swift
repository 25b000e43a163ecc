// SPDX-License-Identifier: Apache-2.0
internal import RunRecords

extension TrainingOptions {
  /// Takes over what a configuration file says; options that it lacks stay as they are.
  ///
  /// - Parameters:
  ///   - configuration: the file's bytes.
  ///   - path: the file's name, for messages.
  /// - Throws: ``RunRecordError/badConfiguration(_:)`` that names line and key: no YAML, a key that
  ///   is no option (with the nearest one), or a value of another type (with what is expected).
  public mutating func read(configuration: [UInt8], path: String) throws {
    let entries = try ConfigurationFile.entries(of: configuration, path: path)
    for entry in entries {
      guard let field = Self.fields.first(where: { $0.name == entry.key }) else {
        let nearest = EditDistance.nearest(to: entry.key, among: Self.fields.map(\.name))
        throw RunRecordError.badConfiguration(
          "\(path), line \(entry.line): \(ConfigurationValue.oneLine(entry.key)) is no option; "
            + (nearest.map { "did you mean \($0)?" } ?? "see lockstep train --help"))
      }
      guard field.set(&self, entry.value) else {
        throw RunRecordError.badConfiguration(
          "\(path), line \(entry.line): \(field.name): expected \(field.expectation), "
            + "found \(entry.value.shown)")
      }
    }
  }

  /// The names of all options, the same on the command line and in a configuration file.
  package static var optionNames: [String] { fields.map(\.name) }

  /// The options that a run's `config.yaml` has, as (name, value).
  var recordedValues: [(name: String, value: String)] {
    Self.fields.filter(\.isRecorded).map { ($0.name, ConfigurationText.text(of: $0.get(self))) }
  }

  /// Every option that a run's `config.yaml` has, one a line.
  ///
  /// Training with it gives the same bits, in a run directory of another name.
  package func configuration(slices: Int) -> String {
    var resolved = self
    resolved.learningRate = learningRate ?? unscaledLearningRate
    resolved.slices = slices
    if steps == nil { resolved.epochs = epochs ?? Self.defaultEpochs }
    let lines = Self.fields.filter(\.isRecorded).map { field in
      "\(field.name): \(ConfigurationText.text(of: field.get(resolved)))\n"
    }
    return "# All options of this run. lockstep train --config FILE repeats it; flags win.\n"
      + lines.joined()
  }
}
