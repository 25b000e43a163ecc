# SPDX-License-Identifier: Apache-2.0
"""Starts Lockstep's bench and the peers, and reads the line of JSON that each prints."""

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
    """One way to run a peer; {scan} in its arguments stands for the workload's."""

    peer: str
    arguments: tuple = ()
    ranks: int = 1
    threads: int = 1
    mpi: bool = False

    @property
    def name(self):
        """Such as jax scan inline, 1 x 2: ranks x threads."""
        words = [word.removeprefix("--").removesuffix(" {scan}") for word in reversed(self.arguments)]
        plain = {"torch": "eager", "jax": "jit", "mlx": "compile"}[self.peer]
        if self.peer == "jax" and "scan" not in words or not words:
            words.insert(0, plain)
        return f"{self.peer} {' '.join(words)}, {self.ranks} x {self.threads}"


PROGRAMS = {"torch": "torch_ddp.py", "jax": "jax_dp.py", "mlx": "mlx_dp.py"}


def peer_environment(folder, variant):
    """The settings that make a peer fast; without them they are 1.5 to 20 times slower."""
    preload = pathlib.Path(folder) / "preload"
    if variant.peer == "torch":
        return {"LD_PRELOAD": f"{preload / 'libmkl_intel_cpu.so'}:{preload / 'libtcmalloc_minimal.so.4'}"}
    if variant.peer == "mlx":
        # Its thread pool starts at load, before the program can say how many threads it wants.
        variables = {"LD_PRELOAD": str(preload / "libopenblas.so.0"), "OPENBLAS_NUM_THREADS": str(variant.threads)}
        if machine.has_avx512():
            variables["OPENBLAS_CORETYPE"] = "SkylakeX"
        return variables
    return {}


def need_peers(folder):
    needed = ["bin/python", "preload/libmkl_intel_cpu.so", "preload/libtcmalloc_minimal.so.4"]
    if not all((pathlib.Path(folder) / name).exists() for name in needed):
        fail(MISSING, f"{folder} has no peers: run Benchmarks/setup-peers {folder} first")


def need_lockstep():
    binary = os.environ.get("LOCKSTEP_BINARY", str(ROOT / ".build/release/lockstep"))
    if not os.access(binary, os.X_OK):
        fail(MISSING, f"{binary} is not built: run launch/build first")


def peer_command(folder, workload, variant):
    """The command of a peer's one rank; several ranks without MPI are started by the program itself."""
    command = [pathlib.Path(folder) / "bin/python", BENCHMARKS / "peers" / PROGRAMS[variant.peer]]
    command += ["--layers", workload.widths, *workload.options, "--threads", str(variant.threads)]
    for argument in variant.arguments:
        command += argument.format(scan=workload.scan).split()
    return command


def measure_peer(folder, workload, variant, under=(), timeout=300):
    """Steps a second and more, as the peer's line of JSON says."""
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
    """Lockstep's bench, started as a user would and with its defaults."""
    return [ROOT / "launch/run", "-n", str(ranks), *launcher, "--", "bench", "--widths", workload.widths,
            *workload.options]


def measure_lockstep(workload, ranks, under=(), timeout=300):
    """Steps a second and more of Lockstep."""
    return json_line(run(lockstep_command(workload, ranks), None, under, timeout))


def measure_side_by_side(workload, under=(), timeout=300):
    """Steps a second of each of two programs with half the batch, on a core each, that know nothing of each other.

    What two ranks would do if exchanging took no time, on cores that share power, memory and cache.
    """
    half = dataclasses.replace(workload, batch=workload.batch // 2)
    script = 'taskset -c 0 "$@" & one=$!; taskset -c 1 "$@" & wait "$one" && wait $!'
    command = ["bash", "-c", script, "apart", *lockstep_command(half, 1, ("--bind", "none"))]
    lines = [line for line in run(command, None, under, timeout).splitlines() if line.startswith("{")]
    if len(lines) != 2:
        raise MeasurementError(f"{len(lines)} of two programs that ran side by side printed a line")
    return statistics.mean(json_line(line)["steps_per_s"] for line in lines)


def json_line(output):
    """The last line of JSON in what a program printed."""
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            try:
                values = json.loads(line)
            except json.JSONDecodeError:
                continue
            if "steps_per_s" in values:
                return values
    raise MeasurementError(f"no line of JSON in what it printed: {output.strip()[-200:]!r}")
