#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the Float64 reference values for the tests of NeuralCore.

A network equivalent to Lockstep's is trained for a few steps with PyTorch's
automatic differentiation in Float64.  The derivatives come from autograd, so
Lockstep's backward pass is not repeated here:

- mode "exact": autograd differentiates the batch statistics;
- mode "frozen": the statistics are detached, so they are constants.

Batch norm is written out, because torch.nn.BatchNorm1d uses the *unbiased*
variance for its running statistics, but Lockstep the population variance.

How to run, from the root of the repository:

    python3 -m venv /tmp/goldens
    /tmp/goldens/bin/pip install torch numpy
    /tmp/goldens/bin/python Tests/Goldens/make_goldens.py

The committed file was generated with Python 3.11.7 and torch 2.15.0+cu132, one
thread, x86-64.  Inputs, weights and hyperparameters are determined by SEED,
so another run writes the same bytes for them; another torch release or
processor may change the last digit or two of the Float64 results.

    --output FILE   output file; default
                    Tests/NeuralCoreTests/Resources/goldens.json
    --check         compare with FILE instead of writing it (to 1e-9 relative)
    --seed N        use another seed, if it satisfies the conditions below
    --verbose       print the error of torch's own Float32 run for every case

Every input, target and initial weight is a multiple of 1/4096, or of 1/16 in
the large-mean cases, so a Float32 program starts from exactly these numbers.
Before writing, the script checks the following and stops if a check fails:

- gradients agree with central differences of the loss, in both modes;
- the optimizers' formulas agree with torch.optim;
- running statistics that average the first batches agree with
  torch.nn.BatchNorm1d, with momentum None while they average;
- no pre-activation of a ReLU or leaky ReLU is so close to zero that Float32 rounding could
  change its sign;
- with Adam and epsilon 1e-8, every gradient is exactly zero or large enough
  to have a reliable sign in Float32 (Adam normalizes noise to full steps);
- the same run in Float32 ends within FLOAT32_TOLERANCE of the Float64 one.

Tests/Goldens/README.md describes every key of the file.
"""

import argparse
import json
import math
import pathlib
import platform
import sys

import torch

from golden_cases import all_cases, make_tables
from golden_training import (
    TENSORS, TorchOptimizer, forward, step_loss, target_tensor, train)

SEED = 29
KINK_MARGIN = 2e-5
GRADIENT_MARGIN = 1e-5
FLOAT32_TOLERANCE = 2e-5
DEFAULT_OUTPUT = (
    pathlib.Path(__file__).resolve().parent.parent
    / "NeuralCoreTests" / "Resources" / "goldens.json")


# --- Checks -----------------------------------------------------------------

def flatten(value):
    if isinstance(value, dict):
        for key in sorted(value):
            yield from flatten(value[key])
    elif isinstance(value, list):
        for item in value:
            yield from flatten(item)
    else:
        yield value


def leaves(value, path=""):
    """(path, numbers) of every tensor or list of numbers in the results."""
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], f"{path}.{key}")
    elif value and isinstance(value[0], dict):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, list(flatten(value))


def distance(found, expected):
    """Largest difference in a tensor relative to its largest magnitude.

    The magnitude counts as at least 1e-2, and for a gradient as at least a
    hundredth of the norm of all gradients: some gradients are zero except for
    rounding errors.
    """
    floor = 1e-2 * max([1.0] + expected.get("gradientNorms", [])
                       if isinstance(expected, dict) else [1.0])
    worst, where = 0.0, ""
    for (path, a), (_, b) in zip(leaves(found), leaves(expected)):
        scale = max(max(map(abs, b)),
                    floor if ".firstGradients" in path else 1e-2)
        off = max(abs(x - y) for x, y in zip(a, b)) / scale
        if not off <= worst:
            worst, where = off, path
    return worst, where


def check_gradients(spec, tables):
    """Compares autograd's gradients of the first step with central differences."""
    inputs, targets, initials = tables
    initial = initials[spec["initial"]]
    layers = [{name: torch.tensor(layer[name], dtype=torch.float64)
               for name in TENSORS} for layer in initial]
    rows = torch.tensor(inputs[spec["inputs"]][0], dtype=torch.float64)
    target = target_tensor(targets[spec["targets"]], 0,
                           len(initial[-1]["bias"]), torch.float64)
    statistics = None
    if spec["mode"] == "frozen":
        # The constants are the statistics of the unperturbed network.
        record = []
        forward(layers, rows, spec, record=record)
        statistics = [(mean, variance) for mean, variance, _ in record]

    def loss():
        outputs = forward(layers, rows, spec, statistics=statistics)
        return step_loss(outputs, target, spec, 0).item()

    analytic = train(spec, tables)[0]["firstGradients"]
    h, worst = 1e-6, 0.0
    for layer, expected in zip(layers, analytic):
        for name in TENSORS:
            flat = layer[name].view(-1)
            wanted = list(flatten(expected[name]))
            for i in range(flat.numel()):
                kept = flat[i].item()
                flat[i] = kept + h
                above = loss()
                flat[i] = kept - h
                below = loss()
                flat[i] = kept
                worst = max(worst, abs((above - below) / (2 * h) - wanted[i]))
    assert worst < 1e-7, f"{spec['name']}: gradients differ from central differences by {worst}"
    print(f"central differences, {spec['name']}: within {worst:.1e}")


def check_running_statistics(spec, tables, results):
    """Compares the first layer's with those of torch.nn.BatchNorm1d."""
    batches = tables[0][spec["inputs"]]
    rows = {len(batch) for batch in batches}
    if len(rows) > 1:
        return  # The factor below would differ from batch to batch.
    norm = torch.nn.BatchNorm1d(len(batches[0][0]), momentum=None,
                                dtype=torch.float64)
    keep = spec["batchNormMomentum"]
    for step, batch in enumerate(batches, 1):
        if 1 / step < 1 - keep:
            norm.momentum = 1 - keep
        norm(torch.tensor(batch, dtype=torch.float64))
    count = rows.pop()
    found = {"mean": norm.running_mean.tolist(),
             # PyTorch keeps the unbiased variance.
             "variance": (norm.running_var * (count - 1) / count).tolist()}
    expected = results["runningStatistics"][0]
    for key in found:
        for a, b in zip(found[key], expected[key]):
            assert abs(a - b) <= 1e-9 * max(abs(b), 1), (spec["name"], key)
    print(f"torch.nn.BatchNorm1d, {spec['name']}: the same statistics")


def run_all(tables, verbose):
    """Results of all cases, which must satisfy the conditions of the docstring."""
    finished = []
    for spec in all_cases():
        name = spec["name"]
        results, condition = train(spec, tables)
        assert all(map(math.isfinite, flatten(results))), name
        moved = distance(results["finalParameters"],
                         tables[2][spec["initial"]])[0]
        assert moved > 1e-3, f"{name}: parameters barely move"
        if spec["activation"] in ("relu", "leaky-relu"):
            assert condition["kink"] > KINK_MARGIN, (name, condition)
        if (spec["optimizer"]["kind"] == "adam"
                and spec["optimizer"]["epsilon"] < 1e-6):
            assert condition["smallestGradient"] > GRADIENT_MARGIN, (
                name, condition)
        clip = spec["clip"]
        if clip is not None and clip < 100:
            assert max(results["gradientNorms"]) > clip, name
        again, _ = train(spec, tables, optimizer_type=TorchOptimizer)
        off, where = distance(again, results)
        assert off < 1e-10, f"{name}: torch.optim differs by {off} in {where}"
        if spec.get("batchNormAveraging"):
            check_running_statistics(spec, tables, results)
        single, _ = train(spec, tables, dtype=torch.float32)
        off, where = distance(single, results)
        if verbose:
            print(f"{off:9.1e}  {name} {where}")
        # torch's Float32 mean of values near 1e6 is itself inaccurate.
        if "large mean" not in name:
            assert off < FLOAT32_TOLERANCE, (name, off, where)
        initial = tables[2][spec["initial"]]
        widths = [len(layer["gamma"]) for layer in initial]
        widths.append(len(initial[-1]["bias"]))
        head = {"name": name, "widths": widths}
        finished.append({**head, **spec, "expected": results})
    return finished


# --- The file ---------------------------------------------------------------

def render(document):
    """Compact JSON with one case, or one table entry, per line.

    Python prints a float with the fewest digits (at most 17) that parse to
    the same Float64.
    """
    def compact(value):
        return json.dumps(value, separators=(",", ":"), allow_nan=False)

    parts = []
    for key, value in document.items():
        if key == "cases":
            body = ",\n".join(compact(item) for item in value)
            parts.append(f'"{key}":[\n{body}\n]')
        elif isinstance(value, dict):
            body = ",\n".join(f"{compact(name)}:{compact(item)}"
                              for name, item in value.items())
            parts.append(f'"{key}":{{\n{body}\n}}')
        else:
            parts.append(f'"{key}":{compact(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def check_file(path, document):
    """Whether the file at `path` agrees with `document` to within 1e-9."""
    stored = json.loads(path.read_text())
    fixed = ("inputs", "targets", "initials")
    if any(stored[key] != document[key] for key in fixed):
        print("inputs, targets or initial parameters differ")
        return False
    same = len(stored["cases"]) == len(document["cases"])
    for old, new in zip(stored["cases"], document["cases"]):
        off, where = distance(old.pop("expected"), new.pop("expected"))
        if old != new or not off < 1e-9:
            print(f"{new['name']}: differs ({off:.1e} {where})")
            same = False
    return same


def main():
    parser = argparse.ArgumentParser(
        description="Generates Float64 reference values for NeuralCore with PyTorch.")
    parser.add_argument("--output", type=pathlib.Path, default=DEFAULT_OUTPUT,
                        help="output file")
    parser.add_argument("--check", action="store_true",
                        help="compare with the file instead of writing it")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--verbose", action="store_true",
                        help="print the error of torch's Float32 run for every case")
    options = parser.parse_args()
    torch.set_num_threads(1)

    tables = make_tables(options.seed)
    cases = run_all(tables, options.verbose)
    for name in ("relu cross-entropy sgd exact", "sigmoid mse adam exact",
                 "sigmoid cross-entropy sgd frozen",
                 "soft labels sgd", "leaky-relu mse adam exact",
                 "elu mse adam exact", "gelu mse adam exact",
                 "silu mse adam exact", "softplus mse adam exact",
                 "tanh mse adam exact", "huber 0.5 momentum exact",
                 "poisson momentum exact", "quantile 0.9 momentum exact",
                 "binary-cross-entropy momentum exact",
                 "label smoothing 0.1 momentum exact"):
        check_gradients(next(s for s in all_cases() if s["name"] == name),
                        tables)
    document = {
        "format": 1,
        "generator": (f"Tests/Goldens/make_goldens.py, seed {options.seed}, "
                      f"torch {torch.__version__}, "
                      f"Python {platform.python_version()}"),
        "inputs": tables[0], "targets": tables[1], "initials": tables[2],
        "cases": cases,
    }
    if options.check:
        sys.exit(0 if check_file(options.output, document) else 1)
    text = render(document)
    options.output.write_text(text)
    print(f"{len(cases)} cases, {len(text)} bytes: {options.output}")


if __name__ == "__main__":
    main()
