# SPDX-License-Identifier: Apache-2.0
"""Runs lockstep bench and the peers, and reads the line of JSON that each prints."""

import dataclasses
import json
import os
import pathlib
import statistics
from dataclasses import dataclass

from . import machine
from .program import BENCHMARKS, MISSING, ROOT, MeasurementError, fail, run

DEFAULT_PEERS = BENCHMARKS / ".peers"


@dataclass(frozen=True)
class Variant:
    """One way to run a peer; {scan} in its arguments is replaced by the workload's value."""

    peer: str
    arguments: tuple = ()
    ranks: int = 1
    threads: int = 1
    mpi: bool = False

    @property
    def name(self):
        """A name such as jax scan inline, 1 x 2 (ranks x threads)."""
        words = [word.removeprefix("--").removesuffix(" {scan}") for word in reversed(self.arguments)]
        plain = {"torch": "eager", "jax": "jit", "mlx": "compile"}[self.peer]
        if self.peer == "jax" and "scan" not in words or not words:
            words.insert(0, plain)
        return f"{self.peer} {' '.join(words)}, {self.ranks} x {self.threads}"


PROGRAMS = {"torch": "torch_ddp.py", "jax": "jax_dp.py", "mlx": "mlx_dp.py"}


def peer_environment(folder, variant):
    """Environment variables that make a peer fast; without them the peers are 1.5 to 20 times slower."""
    preload = pathlib.Path(folder) / "preload"
    if variant.peer == "torch":
        return {"LD_PRELOAD": f"{preload / 'libmkl_intel_cpu.so'}:{preload / 'libtcmalloc_minimal.so.4'}"}
    if variant.peer == "mlx":
        # OpenBLAS starts its threads when it is loaded, before the program can set their number.
        variables = {"LD_PRELOAD": str(preload / "libopenblas.so.0"), "OPENBLAS_NUM_THREADS": str(variant.threads)}
        if machine.has_avx512():
            variables["OPENBLAS_CORETYPE"] = "SkylakeX"
        return variables
    return {}


def need_peers(folder):
    needed = ["bin/python", "preload/libmkl_intel_cpu.so", "preload/libtcmalloc_minimal.so.4"]
    if not all((pathlib.Path(folder) / name).exists() for name in needed):
        fail(MISSING, f"{folder} has no peers installed: run Benchmarks/setup-peers {folder} first")


def need_lockstep():
    binary = os.environ.get("LOCKSTEP_BINARY", str(ROOT / ".build/release/lockstep"))
    if not os.access(binary, os.X_OK):
        fail(MISSING, f"{binary} is not built: run launch/build first")


def peer_command(folder, workload, variant):
    """The command of one rank of a peer; without MPI the program itself starts further ranks."""
    command = [pathlib.Path(folder) / "bin/python", BENCHMARKS / "peers" / PROGRAMS[variant.peer]]
    command += ["--layers", workload.widths, *workload.options, "--threads", str(variant.threads)]
    for argument in variant.arguments:
        command += argument.format(scan=workload.scan).split()
    return command


def measure_peer(folder, workload, variant, under=(), timeout=300):
    """Runs a peer; returns the values of its line of JSON."""
    command = peer_command(folder, workload, variant)
    environment = peer_environment(folder, variant)
    if variant.mpi:
        exported = [word for name, value in environment.items() for word in ("-x", f"{name}={value}")]
        command = ["mpirun", "--quiet", "--allow-run-as-root", "-n", str(variant.ranks), "--bind-to", "none",
                   *exported, *command]
        environment = {}
    else:
        command += ["--ranks", str(variant.ranks)]
    return json_line(run(command, environment, under, timeout))


def lockstep_command(workload, ranks, launcher=()):
    """The command of lockstep bench, started as a user would, with default options."""
    return [ROOT / "launch/run", "-n", str(ranks), *launcher, "--", "bench", "--widths", workload.widths,
            *workload.options]


def measure_lockstep(workload, ranks, under=(), timeout=300):
    """Runs lockstep bench; returns the values of its line of JSON."""
    return json_line(run(lockstep_command(workload, ranks), None, under, timeout))


def measure_side_by_side(workload, under=(), timeout=300):
    """Steps per second of two independent processes with half the batch and one core each.

    This is the speed of two ranks if communication took no time, on cores that share power, memory and cache.
    """
    half = dataclasses.replace(workload, batch=workload.batch // 2)
    script = 'taskset -c 0 "$@" & one=$!; taskset -c 1 "$@" & wait "$one" && wait $!'
    command = ["bash", "-c", script, "apart", *lockstep_command(half, 1, ("--bind", "none"))]
    lines = [line for line in run(command, None, under, timeout).splitlines() if line.startswith("{")]
    if len(lines) != 2:
        raise MeasurementError(f"only {len(lines)} of two independent processes printed a result")
    return statistics.mean(json_line(line)["steps_per_s"] for line in lines)


def json_line(output):
    """The last line of JSON in a program's output."""
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            try:
                values = json.loads(line)
            except json.JSONDecodeError:
                continue
            if "steps_per_s" in values:
                return values
    raise MeasurementError(f"no line of JSON in the output: {output.strip()[-200:]!r}")
