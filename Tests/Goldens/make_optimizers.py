#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the Float64 reference values of optimizers, max-norm and schedules.

The networks are trained as those of make_goldens.py, with the gradients of
PyTorch's automatic differentiation; golden_optimizers.py has the cases and
the optimizers. Run it like make_goldens.py:

    /tmp/goldens/bin/python Tests/Goldens/make_optimizers.py   # --check too

Before writing, the script checks that

- the formulas agree with torch.optim and torch.renorm;
- in the cases with zero weights the first ratios are 1, in the others the
  ratios of LAMB and LARS are not;
- max-norm scales rows, but not all of them, except where it is never reached;
- parameters move, no pre-activation of a ReLU is close to zero, and torch's
  own Float32 run ends near the Float64 one.
"""

import argparse
import json
import math
import pathlib
import platform
import sys

import torch

import golden_optimizers
from golden_training import train
from make_goldens import (
    FLOAT32_TOLERANCE, GRADIENT_MARGIN, KINK_MARGIN, check_file, distance,
    flatten, render)

SEED = 29
RESOURCES = (pathlib.Path(__file__).resolve().parent.parent
             / "NeuralCoreTests" / "Resources")


class Recorder(golden_optimizers.FormulaOptimizer):
    """The formulas; the last one made is kept."""

    last = None

    def __init__(self, settings, count):
        super().__init__(settings, count)
        Recorder.last = self


def check_optimizer(spec, layers):
    """That the case shows what it is there for."""
    name, settings, used = spec["name"], spec["optimizer"], Recorder.last
    if settings["kind"] in ("lamb", "lars"):
        first = used.ratios[:layers]
        if "zero" in name:
            assert first == [1.0] * layers, (name, first)
            assert all(r != 1 for r in used.ratios[-layers:]), name
        else:
            assert all(r != 1 for r in used.ratios), name
    if "maxNorm" in settings:
        rows = sum(spec["rowsOfLayers"]) * len(spec["learningRates"])
        if "never" in name:
            assert used.scaled == 0, name
        else:
            assert 0.1 * rows < used.scaled < 0.9 * rows, (
                name, used.scaled, rows)


def run_all(tables, verbose):
    finished = []
    for spec in golden_optimizers.all_cases():
        name, kind = spec["name"], spec["optimizer"]["kind"]
        initial = tables[2][spec["initial"]]
        results, condition = train(spec, tables, optimizer_type=Recorder)
        check_optimizer(
            {**spec, "rowsOfLayers": [len(x["bias"]) for x in initial]},
            len(initial))
        assert all(map(math.isfinite, flatten(results))), name
        moved = distance(results["finalParameters"], initial)[0]
        assert moved > 1e-3, f"{name}: parameters barely move"
        if spec["activation"] == "relu":
            assert condition["kink"] > KINK_MARGIN, (name, condition)
        if (kind in ("rmsprop", "lamb")
                and spec["optimizer"]["epsilon"] < 1e-5):
            assert condition["smallestGradient"] > GRADIENT_MARGIN, (
                name, condition)
        if spec["clip"] is not None:
            assert max(results["gradientNorms"]) > spec["clip"], name
        again, _ = train(spec, tables,
                         optimizer_type=golden_optimizers.TorchOptimizer)
        off, where = distance(again, results)
        # torch.renorm divides by norm + 1e-7.
        limit = 1e-6 if "maxNorm" in spec["optimizer"] else 1e-10
        assert off < limit, f"{name}: torch differs by {off} in {where}"
        single, _ = train(spec, tables, dtype=torch.float32,
                          optimizer_type=golden_optimizers.FormulaOptimizer)
        off, where = distance(single, results)
        if verbose:
            print(f"{off:9.1e}  {name} {where}")
        assert off < FLOAT32_TOLERANCE, (name, off, where)
        widths = [len(layer["gamma"]) for layer in initial]
        widths.append(len(initial[-1]["bias"]))
        finished.append({"name": name, "widths": widths, **spec,
                         "expected": results})
    return finished


def main():
    parser = argparse.ArgumentParser(
        description="Generates Float64 reference values of optimizers.")
    parser.add_argument("--check", action="store_true",
                        help="compare with the files instead of writing them")
    parser.add_argument("--verbose", action="store_true",
                        help="print the error of torch's Float32 run")
    options = parser.parse_args()
    torch.set_num_threads(1)

    tables = golden_optimizers.tables(SEED)
    document = {
        "format": 1,
        "generator": (f"Tests/Goldens/make_optimizers.py, seed {SEED}, "
                      f"torch {torch.__version__}, "
                      f"Python {platform.python_version()}"),
        "inputs": tables[0], "targets": tables[1], "initials": tables[2],
        "cases": run_all(tables, options.verbose),
    }
    schedules = {"format": 1, "generator": document["generator"],
                 "cases": golden_optimizers.schedules()}
    if options.check:
        stored = json.loads((RESOURCES / "schedules.json").read_text())
        same = check_file(RESOURCES / "optimizers.json", document)
        same = same and stored["cases"] == schedules["cases"]
        sys.exit(0 if same else 1)
    for name, value in (("optimizers", document), ("schedules", schedules)):
        text = render(value)
        (RESOURCES / f"{name}.json").write_text(text)
        print(f"{len(value['cases'])} cases, {len(text)} bytes: {name}.json")


if __name__ == "__main__":
    main()
