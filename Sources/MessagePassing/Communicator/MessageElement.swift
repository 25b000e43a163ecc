// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

/// How MPI reads one element of a message.
///
/// MPI 3.1, section 3.2.2.
public enum MessageType: Sendable {
  /// Travels as `MPI_FLOAT`.
  case float
  /// Travels as `MPI_DOUBLE`.
  case double
  /// Travels as `MPI_INT32_T`.
  case int32
  /// Travels as `MPI_INT64_T`.
  case int64
  /// Travels as `MPI_UINT8_T`.
  case uint8
  /// Travels as `MPI_UINT32_T`.
  case uint32
  /// Travels as `MPI_UINT64_T`.
  case uint64

  var datatype: MPI_Datatype {
    switch self {
    case .float: clockstep_float()
    case .double: clockstep_double()
    case .int32: clockstep_int32()
    case .int64: clockstep_int64()
    case .uint8: clockstep_uint8()
    case .uint32: clockstep_uint32()
    case .uint64: clockstep_uint64()
    }
  }
}

/// A number that messages carry.
public protocol MessageElement: BitwiseCopyable, Sendable {
  /// The type that MPI knows it by; its size is that of `Self`.
  static var messageType: MessageType { get }
  /// The number that fills a buffer until a message arrives.
  init()
}

/// A number whose sum is the same in any order, so that MPI may add it up.
public protocol IntegerMessageElement: MessageElement, FixedWidthInteger {}

extension Float: MessageElement {
  /// Travels as `MPI_FLOAT`.
  public static var messageType: MessageType { .float }
}

extension Double: MessageElement {
  /// Travels as `MPI_DOUBLE`.
  public static var messageType: MessageType { .double }
}

extension Int32: IntegerMessageElement {
  /// Travels as `MPI_INT32_T`.
  public static var messageType: MessageType { .int32 }
}

extension Int64: IntegerMessageElement {
  /// Travels as `MPI_INT64_T`.
  public static var messageType: MessageType { .int64 }
}

extension Int: IntegerMessageElement {
  /// Travels as `MPI_INT64_T`.
  public static var messageType: MessageType { .int64 }
}

extension UInt8: IntegerMessageElement {
  /// Travels as `MPI_UINT8_T`.
  public static var messageType: MessageType { .uint8 }
}

extension UInt32: IntegerMessageElement {
  /// Travels as `MPI_UINT32_T`.
  public static var messageType: MessageType { .uint32 }
}

extension UInt64: IntegerMessageElement {
  /// Travels as `MPI_UINT64_T`.
  public static var messageType: MessageType { .uint64 }
}
