// SPDX-License-Identifier: Apache-2.0
internal import CVectorMath

/// Writing memory that other processors have read, and read again.
///
/// A usual store of such a cache line waits until the copies of others are gone: 7 ns where cores
/// share a third-level cache, 30 ns where they don't (Zen 4). A store past the caches sends the whole
/// line to memory and waits for nobody: 3 ns. See "Caching of Temporal vs. Non-Temporal Data" in
/// volume 1 of the Intel 64 and IA-32 Architectures Software Developer's Manual.
package enum StreamingStores {
  /// target_i = source_i, whole lines past the caches.
  package static func copy(
    _ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    let line = MemoryLayout<Vectors.Vector>.size
    let past = Int(bitPattern: target) % line / MemoryLayout<Float>.stride
    let head = past == 0 ? 0 : Swift.min(16 - past, count)
    if head > 0 { Vectors.store(Vectors.load(source, count: head), to: target, count: head) }
    Vectors.forEach(count - head) { i, lanes in
      let x = Vectors.load(source + (head &+ i), count: lanes)
      if lanes == 16 {
        clockstep_stream(x, target + (head &+ i))
      } else {
        Vectors.store(x, to: target + (head &+ i), count: lanes)
      }
    }
  }

  /// Orders what was copied before all that this processor writes from now on, such as the word to
  /// others that it is there.
  package static func finish() {
    clockstep_stream_fence()
  }

  /// Brings memory to this core's caches.
  package static func fetch(_ source: UnsafePointer<Float>, _ count: Int) {
    Vectors.forEach(count) { i, _ in clockstep_touch(source + i) }
  }
}
