// SPDX-License-Identifier: Apache-2.0
public import ArgumentParser
public import Coordination
import RunRecords
import Training

extension ExchangeOptions.Schedule: ExpressibleByArgument {
  public init?(argument: String) { self.init(commandLine: argument) }
}

/// The options of training that a command accepts as flags.
protocol OptionSelection {
  static var options: [OptionDeclaration] { get }
}

enum DataSelection: OptionSelection {
  static var options: [OptionDeclaration] { OptionSection.data.options }
}
enum NetworkSelection: OptionSelection {
  static var options: [OptionDeclaration] { OptionSection.network.options }
}
enum OptimizerSelection: OptionSelection {
  static var options: [OptionDeclaration] { OptionSection.optimizer.options }
}
enum CommunicationSelection: OptionSelection {
  static var options: [OptionDeclaration] { OptionSection.communication.options }
}
enum RunDirectorySelection: OptionSelection {
  static var options: [OptionDeclaration] { OptionSection.runDirectory.options }
}
enum LoggingSelection: OptionSelection {
  static var options: [OptionDeclaration] { OptionSection.logging.options }
}

/// The options of training that `bench` measures.
enum BenchSelection: OptionSelection {
  static let options = OptionSection.all.flatMap(\.options).filter {
    [
      "batch", "slices", "loss", "batch-norm", "optimizer", "exchange", "exchange-schedule",
      "transport", "bucket-mb",
    ].contains($0.name)
  }
}

/// Flags with their help, made from the declarations of options.
///
/// ArgumentParser finds the flags of a type by reflection and decodes each by its key, so a mirror and
/// an initializer that follow the declarations take the place of one property per flag.
struct OptionFlags<Selection: OptionSelection>: ParsableArguments, CustomReflectable {
  /// The options that the command line gives, with the text of their values.
  private(set) var arguments: [(option: OptionDeclaration, text: String)] = []

  private static var flags: [OptionDeclaration] { Selection.options.filter { !$0.isPositional } }

  init() {}

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    for option in Self.flags {
      let key = Key(stringValue: option.name)
      let text =
        option.isFlag
        ? try values.decode(Flag<Bool?>.self, forKey: key).wrappedValue.map(String.init)
        : try values.decode(Option<String?>.self, forKey: key).wrappedValue
      if let text { arguments.append((option, text)) }
    }
  }

  var customMirror: Mirror {
    Mirror(
      self, children: Self.flags.map { ("_\($0.name)", Self.wrapper(of: $0)) },
      displayStyle: .struct)
  }

  /// What `@Flag` or `@Option` would make of a property for the option.
  private static func wrapper(of option: OptionDeclaration) -> Any {
    let name = NameSpecification.customLong(option.name)
    let help = ArgumentHelp("\(option.help)", valueName: option.valueName)
    if option.isFlag { return Flag<Bool?>(name: name, inversion: .prefixedNo, help: help) }
    if let implied = option.impliedValue {
      return Option<String?>(name: name, defaultAsFlag: implied, parsing: .next, help: help)
    }
    return Option<String?>(
      name: name, help: help,
      completion: option.choices.isEmpty ? nil : .list(option.choices))
  }

  func validate() throws {
    var options = TrainingOptions()
    do {
      try options.set(arguments: arguments)
    } catch {
      throw ValidationError("\(error)")
    }
  }

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }
}
