// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import Machine

/// The addresses of this machine by which this process is connected to other machines.
///
/// They are read from the connections that are there (proc(5), net/tcp), so they are what MPI has
/// chosen, whatever it was told.
enum UsedAddresses {
  private static let established = "01"

  /// Interface and address, such as `eth0 10.0.0.1`, in order, each once.
  static var current: [String] {
    let sockets = ownSockets
    let interfaces = interfaceNames
    var found: Set<String> = []
    for table in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
      for line in Host.text(of: table)?.split(separator: "\n").dropFirst() ?? [] {
        guard let local = localAddress(line, of: sockets) else { continue }
        found.insert("\(interfaces[local] ?? "?") \(local)")
      }
    }
    return found.sorted()
  }

  /// The local address of a connection of this process to another machine.
  private static func localAddress(_ line: Substring, of sockets: Set<Substring>) -> String? {
    let fields = line.split(separator: " ")
    guard fields.count > 9, fields[3] == established, sockets.contains(fields[9]),
      let local = address(fields[1]), let remote = address(fields[2]), local != remote,
      !local.hasPrefix("127."), local != "::1"
    else { return nil }
    return local
  }

  private static var ownSockets: Set<Substring> {
    let folder = "/proc/self/fd"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return Set(
      names.compactMap { name in
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(name)")
        guard let target, target.hasPrefix("socket:[") else { return nil }
        return target.dropFirst("socket:[".count).dropLast()
      })
  }

  /// An address as the kernel writes it: words of four bytes in this machine's order, then the port.
  static func address(_ text: Substring) -> String? {
    let digits = Array(text.prefix { $0 != ":" })
    guard digits.count == 8 || digits.count == 32 else { return nil }
    var bytes: [UInt8] = []
    for word in stride(from: 0, to: digits.count, by: 8) {
      guard let number = UInt32(String(digits[word..<word + 8]), radix: 16) else { return nil }
      bytes += withUnsafeBytes(of: number) { Array($0) }
    }
    let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]
    return words(bytes.starts(with: mapped) ? Array(bytes.dropFirst(12)) : bytes)
  }

  private static func words(_ bytes: [UInt8]) -> String? {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let family = bytes.count == 4 ? AF_INET : AF_INET6
    guard inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return nil }
    return text.withUnsafeBufferPointer { characters in
      characters.baseAddress.map { String(cString: $0) }
    }
  }

  /// The interface of each address of this machine.
  private static var interfaceNames: [String: String] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return [:] }
    defer { freeifaddrs(list) }
    var names: [String: String] = [:]
    var next = list
    while let entry = next?.pointee {
      next = entry.ifa_next
      guard let address = entry.ifa_addr, let bytes = bytes(of: address), let text = words(bytes)
      else { continue }
      names[text] = String(cString: entry.ifa_name)
    }
    return names
  }

  private static func bytes(of address: UnsafeMutablePointer<sockaddr>) -> [UInt8]? {
    let raw = UnsafeRawPointer(address)
    switch Int32(address.pointee.sa_family) {
    case AF_INET:
      return withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in.self).sin_addr) { Array($0) }
    case AF_INET6:
      return withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr) { Array($0) }
    default: return nil
    }
  }
}
