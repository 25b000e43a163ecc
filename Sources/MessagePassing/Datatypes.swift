// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

/// The MPI datatype of a message's elements.
///
/// MPI 3.1, section 3.2.2.
public enum MessageType: Sendable {
  /// `MPI_FLOAT`.
  case float
  /// `MPI_DOUBLE`.
  case double
  /// `MPI_INT32_T`.
  case int32
  /// `MPI_INT64_T`.
  case int64
  /// `MPI_UINT8_T`.
  case uint8
  /// `MPI_UINT32_T`.
  case uint32
  /// `MPI_UINT64_T`.
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

/// A number that can be sent in messages.
public protocol MessageElement: BitwiseCopyable, Sendable {
  /// The matching MPI datatype, of the same size as `Self`.
  static var messageType: MessageType { get }
}

/// An integer: its sum doesn't depend on the order of additions, so MPI may reduce it.
public protocol IntegerMessageElement: MessageElement, FixedWidthInteger {}

extension Float: MessageElement {
  /// `MPI_FLOAT`.
  public static var messageType: MessageType { .float }
}

extension Double: MessageElement {
  /// `MPI_DOUBLE`.
  public static var messageType: MessageType { .double }
}

extension Int32: IntegerMessageElement {
  /// `MPI_INT32_T`.
  public static var messageType: MessageType { .int32 }
}

extension Int64: IntegerMessageElement {
  /// `MPI_INT64_T`.
  public static var messageType: MessageType { .int64 }
}

extension Int: IntegerMessageElement {
  /// `MPI_INT64_T`.
  public static var messageType: MessageType { .int64 }
}

extension UInt8: IntegerMessageElement {
  /// `MPI_UINT8_T`.
  public static var messageType: MessageType { .uint8 }
}

extension UInt32: IntegerMessageElement {
  /// `MPI_UINT32_T`.
  public static var messageType: MessageType { .uint32 }
}

extension UInt64: IntegerMessageElement {
  /// `MPI_UINT64_T`.
  public static var messageType: MessageType { .uint64 }
}
