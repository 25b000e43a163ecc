# SPDX-License-Identifier: Apache-2.0
"""Arguments, subprocesses and errors of the benchmark programs. An error is one line and a status of sysexits.h."""

import argparse
import os
import pathlib
import shlex
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "Benchmarks"

USAGE, MISSING, UNAVAILABLE, NOT_CREATED = 64, 66, 69, 73


def fail(status, message):
    print(f"Benchmarks/{pathlib.Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(status)


def note(message):
    """Reports progress on standard error; standard output is for results only."""
    print(message, file=sys.stderr, flush=True)


class Arguments(argparse.ArgumentParser):
    """An argument parser whose errors exit with status 64."""

    def __init__(self, description):
        super().__init__(description=description, formatter_class=argparse.RawTextHelpFormatter)

    def error(self, message):
        fail(USAGE, f"{message}; see --help")


class MeasurementError(Exception):
    """A measured program failed or printed no result."""


def end_on_sigterm():
    """Turns SIGTERM into a normal exit, which stops subprocesses and removes temporary files."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def run(command, environment=None, under=(), timeout=300):
    """The standard output of a command, which is killed with its children when it exceeds the timeout.

    Raises MeasurementError if it fails."""
    line = [*under, *map(str, command)]
    if under:
        timeout *= 10  # the prefix may wait for a lock
    try:
        process = subprocess.Popen(
            line, env=dict(os.environ, **(environment or {})), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True)
    except OSError as error:
        raise MeasurementError(f"{line[0]}: {error.strerror}") from error
    try:
        output, errors = process.communicate(timeout=timeout)
    except BaseException as error:
        end_group(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise MeasurementError(f"timed out after {timeout} s: {shlex.join(line)}") from error
        raise
    if process.returncode != 0:
        lines = [text for text in (errors or output).splitlines() if text.strip()]
        raise MeasurementError(
            f"{lines[-1] if lines else 'no output'} (status {process.returncode}: {shlex.join(line)})")
    return output


def end_group(process):
    """Ends a process and its children: with SIGTERM, so that mpirun ends its ranks, then with SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
