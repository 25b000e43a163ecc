# SPDX-License-Identifier: Apache-2.0
"""Writes a table with categories, numbers and missing cells for which the best possible accuracy is known.

A row's class is drawn first, then its cells, which are independent of each other given the class: categories with
probabilities of each class, numbers from a Gaussian around a mean of each class. There is one interaction: which class
has the larger balance depends on the plan. Then 5 % of all cells are removed at random, and 3 % of the classes are
recorded wrongly.

So P(class | observed cells) is known exactly (Bayes' rule: a product over the observed cells, with a sum over the plans
where the plan is missing), and no classifier is more accurate on average than the one that predicts the more probable
class. The classes overlap so little that scikit-learn's MLPClassifier comes within a point of it; with 8,000 rows of
classes that overlap more, networks overfit (two points below a best accuracy of 86 %).

Writes training.csv and held-out.csv into the folder, with the class as the last column, and prints one line of JSON:
the accuracy of that best classifier on the held-out rows, and its expectation given their observed cells.
"""

import argparse
import json
import pathlib
import sys

import numpy

CLASSES = ("leaves", "stays")
PRIOR = numpy.array((0.45, 0.55))
LEVELS = {
    "plan": ("basic", "plus", "premium"),
    "region": ("north", "east", "south", "west"),
    "channel": ("shop", "web"),
    "device": ("phone", "tablet", "laptop", "desktop", "television"),
    "occupation": ("clerk", "cook", "doctor", "driver", "engineer", "farmer", "nurse", "teacher"),
}
# Probabilities of the levels in each class.
SHARES = {
    "plan": ((0.70, 0.20, 0.10), (0.10, 0.35, 0.55)),
    "region": ((0.50, 0.05, 0.40, 0.05), (0.10, 0.45, 0.10, 0.35)),
    "channel": ((0.85, 0.15), (0.20, 0.80)),
    "device": ((0.55, 0.05, 0.05, 0.30, 0.05), (0.10, 0.25, 0.40, 0.05, 0.20)),
    "occupation": ((0.25, 0.05, 0.05, 0.25, 0.05, 0.05, 0.25, 0.05), (0.05, 0.25, 0.05, 0.05, 0.25, 0.05, 0.05, 0.25)),
}
# Mean over both classes, deviation in each, and half the distance between the classes' means in deviations.
NUMBERS = {
    "age": (44, 13, 1.2),
    "income": (52_000, 15_000, -1.0),
    "visits": (12.5, 3.5, 0.9),
    "distance": (0.8, 0.25, -0.8),
    "balance": (-150, 900, 0.0),
}
# The same for the balance, by plan.
PLAN, BALANCE = list(LEVELS).index("plan"), list(NUMBERS).index("balance")
BALANCE_OF_PLAN = numpy.array((1.2, 0.3, -1.2))

MISSING = 0.05
WRONG = 0.03


def half_distance(plan):
    """Half the distance between the classes' means of each number, rows x numbers."""
    result = numpy.tile([half for _, _, half in NUMBERS.values()], (len(plan), 1))
    result[:, BALANCE] = BALANCE_OF_PLAN[plan]
    return result


def draw(rows, generator):
    """Levels and standardized numbers of complete rows, their recorded classes, and which cells are missing."""
    classes = (generator.random(rows) < PRIOR[1]).astype(int)
    levels = numpy.empty((rows, len(LEVELS)), dtype=int)
    for column, shares in enumerate(SHARES.values()):
        limits = numpy.cumsum(shares, axis=1)[:, :-1]
        levels[:, column] = (generator.random(rows)[:, None] >= limits[classes]).sum(1)
    numbers = generator.standard_normal((rows, len(NUMBERS)))
    numbers += (2 * classes - 1)[:, None] * half_distance(levels[:, PLAN])
    recorded = classes ^ (generator.random(rows) < WRONG)
    return levels, numbers, recorded, generator.random((rows, len(LEVELS) + len(NUMBERS))) < MISSING


def log_densities(levels, numbers, missing):
    """Logarithms of P(class, observed cells), except for a factor common to both classes, rows x classes."""
    without_level, without_number = missing[:, :len(LEVELS)], missing[:, len(LEVELS):]
    result = numpy.tile(numpy.log(PRIOR), (len(levels), 1))
    for column, shares in enumerate(SHARES.values()):
        result += numpy.where(without_level[:, [column]], 0, numpy.log(shares)[:, levels[:, column]].T)
    sign = numpy.array((-1, 1))
    distances = numbers[:, :, None] - half_distance(levels[:, PLAN])[:, :, None] * sign
    result += numpy.where(without_number[:, :, None], 0, -distances**2 / 2).sum(1)
    # Where the plan is missing, the balance was compared with the means of a plan that isn't known: sum over all plans.
    unknown = numpy.flatnonzero(without_level[:, PLAN] & ~without_number[:, BALANCE])
    result[unknown] += distances[unknown, BALANCE]**2 / 2
    balance = numbers[unknown, BALANCE][:, None, None] - BALANCE_OF_PLAN[:, None] * sign
    result[unknown] += numpy.log((numpy.transpose(SHARES["plan"]) * numpy.exp(-balance**2 / 2)).sum(1))
    return result


def probabilities(levels, numbers, missing):
    """P(recorded class is the second | observed cells); the values of missing cells are not used."""
    logarithms = log_densities(levels, numbers, missing)
    true = 1 / (1 + numpy.exp(logarithms[:, 0] - logarithms[:, 1]))
    return true * (1 - WRONG) + (1 - true) * WRONG


def write(path, levels, numbers, classes, missing):
    """Six significant digits; missing cells are empty."""
    columns = [numpy.array(names, dtype=object)[levels[:, column]] for column, names in enumerate(LEVELS.values())]
    columns += [[f"{mean + deviation * value:.6g}" for value in numbers[:, column]]
                for column, (mean, deviation, _) in enumerate(NUMBERS.values())]
    with path.open("w", encoding="ascii") as file:
        file.write(",".join([*LEVELS, *NUMBERS, "outcome"]) + "\n")
        for row, cells in enumerate(zip(*columns)):
            shown = ["" if gone else cell for cell, gone in zip(cells, missing[row])]
            file.write(",".join([*shown, CLASSES[classes[row]]]) + "\n")


def main():
    parser = argparse.ArgumentParser("mixed_table.py", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=10_000,
                        help="number of rows, held-out rows included (default: 10000)")
    parser.add_argument("--held-out", type=int, default=2_000, help="number of held-out rows (default: 2000)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    options = parser.parse_args()
    if not 0 < options.held_out < options.rows:
        sys.exit(f"--held-out {options.held_out}: must be between 0 and --rows {options.rows}")
    table = draw(options.rows, numpy.random.default_rng(options.seed))
    training = options.rows - options.held_out
    write(options.folder / "training.csv", *(part[:training] for part in table))
    held_out = [part[training:] for part in table]
    write(options.folder / "held-out.csv", *held_out)
    levels, numbers, classes, missing = held_out
    probability = probabilities(levels, numbers, missing)
    print(json.dumps({
        "rows": training, "held_out": options.held_out, "missing": float(table[3].mean()),
        "bayes_accuracy": float(((probability > 0.5) == classes).mean()),
        "expected_bayes_accuracy": float(numpy.maximum(probability, 1 - probability).mean()),
    }))


if __name__ == "__main__":
    main()
