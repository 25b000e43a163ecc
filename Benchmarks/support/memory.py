# SPDX-License-Identifier: Apache-2.0
"""Peak memory of all ranks together, counting shared pages once."""

import os
import pathlib
import subprocess
import time

from .program import MeasurementError, end_group
from .runs import lockstep_command

PROC = pathlib.Path("/proc")
INTERVAL = 0.02


def processes_below(ancestor):
    """Process IDs of all descendants."""
    children = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def proportional_megabytes(process):
    """Proportional set size (a page mapped by n processes counts as 1/n); 0 for other programs and exited processes."""
    try:
        if os.path.basename(os.readlink(PROC / str(process) / "exe")) != "lockstep":
            return 0
        for line in (PROC / str(process) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0


def peak_megabytes(workload, ranks, under=(), timeout=300):
    """The maximum memory of all ranks of a bench at one time, sampled every 20 ms."""
    command = [*under, *lockstep_command(workload, ranks)]
    if under:
        timeout *= 10  # the prefix may wait for a lock
    process = subprocess.Popen(
        list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, start_new_session=True)
    peak, deadline = 0, time.monotonic() + timeout
    try:
        while process.poll() is None:
            peak = max(peak, sum(map(proportional_megabytes, processes_below(process.pid))))
            if time.monotonic() > deadline:
                raise MeasurementError(f"timed out after {timeout} s: {command}")
            time.sleep(INTERVAL)
    except BaseException:
        end_group(process)
        raise
    if process.returncode != 0:
        raise MeasurementError(f"bench exited with status {process.returncode}: {process.stderr.read().strip()[-200:]}")
    return peak
