# SPDX-License-Identifier: Apache-2.0
"""Runs Lockstep and the Python programs in peers/ on tables."""

import json
import os
import pathlib

from .program import BENCHMARKS, MISSING, ROOT, MeasurementError, fail, run


def need_python(folder, *modules):
    """Exits unless the environment of Benchmarks/setup-peers has these modules."""
    python = pathlib.Path(folder) / "bin/python"
    advice = f"run Benchmarks/setup-peers --tables {folder} first"
    if not os.access(python, os.X_OK):
        fail(MISSING, f"{folder} has no Python environment: {advice}")
    for module in modules:
        try:
            run([python, "-c", f"import {module}"])
        except MeasurementError as error:
            fail(MISSING, f"{folder}: {module} can't be imported ({error}): {advice}")


def run_peer(folder, program, *arguments, core=None, under=(), timeout=600):
    """Runs a program in peers/, on one core if it is given, with one thread; returns its JSON, if it prints any."""
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    command = [*bound(core), pathlib.Path(folder) / "bin/python", BENCHMARKS / "peers" / program, *arguments]
    output = run(command, threads, under, timeout)
    return json_object(output) if output.strip() else {}


def bound(core):
    return [] if core is None else ["taskset", "-c", str(core)]


def describe(file, ranks, core=None, under=(), timeout=600):
    """The JSON of lockstep describe: on one core without a launcher if a core is given, otherwise by launch/run."""
    if core is None:
        program = [ROOT / "launch/run", "-n", str(ranks), "--", "lockstep"]
    else:
        program = [*bound(core), os.environ.get("LOCKSTEP_BINARY", ROOT / ".build/release/lockstep")]
    return json_object(run([*program, "describe", file, "--json"], None, under, timeout), "seconds", "peak_bytes")


def train(data, run_folder, ranks, seed, validation=None, under=(), timeout=600, more=()):
    """Trains with default options, but for `more`; returns the run's summary."""
    command = [ROOT / "launch/run", "-n", str(ranks), "--", "train", data, "--seed", str(seed), "--run", run_folder,
               "--quiet"]
    if validation:
        command += ["--validation", validation]
    command += more
    run(command, None, under, timeout)
    return json_object((pathlib.Path(run_folder) / "summary.json").read_text(encoding="utf-8"), "steps")


def json_object(output, *keys):
    """The object between the first and the last brace of a program's output."""
    text = output[output.find("{"):output.rfind("}") + 1]
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise MeasurementError(f"no JSON in the output: {output.strip()[-200:]!r}") from error
    missing = [key for key in keys if key not in values]
    if missing:
        raise MeasurementError(f"the JSON has no {', '.join(missing)}: {text[:200]}")
    return values
