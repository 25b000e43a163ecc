// SPDX-License-Identifier: Apache-2.0

/// Dropout: in training, sets random elements to zero, and scales the others by 1 / (1 - p).
///
///     out_ij = A_ij / (1 - p)     with probability 1 - p
///     out_ij = 0                  with probability p
///
/// (`rows x features`; "inverted" dropout, as `torch.nn.Dropout`.) Inference leaves its input unchanged.
/// The gradient is scaled and masked alike.
///
/// The mask depends on what is trained, not on how it is distributed: word `j % 4` of the ``Philox``
/// block with the network's seed as key, at the counter
///
///     (j / 4, i, number of the update from 1, RandomPurpose.dropout + 256 * layer number)
///
/// decides about the element in row i of the global batch and column j, which is kept if the word is at
/// least round(p * 2^32). So any number of ranks and slices drops the same elements, each step and each
/// layer drops others, and a resumed run continues with the masks that the run would have had. Of
/// ``LayerPass/layerNumber`` the counter holds 24 bits; layers nested so deeply that it has more use the
/// key whose upper half is changed by the others (exclusive or).
///
/// Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout: A Simple Way to Prevent
/// Neural Networks from Overfitting", JMLR 15, 2014.
public final class Dropout: Layer {
  /// The probability that an element is set to zero.
  public let probability: Double
  /// 1 / (1 - p).
  private let scale: Float
  /// One bit per element of this replica's rows, set where it is kept.
  private var mask = AlignedBuffer<UInt32>(count: 0)

  /// Creates the layer.
  ///
  /// - Parameters:
  ///   - features: the number of columns of input and output.
  ///   - probability: the probability that an element is set to zero: at least 0 and below 1.
  public init(features: Int, probability: Double) {
    precondition(probability >= 0 && probability < 1, "the probability is not in [0, 1)")
    self.probability = probability
    scale = Float(1 / (1 - probability))
    super.init(inputs: features, outputs: features)
  }

  public override func reserve(rows: Int) {
    let needed = rows * DropoutMask.stride(units: inputs)
    if mask.count < needed { mask = AlignedBuffer(count: needed) }
  }

  public override func forward(
    _ input: MatrixView, into output: MutableMatrixView, _ pass: LayerPass
  ) throws {
    DropoutMask(
      seed: pass.seed, firstRow: pass.slices.firstRow, update: pass.updateNumber,
      layerNumber: pass.layerNumber, probability: probability
    ).fill(mask.base, rows: input.rows, units: inputs)
    DropoutMask.apply(mask.base, to: input, scale: scale, into: output)
  }

  public override func backward(
    _ outputGradient: MutableMatrixView, into inputGradient: MutableMatrixView?,
    _ pass: LayerPass
  ) throws {
    guard let inputGradient else { return }
    DropoutMask.apply(mask.base, to: outputGradient.readOnly, scale: scale, into: inputGradient)
  }

  public override func infer(
    _ input: MatrixView, into output: MutableMatrixView, _ memory: LayerMemory
  ) throws {
    output.base.update(from: input.base, count: input.elements.count)
  }
}
