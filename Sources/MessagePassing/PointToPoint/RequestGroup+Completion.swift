// SPDX-License-Identifier: Apache-2.0
internal import COpenMPI

extension RequestGroup {
  /// Returns when everything in flight has completed; this rank.
  ///
  /// - Throws: ``MPIError/callFailed(_:)`` of the first request that failed; others may still be in
  ///   flight, and another call goes on with them.
  public func waitAll() throws(MPIError) {
    // Not MPI_Waitall: Open MPI 4.1.4 spins there forever if a request has failed already, and it
    // can't look around.
    while count > 0 { try waitSome() }
  }

  /// Lets MPI work, takes out what has completed, and never waits; this rank.
  ///
  /// Open MPI makes progress only inside its calls, so a long computation calls this between its parts.
  ///
  /// - Parameter completed: Called with the label of each completed request, in any order;
  ///   it may start new ones, but not complete any.
  /// - Returns: How many have completed now.
  /// - Throws: ``MPIError/callFailed(_:)`` of the first request that failed.
  @discardableResult
  public func progress(
    _ completed: (Int) throws(MPIError) -> Void = { (_) throws(MPIError) in }
  ) throws(MPIError) -> Int {
    guard count > 0 else { return 0 }
    var done: Int32 = 0
    let code = MPI_Testsome(
      Int32(truncatingIfNeeded: count), handles, &done, indices, statuses)
    return try finish(Int(done), code, "MPI_Testsome", completed)
  }

  /// Waits until at least one of the requests in flight has completed; this rank.
  ///
  /// - Parameter completed: Called with the label of each completed request, in any order;
  ///   it may start new ones, but not complete any.
  /// - Returns: How many have completed now; 0 only if nothing was in flight.
  /// - Throws: ``MPIError/callFailed(_:)`` of the first request that failed.
  @discardableResult
  public func waitSome(
    _ completed: (Int) throws(MPIError) -> Void = { (_) throws(MPIError) in }
  ) throws(MPIError) -> Int {
    guard count > 0, let state else { return 0 }
    var loop = WaitLoop(state)
    do throws(MPIError) {
      while true {
        let finished = try progress(completed)
        if finished > 0 || count == 0 { return finished }
        try loop.pause()
      }
    } catch {
      // It is told by its own error; what is in flight needs no word then.
      if case .waitAbandoned = error { hasFailed = true }
      throw error
    }
  }

  /// Takes out the first `done` requests that `indices` and `statuses` tell about.
  @discardableResult
  private func finish(
    _ done: Int, _ code: Int32, _ call: StaticString,
    _ completed: (Int) throws(MPIError) -> Void
  ) throws(MPIError) -> Int {
    guard code == clockstep_success || code == clockstep_err_in_status else {
      hasFailed = true
      try check(code, call, rank: worldRank)
      return 0
    }
    var firstError: MPIError?
    var finished = 0
    for position in 0..<max(done, 0) {
      let slot = Int(indices[position])
      let own = code == clockstep_success ? code : statuses[position].MPI_ERROR
      guard own != clockstep_err_pending, let operation = operations[slot] else { continue }
      operations[slot] = nil
      do throws(MPIError) {
        try check(own, operation.call, rank: worldRank)
        finishedLabels[finished] = labels[slot]
        finished += 1
      } catch {
        firstError = firstError ?? error
      }
    }
    compact()
    hasFailed = firstError != nil
    if let firstError { throw firstError }
    for index in 0..<finished { try completed(finishedLabels[index]) }
    return finished
  }

  /// Moves what is still in flight to the front.
  private func compact() {
    var kept = 0
    for slot in 0..<count where operations[slot] != nil {
      if slot != kept {
        handles[kept] = handles[slot]
        labels[kept] = labels[slot]
        operations[kept] = operations[slot].take()
      }
      kept += 1
    }
    count = kept
  }
}
