# SPDX-License-Identifier: Apache-2.0
"""A description of the machine on which the results were measured."""

import datetime
import os
import subprocess

from .program import ROOT

# (family, first model, last model) of AMD's architectures, for virtual machines, whose processor names say little.
AMD = {
    "Zen 3": [(25, 0x00, 0x0F), (25, 0x20, 0x5F)],
    "Zen 4": [(25, 0x10, 0x1F), (25, 0x60, 0x7F), (25, 0xA0, 0xAF)],
    "Zen 5": [(26, 0x00, 0xFF)],
}


def processor():
    """A description such as AMD EPYC (Zen 4; family 25, model 17; AVX-512)."""
    fields = {}
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    family, model = int(fields.get("cpu family", 0)), int(fields.get("model", 0))
    words = [f"family {family}, model {model}"]
    for name, ranges in AMD.items():
        if any(family == f and low <= model <= high for f, low, high in ranges):
            words.insert(0, name)
    words.append("AVX-512" if has_avx512() else "no AVX-512")
    return f"{fields.get('model name', 'unknown processor')} ({'; '.join(words)})"


def has_avx512():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
        return any(line.startswith("flags") and " avx512f " in line for line in lines)


def cores():
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def commit():
    """The commit of the measured source, with a + if there are uncommitted changes."""
    def git(*arguments):
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")


def description():
    """The header of a results file."""
    return {
        "processor": processor(), "cores": cores(), "kernel": os.uname().release, "commit": commit(),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "load": os.getloadavg()[0],
    }
