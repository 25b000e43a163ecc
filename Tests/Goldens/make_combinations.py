#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes Float64 reference values for combinations of all training options.

Activations, losses, norms, residual connections, dropout, optimizers, clipping,
max-norm and row weights are combined so that every pair of two values that are
valid together occurs in a case.  Each case is trained for a few steps with
PyTorch's automatic differentiation in Float64, as by make_goldens.py; the masks
of dropout are drawn with a Philox4x32-10 in plain Python.

How to run, from the root of the repository:

    python3 -m venv /tmp/goldens
    /tmp/goldens/bin/pip install torch numpy
    /tmp/goldens/bin/python Tests/Goldens/make_combinations.py

    --output FILE   output file; default
                    Tests/NeuralCoreTests/Resources/combinations.json
    --check         compare with FILE instead of writing it (to 1e-8 relative)
    --verbose       print the error of torch's own Float32 run for every case

Before writing, the script checks the following and stops if a check fails:

- Philox gives the known answers of the Random123 library;
- gradients agree with central differences of the loss;
- losses and layer norm agree with torch.nn.functional, max-norm with
  torch.renorm, the formulas of SGD, AdamW and RMSProp with torch.optim;
- clipping and max-norm change something where they are on;
- no pre-activation of a ReLU or leaky ReLU, and no difference of an output from
  its target with mae or quantile, is so close to zero that Float32 rounding
  could change its sign;
- the same run in Float32 ends within FLOAT32_TOLERANCE of the Float64 one.

A case has data and parameters from the first of several tables for which that
holds.  Tests/Goldens/README.md describes every key of the file.
"""

import argparse
import json
import math
import pathlib
import platform
import sys

import torch

from combination_cases import (
    FACTORS, TABLES, Tables, all_choices, is_valid, specification)
from combination_training import (
    TorchOptimizer, batch, batch_loss, dropout_factors, forward,
    initial_layers, limit_rows, normalize, row_losses, tensor_names,
    torch_row_losses, train)
from make_goldens import flatten, leaves, render
from pairwise import coverage
from philox import check_known_answers

SEED = 16
KINK_MARGIN = 2e-5
FLOAT32_TOLERANCE = 4e-6
DEFAULT_OUTPUT = (
    pathlib.Path(__file__).resolve().parent.parent
    / "NeuralCoreTests" / "Resources" / "combinations.json")


# --- Checks -----------------------------------------------------------------

def distance(found, expected):
    """Largest difference in a tensor relative to its largest magnitude.

    The magnitude counts as at least 1e-2, and for a gradient as at least a
    hundredth of the largest norm of all gradients.  Losses and norms are
    compared one by one.
    """
    floor = 1e-2 * max(expected["gradientNorms"])
    worst, where = 0.0, ""
    for (path, a), (_, b) in zip(leaves(found), leaves(expected)):
        each = [max(abs(x), 1e-2) for x in b]
        if path not in (".losses", ".gradientNorms"):
            least = floor if ".firstGradients" in path else 1e-2
            each = [max([least] + [abs(x) for x in b])] * len(b)
        for x, y, scale in zip(a, b, each):
            off = abs(x - y) / scale
            if not off <= worst:
                worst, where = off, path
    return worst, where


def check_gradients(spec, tables, expected):
    """Compares autograd's gradients of the first step with central differences."""
    spec = {**spec, "inferring": False}
    layers = initial_layers(spec, tables, torch.float64)
    rows, target, weights = batch(spec, tables, 0, torch.float64)
    factors = dropout_factors(spec, 1, len(rows), torch.float64)
    statistics = None
    if spec["mode"] == "frozen":
        # The constants are the statistics of the unperturbed network.
        record = {"statistics": [], "preActivations": []}
        forward(layers, rows, spec, factors, record=record)
        statistics = record["statistics"]

    def loss():
        outputs = forward(layers, rows, spec, factors, statistics=statistics)
        return batch_loss(outputs, target, weights, spec).item()

    h, worst = 1e-6, 0.0
    for layer, gradients in zip(layers, expected["firstGradients"]):
        for name in tensor_names(spec):
            flat = layer[name].view(-1)
            for i, wanted in enumerate(flatten(gradients[name])):
                kept = flat[i].item()
                flat[i] = kept + h
                above = loss()
                flat[i] = kept - h
                below = loss()
                flat[i] = kept
                off = abs((above - below) / (2 * h) - wanted)
                worst = max(worst, off / max(1, abs(wanted)))
    assert worst < 1e-6, f"{spec['name']}: gradients differ from central differences by {worst}"
    return worst


def check_loss(spec, tables):
    """Compares the formula of the loss with torch.nn.functional."""
    outputs, target, _ = batch(spec, tables, 0, torch.float64)
    outputs = outputs[:, :target.shape[1]]
    expected = torch_row_losses(outputs, target, spec)
    if expected is not None:
        off = (row_losses(outputs, target, spec) - expected).abs().max().item()
        assert off < 1e-12, f"{spec['name']}: torch's loss differs by {off}"


def check_layers():
    """Compares layer norm and max-norm with PyTorch's own."""
    rows = torch.randn(5, 7, dtype=torch.float64)
    layer = {name: torch.randn(7, dtype=torch.float64)
             for name in ("gamma", "beta")}
    spec = {"norm": "layer", "batchNormEpsilon": 1e-3}
    off = normalize(rows, layer, spec, 0, None, None) \
        - torch.nn.functional.layer_norm(rows, [7], layer["gamma"],
                                         layer["beta"], eps=1e-3)
    assert off.abs().max() < 1e-12, "layer norm differs from torch's"
    limited = rows.clone()
    limit_rows(limited, 2.0)
    # torch.renorm adds 1e-7 to the norm.
    off = limited - torch.renorm(rows, p=2, dim=0, maxnorm=2.0)
    assert off.abs().max() < 1e-6, "max-norm differs from torch.renorm"


def examine(spec, tables):
    """(results, error of the Float32 run), or (None, reason to reject)."""
    results, conditions = train(spec, tables)
    if not all(map(math.isfinite, flatten(results))):
        return None, "not finite"
    start = [{name: layer[name] for name in tensor_names(spec)}
             for layer in tables.initials[spec["initial"]]]
    moved, _ = distance({"finalParameters": results["finalParameters"]},
                        {"finalParameters": start, "gradientNorms": [0.0]})
    if moved < 1e-3:
        return None, f"parameters barely move: {moved}"
    if conditions.kink < KINK_MARGIN:
        return None, f"{conditions.kink} from a kink"
    if spec["clip"] is not None and not conditions.clipped:
        return None, f"never clipped: {results['gradientNorms']}"
    if "maxNorm" in spec["optimizer"] and not conditions.limited:
        return None, "max-norm never reached"
    single, _ = train(spec, tables, dtype=torch.float32)
    off, where = distance(single, results)
    if not off < FLOAT32_TOLERANCE:
        return None, f"Float32 is off by {off:.1e} in {where}"
    return results, (off, where)


def run_case(choice, tables, candidates, verbose):
    """The finished case, with the first of the candidate tables that suits."""
    reasons = []
    for table in candidates:
        spec = specification(choice, table, tables)
        results, outcome = examine(spec, tables)
        if results is not None:
            break
        reasons.append(f"  table {table}: {outcome}")
    else:
        sys.exit("\n".join([f"no table suits {choice}:"] + reasons))
    check_loss(spec, tables)
    differences = check_gradients(spec, tables, results)
    if spec["optimizer"]["kind"] in TorchOptimizer.kinds:
        again, _ = train(spec, tables, optimizer_type=TorchOptimizer)
        off, where = distance(again, results)
        assert off < 1e-10, f"{spec['name']}: torch.optim differs by {off} in {where}"
    if verbose:
        print(f"Float32 {outcome[0]:.1e} {outcome[1]}, central differences "
              f"{differences:.1e}, table {table}: {spec['name']}")
        for reason in reasons:
            print(reason)
    return {**spec, "expected": results}


# --- The file ---------------------------------------------------------------

def compact(value):
    """The value with numbers of 10 significant digits."""
    if isinstance(value, dict):
        return {key: compact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [compact(item) for item in value]
    return float(f"{value:.10g}")


def make_document(tables, cases):
    """The contents of the file, with the tables that cases refer to."""
    def used(table, key):
        names = {case[key] for case in cases if key in case}
        return {name: value for name, value in table.items() if name in names}

    return {
        "format": 1,
        "generator": (f"Tests/Goldens/make_combinations.py, torch "
                      f"{torch.__version__}, "
                      f"Python {platform.python_version()}"),
        "inputs": used(tables.inputs, "inputs"),
        "targets": used(tables.targets, "targets"),
        "initials": used(tables.initials, "initial"),
        "cases": [{**case, "expected": compact(case["expected"])}
                  for case in cases],
    }


def check_file(stored, document):
    """Whether the file agrees with `document` to within 1e-8."""
    same = True
    for key in ("inputs", "targets", "initials"):
        if stored[key] != document[key]:
            print(f"{key} differ")
            same = False
    if len(stored["cases"]) != len(document["cases"]):
        print("the number of cases differs")
        same = False
    for old, new in zip(stored["cases"], document["cases"]):
        off, where = distance(old.pop("expected"), new.pop("expected"))
        if old != new or not off < 1e-8:
            print(f"{new['name']}: differs ({off:.1e} {where})")
            same = False
    return same


def main():
    parser = argparse.ArgumentParser(
        description="Generates Float64 reference values for combinations of options.")
    parser.add_argument("--output", type=pathlib.Path, default=DEFAULT_OUTPUT,
                        help="output file")
    parser.add_argument("--check", action="store_true",
                        help="compare with the file instead of writing it")
    parser.add_argument("--verbose", action="store_true",
                        help="print the error of torch's Float32 run for every case")
    options = parser.parse_args()
    torch.set_num_threads(1)

    check_known_answers()
    check_layers()
    choices = all_choices()
    covered, pairs = coverage(choices, FACTORS, is_valid)
    print(f"{len(choices)} cases cover {covered} of {pairs} pairs")
    assert covered == pairs
    stored = json.loads(options.output.read_text()) if options.check else None
    tables = Tables(SEED)
    cases = []
    for index, choice in enumerate(choices):
        # Another processor might reject a table for a last digit.
        candidates = (range(TABLES) if stored is None
                      else [stored["cases"][index]["table"]])
        cases.append(run_case(choice, tables, candidates, options.verbose))
    document = make_document(tables, cases)
    if options.check:
        sys.exit(0 if check_file(stored, document) else 1)
    text = render(document)
    options.output.write_text(text)
    print(f"{len(cases)} cases, {len(text)} bytes: {options.output}")


if __name__ == "__main__":
    main()
