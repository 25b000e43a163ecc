#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes exact values of the losses and of exp and sigmoid, for tests.

- losses.json: all losses with their derivatives, for ordinary and extreme
  outputs (up to the largest finite Float32);
- functions.json: exp(x) and sigmoid(x) = 1 / (1 + exp(-x)) at Float32 points
  over the whole range, including both sides of every limit.

Everything is computed from the definitions with mpmath to 80 digits and
rounded once to Float64.  All inputs are exactly representable in Float32.

How to run, from the root of the repository (generated with mpmath 1.3.0; the
result doesn't depend on the release, the processor or a seed):

    python3 -m venv /tmp/goldens && /tmp/goldens/bin/pip install mpmath
    /tmp/goldens/bin/python Tests/Goldens/make_values.py [--check]

Tests/Goldens/README.md describes every key of the files.
"""

import argparse
import json
import math
import pathlib
import random
import struct
import sys

from mpmath import mp, mpf

RESOURCES = (pathlib.Path(__file__).resolve().parent.parent
             / "NeuralCoreTests" / "Resources")
FLOAT_MAX = float(2 ** 128 - 2 ** 104)

mp.dps = 80


def float32(x):
    """The Float32 nearest to x, as a Python float."""
    return struct.unpack("<f", struct.pack("<f", x))[0]


def neighbor(x, by):
    """The Float32 that is `by` representable numbers above x (x > 0)."""
    bits = struct.unpack("<I", struct.pack("<f", x))[0] + by
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def rounded(value):
    """An mpmath number as a Float64, or None if it overflows Float32."""
    if abs(value) >= mpf(2) ** 128 - mpf(2) ** 103:
        return None
    return float(value)


# --- Losses -----------------------------------------------------------------

def cross_entropy(outputs, targets):
    """Mean over rows of -sum t log softmax(x), and (softmax - t) / rows."""
    count = len(outputs)
    total, derivative = mpf(0), []
    for row, target in zip(outputs, targets):
        # Subtracting the maximum changes nothing in exact arithmetic, but
        # keeps exponents in a range where mpmath is fast.
        top = max(row)
        powers = [mp.exp(mpf(x) - mpf(top)) for x in row]
        below = mp.fsum(powers)
        # log1p of the sum without one maximum is accurate for tiny losses.
        rest = list(powers)
        rest.remove(mpf(1))
        log_below = mp.log1p(mp.fsum(rest))
        total += mp.fsum(mpf(t) * (log_below - (mpf(x) - mpf(top)))
                         for x, t in zip(row, target))
        derivative.append([derivative_entry(powers, below, i, target[i])
                           / count for i in range(len(row))])
    return total / count, derivative


def derivative_entry(powers, below, index, target):
    """softmax - t, without cancellation if t is 1."""
    if target == 1:
        return -mp.fsum(p for i, p in enumerate(powers) if i != index) / below
    return powers[index] / below - mpf(target)


def mean_squared_error(outputs, targets):
    """Mean over rows of the squared distance, and 2 (y - t) / rows."""
    count = len(outputs)
    total = mp.fsum((mpf(y) - mpf(t)) ** 2 for row, target
                    in zip(outputs, targets) for y, t in zip(row, target))
    derivative = [[2 * (mpf(y) - mpf(t)) / count for y, t in zip(row, target)]
                  for row, target in zip(outputs, targets)]
    return total / count, derivative


def smoothed(compute):
    """The loss of targets of which `share` is spread over all classes."""
    def smooth(outputs, targets, share):
        rest = [[(1 - mpf(share)) * mpf(t) + mpf(share) / len(row)
                 for t in row] for row in targets]
        return compute(outputs, rest)
    return smooth


def elementwise(term, slope):
    """The mean over rows of a sum of terms, and its derivative."""
    def compute(outputs, targets, *parameter):
        count = len(outputs)
        parameter = [mpf(p) for p in parameter]
        pairs = [[(mpf(z), mpf(y)) for z, y in zip(row, target)]
                 for row, target in zip(outputs, targets)]
        total = mp.fsum(term(z, y, *parameter) for row in pairs
                        for z, y in row)
        derivative = [[slope(z, y, *parameter) / count for z, y in row]
                      for row in pairs]
        return total / count, derivative
    return compute


def power(x):
    """exp(x), 0 where a Float64 is far from holding it."""
    return mpf(0) if x < -1e5 else mp.exp(x)


def softplus(x):
    """log(1 + exp(x)) for x of any size."""
    return max(x, mpf(0)) + mp.log1p(power(-abs(x)))


def logistic(x):
    """sigmoid(x) for x of any size."""
    small = power(-abs(x))
    return 1 / (1 + small) if x >= 0 else small / (1 + small)


def sign(x):
    return mpf((x > 0) - (x < 0))


ELEMENTWISE = {
    "mae": elementwise(lambda z, y: abs(z - y), lambda z, y: sign(z - y)),
    "huber": elementwise(
        lambda z, y, d: (z - y) ** 2 / 2 if abs(z - y) <= d
        else d * (abs(z - y) - d / 2),
        lambda z, y, d: max(-d, min(d, z - y))),
    "poisson": elementwise(lambda z, y: power(z) - y * z,
                           lambda z, y: power(z) - y),
    "quantile": elementwise(
        lambda z, y, q: q * (y - z) if y >= z else (1 - q) * (z - y),
        lambda z, y, q: mpf(0) if z == y else -q if z < y else 1 - q),
    # -y log(sigmoid(z)) - (1 - y) log(sigmoid(-z)); the derivative is
    # y (sigmoid(z) - 1) + (1 - y) sigmoid(z).
    "binary-cross-entropy": elementwise(
        lambda z, y: y * softplus(-z) + (1 - y) * softplus(z),
        lambda z, y: (1 - y) * logistic(z) - y * logistic(-z)),
}


def loss_of(loss, outputs, targets, parameter):
    parameters = [] if parameter is None else [parameter]
    if loss == "mse":
        return mean_squared_error(outputs, targets)
    if loss == "cross-entropy":
        compute = smoothed(cross_entropy) if parameters else cross_entropy
        return compute(outputs, targets, *parameters)
    return ELEMENTWISE[loss](outputs, targets, *parameters)


def loss_case(name, loss, outputs, *, classes=None, targets=None,
              parameter=None):
    outputs = [[float32(x) for x in row] for row in outputs]
    width = len(outputs[0])
    if targets is None:
        rows = [[1.0 if i == c else 0.0 for i in range(width)]
                for c in classes]
    else:
        targets = [[float32(x) for x in row] for row in targets]
        rows = targets
    value, derivative = loss_of(loss, outputs, rows, parameter)
    # Losses are Float64, so the linear ones may be beyond Float32.
    value = float(value) if loss in ELEMENTWISE else rounded(value)
    assert value is not None, f"{name}: the loss overflows Float32"
    more = {} if parameter is None else {"parameter": parameter}
    return {
        "name": name, "loss": loss, **more, "outputs": outputs, "classes": classes,
        "targets": targets, "value": value,
        "derivative": [[rounded(x) for x in row] for row in derivative],
    }


def loss_cases():
    ce, mse = "cross-entropy", "mse"
    rows = [
        ("ordinary", [0.5, -1.25, 2.0]),
        ("all zero", [0.0, 0.0, 0.0]),
        ("all equal to 1e4", [1e4] * 5),
        ("all equal to -1e30", [-1e30] * 4),
        ("all equal to 1e30", [1e30] * 4),
        ("+-88", [88.0, -88.0, 0.0]),
        ("+-104", [104.0, -104.0, 0.0]),
        ("+-1e4", [1e4, -1e4, 0.0]),
        ("+-1e30", [1e30, -1e30, 0.0]),
        ("one huge", [0.25, 1e30, -0.5, 1.5]),
        ("one very negative", [0.25, -1e30, -0.5, 1.5]),
        ("two equal and huge", [1e30, 1e30, 3.0]),
        ("a near tie far out", [1e4, float32(1e4) + 0.0009765625, 9999.0]),
        ("a sure thing", [20.0, -20.0, -30.0]),
        ("half of the largest", [1.6e38, -1.6e38, 1.0]),
        ("one class", [3.5]),
        ("tiny differences", [2.0 ** -20, 0.0, -(2.0 ** -20)]),
        ("subnormal", [1e-40, -1e-40, 0.0]),
    ]
    cases = []
    for name, row in rows:
        for label in range(len(row)):
            cases.append(loss_case(f"{name}, class {label}", ce, [row],
                                   classes=[label]))
    cases.append(loss_case("the largest numbers, class 0", ce,
                           [[FLOAT_MAX, -FLOAT_MAX, 0.0]], classes=[0]))
    cases.append(loss_case("the largest numbers, class 2", ce,
                           [[FLOAT_MAX, -FLOAT_MAX, 0.0]], classes=[2]))
    cases.append(loss_case(
        "extremes beside ordinary rows", ce,
        [[1e30, -1e30, 0.0], [0.5, -1.25, 2.0], [-88.0, 88.0, 1.0],
         [1e4, 1e4, 1e4], [-1e30, -1e30, -1e30]], classes=[0, 1, 1, 2, 2]))
    cases.append(loss_case(
        "soft rows", ce, [[0.5, -1.25, 2.0], [1.0, 1.0, 1.0]],
        targets=[[0.25, 0.5, 0.25], [0.125, 0.0, 0.875]]))
    cases.append(loss_case(
        "one-hot rows", ce, [[0.5, -1.25, 2.0], [1.0, 3.0, -1.0]],
        targets=[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))
    cases.append(loss_case(
        "soft rows at +-88", ce, [[88.0, -88.0, 0.0]],
        targets=[[0.5, 0.25, 0.25]]))
    cases.append(loss_case(
        "soft rows at +-1e30", ce, [[1e30, -1e30, 0.0]],
        targets=[[0.5, 0.25, 0.25]]))
    # 0 times an infinite logarithm is 0: only the largest output has a target.
    cases.append(loss_case(
        "one-hot rows at +-1e30", ce, [[1e30, -1e30, 0.0]],
        targets=[[1.0, 0.0, 0.0]]))

    source = random.Random(7)
    big = [[round(source.uniform(-8, 8) * 1024) / 1024 for _ in range(10)]
           for _ in range(37)]
    other = [[round(source.uniform(-8, 8) * 1024) / 1024 for _ in range(10)]
             for _ in range(37)]
    labels = [source.randrange(10) for _ in range(37)]
    cases.append(loss_case("37 rows of 10", ce, big, classes=labels))

    cases.append(loss_case("37 rows of 10", mse, big, targets=other))
    cases.append(loss_case("classes as one-hot rows", mse, big,
                           classes=labels))
    cases.append(loss_case("no error", mse, [[1.5, -2.5], [1e30, -1e30]],
                           targets=[[1.5, -2.5], [1e30, -1e30]]))
    cases.append(loss_case("one row, one value", mse, [[3.0]],
                           targets=[[-1.0]]))
    for size in (88.0, 1e4, 1e15, 1e18):
        cases.append(loss_case(f"+-{size:g}", mse,
                               [[size, -size], [0.5, size]],
                               targets=[[0.25, 0.75], [-1.0, 2.0]]))
    cases.append(loss_case(
        "a small difference of large numbers", mse,
        [[1e6 + 0.25, 1e6], [-1e6, 16777216.0]],
        targets=[[1e6, 1e6 - 0.5], [-1e6 - 0.125, 16777214.0]]))
    cases.append(loss_case("squares below the smallest number", mse,
                           [[1e-30, -1e-25]], targets=[[0.0, 1e-25]]))
    rows = slice(5)
    return (cases + elementwise_cases(big[rows], other[rows], labels[rows])
            + smoothing_cases(big[rows], labels[rows]))


def elementwise_cases(big, other, labels):
    """Losses that are sums over outputs, at ordinary and extreme ones."""
    cases = []
    numbers = [[1.5, -2.5, 0.25, 1e30, -1e30, FLOAT_MAX, 1e-30, 0.0]]
    targets = [[1.5, 3.0, 0.5, -1e30, 1e10, -FLOAT_MAX, -1e-30, 1e-40]]
    for loss, parameters in (("mae", [None]),
                             ("huber", [1.0, 0.3, 1e-3, 1e6]),
                             ("quantile", [0.5, 0.9, 0.001])):
        for parameter in parameters:
            label = loss if parameter is None else f"{loss} {parameter:g}"
            cases += [
                loss_case(f"5 rows of 10, {label}", loss, big, targets=other,
                          parameter=parameter),
                loss_case(f"extreme numbers, {label}", loss, numbers,
                          targets=targets, parameter=parameter),
                loss_case(f"no error, {label}", loss, [[1.5, -1e30]],
                          targets=[[1.5, -1e30]], parameter=parameter),
                loss_case(f"classes as one-hot rows, {label}", loss, big,
                          classes=labels, parameter=parameter),
            ]
    cases.append(loss_case("at delta, huber 0.5", "huber",
                           [[0.5, -0.5, 0.75, -0.75]], targets=[[0.0] * 4],
                           parameter=0.5))
    source = random.Random(11)
    counts = [[source.randrange(9) for _ in range(10)] for _ in range(5)]
    bits = [[source.randrange(2) for _ in range(10)] for _ in range(5)]
    shares = [[round(source.random() * 1024) / 1024 for _ in range(10)]
              for _ in range(5)]
    bce, poisson = "binary-cross-entropy", "poisson"
    cases += [
        loss_case("5 rows of 10, poisson", poisson, big, targets=counts),
        loss_case("classes as one-hot rows, poisson", poisson, big,
                  classes=labels),
        loss_case("no counts, poisson", poisson,
                  [[-1e30, -104.0, -88.0, -20.0, 0.0, 20.0]],
                  targets=[[0.0] * 6]),
        loss_case("large counts, poisson", poisson,
                  [[-1e30, -50.0, 0.0, 13.8, 60.0, 88.0]],
                  targets=[[3.0, 1.0, 1e9, 1e6, 1e20, 1e30]]),
        loss_case("5 rows of 10, binary", bce, big, targets=bits),
        loss_case("5 rows of 10 probabilities, binary", bce, big,
                  targets=shares),
        loss_case("classes as one-hot rows, binary", bce, big,
                  classes=labels),
    ]
    steps = [0.0, 1e-30, 0.5, 20.0, 88.0, 104.0, 1e4, 1e30, FLOAT_MAX]
    logits = steps + [-x for x in steps]
    for target in (0.0, 1.0, 0.25):
        # One row each, so that a large loss does not hide the others.
        for z in logits:
            cases.append(loss_case(f"logit {z:g}, target {target:g}, binary",
                                   bce, [[z]], targets=[[target]]))
        cases.append(loss_case(f"all logits, target {target:g}, binary", bce,
                               [logits], targets=[[target] * len(logits)]))
    return cases


def smoothing_cases(big, labels):
    """Cross-entropy with label smoothing."""
    ce, cases = "cross-entropy", []
    for share in (0.1, 0.5):
        cases += [
            loss_case(f"5 rows of 10, smoothing {share}", ce, big,
                      classes=labels, parameter=share),
            loss_case(f"soft rows, smoothing {share}", ce,
                      [[0.5, -1.25, 2.0], [1.0, 1.0, 1.0]],
                      targets=[[0.25, 0.5, 0.25], [0.125, 0.0, 0.875]],
                      parameter=share),
            loss_case(f"one class, smoothing {share}", ce, [[3.5]],
                      classes=[0], parameter=share),
            loss_case(f"all equal to 1e30, smoothing {share}", ce,
                      [[1e30] * 4], classes=[2], parameter=share),
        ]
        for label in range(3):
            for size in (1.0, 88.0, 1e4, 1e30):
                cases.append(loss_case(
                    f"+-{size:g}, class {label}, smoothing {share}", ce,
                    [[size, -size, 0.0]], classes=[label], parameter=share))
    wide = [[row[i % 10] + i / 64 for i in range(33)] for row in big]
    cases.append(loss_case("5 rows of 33, smoothing 0.1", ce, wide,
                           classes=[0, 15, 16, 32, 7], parameter=0.1))
    return cases


# --- Functions --------------------------------------------------------------

def function_points():
    """Float32 points in ascending order, with -0 before 0."""
    points = {0.0}
    for k in range(-149, 128, 6):
        points.update((2.0 ** k, -(2.0 ** k)))
    # The range of ordinary results, at arbitrary points.
    for k in range(-106, 91):
        points.add(float32(k + 0.37))
    for k in range(-24, 25):
        points.add(float32(k / 12))
    # Multiples of log(2) / 2, where range reduction switches to the next exponent.
    for k in list(range(-9, 10, 2)) + [-251, -175, 175, 251]:
        x = abs(k) * math.log(2) / 2
        for by in (-1, 0, 1):
            points.add(math.copysign(neighbor(float32(x), by), k))
    # Limits: exp overflows, becomes subnormal, becomes zero; sigmoid becomes 1.
    for x, sign in ((88.72283905206835, 1), (88.72283905206835, -1),
                    (87.33654475055310, -1), (103.27892990343184, -1),
                    (103.97207708399179, -1), (16.635532333438686, 1),
                    (17.32867951399863, 1)):
        for by in (-1, 0, 1):
            points.add(sign * neighbor(float32(x), by))
    for x in (1e4, 1e10, 1e30, FLOAT_MAX, 1e-10, 1e-40, 2.0 ** -149,
              2.0 ** -126, 745.5, 1000.0):
        points.update((float32(x), -float32(x)))
    ordered = sorted(points)
    ordered.insert(ordered.index(0.0), -0.0)
    return ordered


def exponential(x):
    # Far outside the range of Float64 (mpmath would compute huge exponents).
    return 0.0 if x < -1e6 else None if x > 1e6 else rounded(mp.exp(mpf(x)))


def sigmoid(x):
    if abs(x) > 1e6:
        return 1.0 if x > 0 else 0.0
    return rounded(1 / (1 + mp.exp(-mpf(x))))


def functions():
    points = function_points()
    return {"x": points, "exp": [exponential(x) for x in points],
            "sigmoid": [sigmoid(x) for x in points]}


# --- The files --------------------------------------------------------------

def compact(value):
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def render_losses():
    body = ",\n".join(compact(item) for item in loss_cases())
    return f'{{\n"format":1,\n"cases":[\n{body}\n]\n}}\n'


def render_functions():
    body = ",\n".join(f'"{key}":{compact(values)}'
                      for key, values in functions().items())
    return f'{{\n"format":1,\n{body}\n}}\n'


def main():
    parser = argparse.ArgumentParser(
        description="Generates exact values of losses and functions with mpmath.")
    parser.add_argument("--output", type=pathlib.Path, default=RESOURCES,
                        help="output directory")
    parser.add_argument("--check", action="store_true",
                        help="compare with the files instead of writing them")
    options = parser.parse_args()
    same = True
    for name, text in (("losses.json", render_losses()),
                       ("functions.json", render_functions())):
        path = options.output / name
        if options.check:
            if path.read_text() != text:
                print(f"{path} differs")
                same = False
        else:
            path.write_text(text)
            print(f"{len(text)} bytes: {path}")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
