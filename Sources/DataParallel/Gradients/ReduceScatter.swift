// SPDX-License-Identifier: Apache-2.0

/// A schedule by which each shard's owner comes to have the whole batch's gradient of it.
///
/// Which schedule it is changes messages and times, never a bit: all add in the slice tree.
protocol ReduceScatter: AnyObject {
  /// Begins a step whose batch has that many rows; this rank.
  func begin(batchRows: Int)

  /// Begins to exchange a bucket, whose gradients are final on this rank.
  func start(_ bucket: Int) throws

  /// Goes on with what has arrived, and never waits; this rank.
  func progress() throws

  /// Returns once this rank's shards of all buckets are added up in the first gradient buffer.
  ///
  /// - Parameter isFinal: is called for each bucket as soon as this rank's shard of it is, while the
  ///   shard is in the cache.
  func finish(_ isFinal: (_ bucket: Int) -> Void) throws
}
