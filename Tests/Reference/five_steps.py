#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Recomputes the first full-batch steps of a training run in Float64.

Starts from a run's step-0 checkpoint, trains on all rows of a CSV file for a
few steps in Float64, and compares every tensor with a later checkpoint of
the run.  Needs only Python 3.9 or later.

    lockstep train digits --layers 16 --batch 1797 --validation-split 0 \\
        --steps 5 --run /tmp/run
    Tests/Reference/five_steps.py --divide 16 --optimizer adam \\
        /tmp/run/checkpoints/step-000000000.safetensors \\
        /tmp/run/checkpoints/step-000000005.safetensors \\
        Sources/Datasets/Resources/digits/digits.csv.gz

A row of the data has the features, then the class; if a feature in the first
row is not a number, that row is a header.  Classes are sorted numerically if
all of them are numbers, else as text.  Every batch consists of all rows.

The backward pass is derived here by the chain rule, one quantity at a time:
for batch norm a(i) -> h(i) = (a(i) - mu) / s, s = sqrt(var + epsilon), with
the loss's derivatives e(i) by h(i), over the B rows of a feature,

    by var:  V = sum_i e(i) (a(i) - mu) * (-1/2) (var + epsilon)^(-3/2)
    by mu:   M = -sum_i e(i) / s - V * (2/B) sum_i (a(i) - mu)
    by a(i): e(i) / s + V * (2/B) (a(i) - mu) + M / B

Prints, for each tensor, the largest difference and how far the run moved it,
both relative to its largest magnitude.  Tensors named optimizer.* are
ignored.

Adam normalizes gradients by their magnitude, so where a true gradient happens
to be almost zero, its steps are dominated by Float32 rounding.  Of twelve
seeds of the run above, PyTorch in Float32 ends within 1e-5 with nine (the
largest error is 4e-5, always in a bias or a beta); with SGD and momentum all
twelve end within 5e-7.  A check with Adam should use a seed with some margin.

Exit status: 0 if all differences are within the tolerance, 1 if not, 2 if
arguments or files are invalid.
"""

import argparse
import math
import operator
import sys

from reference_files import KINDS, Unusable, layers_of, read_data, read_safetensors

TRAINED = ("weight", "bias", "gamma", "beta")


# --- Arithmetic: a matrix of B rows is a list of columns of length B --------

def dot(a, b):
    return sum(map(operator.mul, a, b))


def transpose(columns):
    return list(zip(*columns))


def sigmoid(z):
    if z >= 0:
        return 1 / (1 + math.exp(-z))
    return math.exp(z) / (1 + math.exp(z))


ACTIVATIONS = {
    "relu": lambda z: z if z > 0 else 0.0,
    "sigmoid": sigmoid,
    "identity": lambda z: z,
}
DERIVATIVES = {  # by z, given z and the activation's value there
    "relu": lambda z, a: 1.0 if z > 0 else 0.0,
    "sigmoid": lambda z, a: a * (1 - a),
    "identity": lambda z, a: 1.0,
}


def forward(layers, columns, step, options):
    """(outputs, intermediate values per layer); updates running statistics."""
    saved = []
    # Up to step 1 / (1 - momentum), the mean over the steps so far.
    keep = min(options.batch_norm_momentum, (step - 1) / step)
    for position, layer in enumerate(layers):
        count = len(columns[0])
        normalized, scaled, deviations, roots = [], [], [], []
        for j, column in enumerate(columns):
            mean = math.fsum(column) / count
            away = [a - mean for a in column]
            variance = math.fsum(map(operator.mul, away, away)) / count
            root = math.sqrt(variance + options.epsilon)
            h = [d / root for d in away]
            gamma, beta = layer["gamma"][j], layer["beta"][j]
            layer["mean"][j] = keep * layer["mean"][j] + (1 - keep) * mean
            layer["variance"][j] = (keep * layer["variance"][j]
                                    + (1 - keep) * variance)
            normalized.append(h)
            scaled.append([gamma * x + beta for x in h])
            deviations.append(away)
            roots.append(root)
        rows = transpose(scaled)
        z = [[dot(w, row) + b for row in rows]
             for w, b in zip(layer["weight"], layer["bias"])]
        last = position == len(layers) - 1
        kind = "identity" if last else options.activation
        columns = [list(map(ACTIVATIONS[kind], column)) for column in z]
        saved.append({"normalized": normalized, "scaled": scaled,
                      "deviations": deviations, "roots": roots, "z": z,
                      "out": columns, "kind": kind})
    return columns, saved


def loss_and_derivative(outputs, classes, kind):
    """The mean loss over rows, and its derivative by the outputs (columns)."""
    count = len(classes)
    total, derivative = [], []
    for row, label in zip(transpose(outputs), classes):
        if kind == "cross-entropy":
            top = max(row)
            powers = [math.exp(x - top) for x in row]
            below = sum(powers)
            total.append(math.log(below) + top - row[label])
            slope = [p / below for p in powers]
            slope[label] -= 1
        else:
            off = list(row)
            off[label] -= 1
            total.append(dot(off, off))
            slope = [2 * x for x in off]
        derivative.append([x / count for x in slope])
    return math.fsum(total) / count, transpose(derivative)


def norm_backward(e, deviations, root, exact):
    """The derivative by the inputs of one feature; see the top of this file."""
    if not exact:
        return [x / root for x in e]
    count = len(e)
    by_variance = -0.5 * dot(e, deviations) / root ** 3
    by_mean = -sum(e) / root - by_variance * 2 / count * sum(deviations)
    return [x / root + by_variance * 2 / count * d + by_mean / count
            for x, d in zip(e, deviations)]


def backward(layers, saved, derivative, options):
    """The gradients per layer, by the names of the parameters."""
    gradients = []
    for position in reversed(range(len(layers))):
        layer, kept = layers[position], saved[position]
        slope = DERIVATIVES[kept["kind"]]
        dz = [[d * slope(z, a) for d, z, a in zip(*columns)]
              for columns in zip(derivative, kept["z"], kept["out"])]
        gradient = {
            "weight": [[dot(d, s) for s in kept["scaled"]] for d in dz],
            "bias": [sum(d) for d in dz],
        }
        rows = transpose(dz)
        by_scaled = [[dot(w, row) for row in rows]
                     for w in transpose(layer["weight"])]
        gradient["gamma"] = list(map(dot, by_scaled, kept["normalized"]))
        gradient["beta"] = [sum(d) for d in by_scaled]
        gradients.insert(0, gradient)
        if position > 0:
            derivative = [
                norm_backward([gamma * x for x in d], away, root,
                              options.batch_norm_backward == "exact")
                for d, gamma, away, root in zip(
                    by_scaled, layer["gamma"], kept["deviations"],
                    kept["roots"])]
    return gradients


def update(values, gradient, state, decay, step, options):
    """One optimizer step on a list of numbers, in place."""
    rate = options.learning_rate
    first = state.setdefault("first", [0.0] * len(values))
    second = state.setdefault("second", [0.0] * len(values))
    for i, g in enumerate(gradient):
        if options.optimizer == "sgd":
            g += decay * values[i]
            first[i] = options.momentum * first[i] + g
            if options.nesterov:
                values[i] -= rate * (g + options.momentum * first[i])
            else:
                values[i] -= rate * first[i]
        else:
            b1, b2 = options.beta1, options.beta2
            first[i] = b1 * first[i] + (1 - b1) * g
            second[i] = b2 * second[i] + (1 - b2) * g * g
            m = first[i] / (1 - b1 ** step)
            v = second[i] / (1 - b2 ** step)
            values[i] -= rate * (m / (math.sqrt(v) + options.adam_epsilon)
                                 + decay * values[i])


def train(layers, columns, classes, options):
    """Trains `layers` in place; returns the loss before each step."""
    states = [{} for _ in layers]
    losses = []
    for step in range(1, options.steps + 1):
        outputs, saved = forward(layers, columns, step, options)
        loss, derivative = loss_and_derivative(outputs, classes, options.loss)
        losses.append(loss)
        gradients = backward(layers, saved, derivative, options)
        for layer, gradient, state in zip(layers, gradients, states):
            for key in ("bias", "gamma", "beta"):
                update(layer[key], gradient[key], state.setdefault(key, {}),
                       0.0, step, options)
            for k, row in enumerate(layer["weight"]):
                update(row, gradient["weight"][k], state.setdefault(k, {}),
                       options.weight_decay, step, options)
    return losses


# --- Comparison -------------------------------------------------------------

def flat(values):
    return sum(values, []) if isinstance(values[0], list) else values


def relative(found, expected):
    """Largest difference over the largest expected magnitude."""
    worst = 0.0
    for a, b in zip(found, expected):
        if not abs(a - b) <= worst:  # keeps a NaN
            worst = abs(a - b)
            if math.isnan(worst):
                return worst
    scale = max(map(abs, expected))
    return worst / scale if scale else worst


def compare(computed, initial, final, options):
    """Prints one line per tensor; returns whether all are within the tolerance."""
    fine = True
    print(f"{'tensor':<28}{'difference':>12}{'moved':>12}")
    for index, (ours, start, theirs) in enumerate(
            zip(computed, initial, final)):
        for suffix, key in KINDS.items():
            expected = flat(ours[key])
            off = relative(flat(theirs[key]), expected)
            moved = relative(flat(start[key]), expected)
            mark = "" if off <= options.tolerance else "  TOO LARGE"
            fine = fine and not mark
            print(f"{f'layers.{index}.{suffix}':<28}{off:>12.2e}"
                  f"{moved:>12.2e}{mark}")
    return fine


def shapes(tensors):
    return {name: shape for name, (shape, _) in tensors.items()}


def parse(arguments):
    parser = argparse.ArgumentParser(
        description="Recomputes full-batch training steps in Float64 and "
        "compares them with a checkpoint.",
        epilog="exit status: 0 all within tolerance, 1 not, 2 invalid input")
    parser.add_argument("initial", help="checkpoint of step 0")
    parser.add_argument("final", help="checkpoint after --steps steps")
    parser.add_argument("data", help="FILE.csv or FILE.csv.gz, class in the last column")
    parser.add_argument("--divide", type=float, default=1.0,
                        help="divide the features by this number")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--tolerance", type=float, default=1e-5)
    parser.add_argument("--optimizer", choices=("adam", "sgd"),
                        default="adam")
    parser.add_argument("--learning-rate", type=float,
                        help="default: 1e-3 for adam, 1e-2 for sgd")
    parser.add_argument("--momentum", type=float, default=0.0)
    parser.add_argument("--nesterov", action="store_true")
    parser.add_argument("--weight-decay", type=float, default=0.0)
    parser.add_argument("--beta1", type=float, default=0.9)
    parser.add_argument("--beta2", type=float, default=0.999)
    parser.add_argument("--adam-epsilon", type=float, default=1e-8)
    parser.add_argument("--loss", choices=("cross-entropy", "mse"),
                        default="cross-entropy")
    parser.add_argument("--activation", choices=sorted(ACTIVATIONS),
                        default="relu")
    parser.add_argument("--epsilon", type=float, default=1e-5,
                        help="added to variances")
    parser.add_argument("--batch-norm-momentum", type=float, default=0.9)
    parser.add_argument("--batch-norm-backward", default="exact",
                        choices=("exact", "frozen"))
    options = parser.parse_args(arguments)
    if options.learning_rate is None:
        options.learning_rate = 1e-3 if options.optimizer == "adam" else 1e-2
    return options


def main():
    options = parse(sys.argv[1:])
    try:
        first = read_safetensors(options.initial)
        last = read_safetensors(options.final)
        if shapes(first) != shapes(last):
            raise Unusable("the checkpoints have different tensors")
        columns, classes, count = read_data(options.data, options.divide)
        initial = layers_of(first, options.initial)
        final = layers_of(last, options.final)
        computed = layers_of(first, options.initial)
        if (len(initial[0]["gamma"]), len(initial[-1]["bias"])) != (
                len(columns), count):
            raise Unusable(f"{options.data}: {len(columns)} features and "
                           f"{count} classes don't fit the network")
    except (OSError, EOFError, KeyError, UnicodeDecodeError,
            Unusable) as error:
        print(f"five_steps: {error}", file=sys.stderr)
        return 2
    losses = train(computed, columns, classes, options)
    print("losses before each step:", *(f"{loss:.9g}" for loss in losses))
    fine = compare(computed, initial, final, options)
    print("all within" if fine else "NOT all within", options.tolerance)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
