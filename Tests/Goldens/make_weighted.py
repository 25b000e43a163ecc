#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes Float64 reference values of training with weights of rows and classes.

Networks are trained as by make_goldens.py, but each row's loss is multiplied
by a weight,

    w_i = c(y_i) v_i / m,  m = mean of c(y) v over all rows of all steps,

with c the weight of its class and v its own, rounded to Float32; the loss of a
step is the sum of w_i loss_i over its rows, divided by their number.  So it is
torch's loss with reduction="none" times the weights, which the script checks
for CrossEntropyLoss with and without its argument `weight`; its "mean"
reduction divides by the sum of the weights of the batch instead.

How to run, from the root of the repository (as make_goldens.py):

    /tmp/goldens/bin/python Tests/Goldens/make_weighted.py [--check]

The committed file was generated with Python 3.11.7 and torch 2.13.0+cpu.
"""

import argparse
import math
import pathlib
import platform
import struct
import sys

import torch

from golden_cases import Numbers, adam, case, make_tables, sgd
from golden_training import TorchOptimizer, train
from make_goldens import (
    FLOAT32_TOLERANCE, KINK_MARGIN, SEED, check_file, check_gradients,
    distance, flatten, render)

OUTPUT = (pathlib.Path(__file__).resolve().parent.parent
          / "NeuralCoreTests" / "Resources" / "weighted.json")
TABLES = ("plain", "shrinking"), (
    "classes", "values3", "soft", "shrinkingClasses"), ("A",)


def float32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def weights_of(tables, inputs, targets, class_weights, row_weights):
    """Weights per step and row, of mean 1 over all of them."""
    raw = []
    for step, rows in enumerate(tables[0][inputs]):
        raw.append([
            (class_weights[tables[1][targets]["classes"][step][i]]
             if class_weights else 1.0)
            * (row_weights.uniform(0, 4, grid=4) if row_weights else 1.0)
            for i in range(len(rows))])
    flat = [w for step in raw for w in step]
    mean = math.fsum(flat) / len(flat)
    return [[float32(w / mean) for w in step] for step in raw]


def balanced(tables, targets):
    """n / (K n_k), as scikit-learn's compute_class_weight("balanced")."""
    classes = [y for step in tables[1][targets]["classes"] for y in step]
    kinds = sorted(set(classes))
    return [len(classes) / (len(kinds) * classes.count(k)) for k in kinds]


def all_cases(tables):
    classes = "shrinkingClasses"
    ce, mse = "cross-entropy", "mse"
    listed = [2.0, 0.5, 8.0]

    def weighted(spec, class_weights=None, has_rows=False, seed=1):
        rows = Numbers(SEED * 2000 + seed) if has_rows else None
        return {**spec, "weights": weights_of(
            tables, spec["inputs"], spec["targets"], class_weights, rows)}

    cases = []
    for mode in ("exact", "frozen"):
        cases += [
            weighted(case(f"class weights sgd {mode}", "relu", ce, mode,
                          sgd(0.9), 0.03125), listed),
            weighted(case(f"balanced adam {mode}", "tanh", ce, mode,
                          adam(1e-3), 0.015625), balanced(tables, "classes")),
            weighted(case(f"row weights adamw {mode}", "sigmoid", ce, mode,
                          adam(1e-3, 0.05), 0.015625), has_rows=True),
            weighted(case(f"both shrinking batches {mode}", "sigmoid", ce,
                          mode, sgd(0.9), 0.03125, inputs="shrinking",
                          targets=classes), [1.0, 4.0, 0.25], True, 2),
            weighted(case(f"row weights mse {mode}", "gelu", mse, mode,
                          sgd(0.9, True, 0.01), 0.015625), None, True, 3),
        ]
    return cases + [
        weighted(case("class weight 0", "tanh", ce, "exact", sgd(), 0.0625),
                 [1.0, 0.0, 1.0]),
        weighted(case("row weights soft labels", "relu", ce, "exact",
                      sgd(0.9), 0.03125, targets="soft"), None, True, 4),
        weighted(case("class weights mse of classes", "relu", mse, "exact",
                      sgd(0.9), 0.03125, targets="classes"), listed),
        weighted(case("row weights clipped", "sigmoid", ce, "exact", sgd(0.9),
                      0.125, clip=0.25), None, True, 5),
    ]


def check_cross_entropy():
    """The weighted loss against torch's own, with both of its reductions."""
    torch.manual_seed(1)
    outputs = torch.randn(11, 3, dtype=torch.float64, requires_grad=True)
    classes = torch.arange(11) * 7 % 3
    c = torch.tensor([2.0, 0.5, 8.0], dtype=torch.float64)
    rows = torch.nn.functional.cross_entropy(outputs, classes, reduction="none")
    w = c[classes]
    ours = (w * rows).sum() / 11
    none = torch.nn.CrossEntropyLoss(weight=c, reduction="none")
    assert abs(ours - none(outputs, classes).sum() / 11) < 1e-12
    mean = torch.nn.CrossEntropyLoss(weight=c)
    assert abs(ours - mean(outputs, classes) * w.sum() / 11) < 1e-12


def main():
    parser = argparse.ArgumentParser(
        description="Generates Float64 reference values of weighted training.")
    parser.add_argument("--output", type=pathlib.Path, default=OUTPUT)
    parser.add_argument("--check", action="store_true",
                        help="compare with the file instead of writing it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    check_cross_entropy()

    tables = tuple({name: table[name] for name in names}
                   for table, names in zip(make_tables(SEED), TABLES))
    cases = []
    for spec in all_cases(tables):
        name = spec["name"]
        results, condition = train(spec, tables)
        assert all(map(math.isfinite, flatten(results))), name
        if spec["activation"] == "relu":
            assert condition["kink"] > KINK_MARGIN, (name, condition)
        plain, _ = train({k: v for k, v in spec.items() if k != "weights"}, tables)
        assert distance(plain, results)[0] > 1e-3, f"{name}: weights change nothing"
        again, _ = train(spec, tables, optimizer_type=TorchOptimizer)
        assert distance(again, results)[0] < 1e-10, name
        single, _ = train(spec, tables, dtype=torch.float32)
        off, where = distance(single, results)
        assert off < FLOAT32_TOLERANCE, (name, off, where)
        check_gradients(spec, tables)
        initial = tables[2][spec["initial"]]
        widths = [len(layer["gamma"]) for layer in initial]
        widths.append(len(initial[-1]["bias"]))
        cases.append({"name": name, "widths": widths, **spec, "expected": results})
    document = {
        "format": 1,
        "generator": (f"Tests/Goldens/make_weighted.py, torch {torch.__version__}, "
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
