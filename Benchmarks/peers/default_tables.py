# SPDX-License-Identifier: Apache-2.0
"""Writes small and middle tables for Benchmarks/defaults: scikit-learn's own, and generated ones.

Each is split several times into rows for training and for evaluation: FOLDER/NAME.SPLIT.training.csv and
FOLDER/NAME.SPLIT.held-out.csv. The target is the last column. Prints one line of JSON: of each table what the
target is, the number of training rows, and the number of splits.
"""

import argparse
import json
import pathlib

import numpy
import pandas
from sklearn import datasets
from sklearn.model_selection import train_test_split


def named(features):
    return pandas.DataFrame(features, columns=[f"x{i}" for i in range(features.shape[1])])


def known(name):
    data = getattr(datasets, f"load_{name}")()
    return named(data.data), data.target


def classification(rows, columns, informative, classes, flipped, seed):
    features, target = datasets.make_classification(
        rows, columns, n_informative=informative, n_classes=classes, flip_y=flipped, random_state=seed)
    return named(features), target


def moons():
    features, target = datasets.make_moons(1500, noise=0.25, random_state=1)
    return named(features), target


def hastie():
    features, target = datasets.make_hastie_10_2(12000, random_state=3)
    return named(features), (target > 0).astype(int)


def linear(rows, columns):
    """Classes of a noisy linear function, which a linear model fits best."""
    draw = numpy.random.default_rng(rows)
    features = draw.normal(size=(rows, columns))
    score = features @ draw.normal(size=columns) + 1.5 * draw.logistic(size=rows)
    return named(features), (score > 0).astype(int)


def regression(make, *arguments, **options):
    features, target = make(*arguments, **options)
    return named(features), target


def additive(rows, seed, levels, numbers, noise, flipped):
    """Classes of a noisy sum of columns of words and numbers, with 5 % of the cells missing."""
    draw, effects = numpy.random.default_rng(seed), numpy.random.default_rng(97)
    score, columns = numpy.zeros(rows), {}
    for index, count in enumerate(levels):
        codes = draw.integers(0, count, rows)
        score += effects.normal(0, 1, count)[codes]
        columns[f"c{index}"] = numpy.array([f"v{code}" for code in range(count)], dtype=object)[codes]
    for index in range(numbers):
        x = draw.normal(size=rows)
        score += effects.normal() * x
        columns[f"n{index}"] = (x * 10.0 ** effects.integers(-2, 4)).round(5)
    target = (score + noise * draw.logistic(size=rows) > numpy.median(score)).astype(int)
    target = numpy.where(draw.random(rows) < flipped, 1 - target, target)
    features = pandas.DataFrame(columns)
    return features.mask(draw.random(features.shape) < 0.05), target


# Name: whether the target is classes, the number of splits, and how the table is made.
TABLES = {
    "iris": (True, 10, lambda: known("iris")),
    "wine": (True, 10, lambda: known("wine")),
    "breast_cancer": (True, 10, lambda: known("breast_cancer")),
    "digits": (True, 4, lambda: known("digits")),
    "diabetes": (False, 10, lambda: known("diabetes")),
    "classes150": (True, 10, lambda: classification(150, 10, 5, 2, 0.05, 7)),
    "classes600": (True, 6, lambda: classification(600, 20, 8, 3, 0.05, 8)),
    "classes2k": (True, 4, lambda: classification(2000, 20, 10, 2, 0.05, 1)),
    "classes10k": (True, 2, lambda: classification(10000, 30, 12, 4, 0.05, 2)),
    "classes50k": (True, 1, lambda: classification(50000, 40, 15, 3, 0.02, 3)),
    "moons": (True, 4, moons),
    "hastie12k": (True, 2, hastie),
    "linear1k": (True, 5, lambda: linear(1000, 10)),
    "linear10k": (True, 2, lambda: linear(10000, 15)),
    "additive1k": (True, 5, lambda: additive(1000, 4, (3, 4, 2, 5, 8), 5, 0.4, 0.05)),
    "additive10k": (True, 2, lambda: additive(10000, 3, (3, 4, 2, 5, 8), 5, 0.4, 0.05)),
    "onehot20k": (True, 1, lambda: additive(20000, 5, (60, 60, 60, 30, 30, 100), 0, 0.5, 0)),
    "linear300": (False, 8, lambda: regression(
        datasets.make_regression, 300, 10, n_informative=5, noise=30, random_state=2)),
    "linear5k": (False, 2, lambda: regression(
        datasets.make_regression, 5000, 20, n_informative=10, noise=20, random_state=1)),
    "friedman1": (False, 4, lambda: regression(datasets.make_friedman1, 2000, 10, noise=1, random_state=1)),
    "friedman2": (False, 2, lambda: regression(datasets.make_friedman2, 8000, noise=50, random_state=2)),
    "friedman3": (False, 4, lambda: regression(datasets.make_friedman3, 1500, noise=0.1, random_state=2)),
}


def main():
    parser = argparse.ArgumentParser("default_tables.py", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", help="names of tables, separated by commas (default: all)")
    options = parser.parse_args()
    written = {}
    for name in options.only.split(",") if options.only else TABLES:
        has_classes, splits, make = TABLES[name]
        features, target = make()
        target = numpy.asarray(target)
        table = features.assign(y=numpy.array([f"c{value}" for value in target], dtype=object) if has_classes else target)
        for split in range(splits):
            training, held_out = train_test_split(
                table, test_size=0.25, random_state=split, stratify=target if has_classes else None)
            for rows, part in ((training, "training"), (held_out, "held-out")):
                rows.to_csv(options.folder / f"{name}.{split}.{part}.csv", index=False, float_format="%.6g")
        written[name] = {"classes": has_classes, "rows": len(training), "splits": splits}
    print(json.dumps(written))


if __name__ == "__main__":
    main()
