#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes exact values of the losses and of exp and sigmoid, for tests.

- losses.json: cross-entropy and mean squared error with their derivatives,
  for ordinary and extreme outputs (up to the largest finite Float32);
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


def loss_case(name, loss, outputs, *, classes=None, targets=None):
    outputs = [[float32(x) for x in row] for row in outputs]
    width = len(outputs[0])
    if targets is None:
        rows = [[1.0 if i == c else 0.0 for i in range(width)]
                for c in classes]
    else:
        targets = [[float32(x) for x in row] for row in targets]
        rows = targets
    compute = cross_entropy if loss == "cross-entropy" else mean_squared_error
    value, derivative = compute(outputs, rows)
    value = rounded(value)
    assert value is not None, f"{name}: the loss overflows Float32"
    return {
        "name": name, "loss": loss, "outputs": outputs, "classes": classes,
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
