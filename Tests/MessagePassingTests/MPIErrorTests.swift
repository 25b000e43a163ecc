// SPDX-License-Identifier: Apache-2.0
import MessagePassing
import Testing

@Suite("MPIError")
struct MPIErrorTests {
  @Test("the description of a failed call states function, rank, text, code and class")
  func failure() {
    let failure = MPIFailure(
      call: "MPI_Recv", code: 15, errorClass: 15, text: "MPI_ERR_TRUNCATE: message truncated",
      rank: 3)
    #expect(
      MPIError.callFailed(failure).description
        == "MPI_Recv failed on rank 3: MPI_ERR_TRUNCATE: message truncated (code 15, class 15)")
  }

  @Test("the description of a failed call names no rank before it is known")
  func noRank() {
    let failure = MPIFailure(call: "MPI_Init_thread", code: 1, errorClass: 1, text: "no", rank: nil)
    #expect(failure.description == "MPI_Init_thread failed: no (code 1, class 1)")
  }

  @Test(
    "the description of every error is one line with its values",
    arguments: [
      (.invalidArgument(call: "MPI_Bcast", rank: 2, reason: "rank 9 is not in 0..<4"), "rank 9"),
      (.tooManyElements(call: "MPI_Send", rank: 0, count: 1 << 40), "1099511627776"),
      (.communicatorClosed(call: "MPI_Barrier", rank: 1), "MPI_Barrier on rank 1"),
      (.groupFull(capacity: 7, rank: 1), "all of its 7"),
      (.alreadyInitialized, "already initialized"),
      (.alreadyFinalized, "finalized"),
      (
        .threadLevelInsufficient(asked: .multiple, granted: .single), "provides thread level single"
      ),
      (.wrongLauncher(variable: "PMI_SIZE", expected: 4, found: 1), "4 processes (PMI_SIZE)"),
    ] as [(MPIError, String)])
  func descriptions(error: MPIError, part: String) {
    #expect(error.description.contains(part))
    #expect(!error.description.contains("\n"))
  }

  @Test("thread levels are ordered by what they allow")
  func threadLevels() {
    let levels: [ThreadLevel] = [.single, .funneled, .serialized, .multiple]
    #expect(levels == levels.sorted())
    #expect(Set(levels).count == 4)
  }
}
