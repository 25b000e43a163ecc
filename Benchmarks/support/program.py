# SPDX-License-Identifier: Apache-2.0
"""How a benchmark program reads its arguments, starts others and ends: one line and a status of sysexits.h."""

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
    """A line on how far things are; results alone go to standard output."""
    print(message, file=sys.stderr, flush=True)


class Arguments(argparse.ArgumentParser):
    """Wrong usage ends with 64."""

    def __init__(self, description):
        super().__init__(description=description, formatter_class=argparse.RawTextHelpFormatter)

    def error(self, message):
        fail(USAGE, f"{message}; see --help")


class MeasurementError(Exception):
    """A program that was to be measured gave no figures."""


def end_on_sigterm():
    """Turns SIGTERM into an exit that ends what was started and removes what was made."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def run(command, environment=None, under=(), timeout=300):
    """What a command prints. It is ended, with all that it started, when it takes longer than the timeout.

    Raises MeasurementError when it fails."""
    line = [*under, *map(str, command)]
    if under:
        timeout *= 10  # it may wait its turn
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
            raise MeasurementError(f"no end after {timeout} s: {shlex.join(line)}") from error
        raise
    if process.returncode != 0:
        lines = [text for text in (errors or output).splitlines() if text.strip()]
        raise MeasurementError(f"{lines[-1] if lines else 'no word'} (status {process.returncode}: {shlex.join(line)})")
    return output


def end_group(process):
    """Ends a process and its children: politely, so that mpirun ends its ranks, then for sure."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
