# SPDX-License-Identifier: Apache-2.0
"""Medians with their spread, and how they are formatted."""

import statistics


def spread(values):
    """Median, minimum and maximum."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def number(value):
    """Three significant digits; numbers from 1000 on are rounded to integers."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def text(of, digits=None):
    """A spread in the form 1.42 (1.40 to 1.45)."""
    write = number if digits is None else (lambda value: f"{value:.{digits}f}")
    if of["min"] == of["max"]:
        return write(of["median"])
    return f"{write(of['median'])} ({write(of['min'])} to {write(of['max'])})"


def table(head, rows):
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
