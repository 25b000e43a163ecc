# SPDX-License-Identifier: Apache-2.0
"""Writes a CSV file of random numbers: 28 features and a target, with a header.

Numbers have six significant digits and both signs; the features' magnitudes differ. The target is 0 or 1.
"""

import argparse
import pathlib

import numpy

FEATURES = 28
BLOCK = 10_000


def main():
    parser = argparse.ArgumentParser("number_table.py", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=1_000_000, help="number of rows (default: 1000000)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    options = parser.parse_args()
    generator = numpy.random.default_rng(options.seed)
    magnitudes = 10.0 ** (numpy.arange(FEATURES) % 6 - 3)
    centers = numpy.where(numpy.arange(FEATURES) % 3 == 0, 2 * magnitudes, 0)
    line = ",".join(["%.6g"] * FEATURES + ["%d"]) + "\n"
    with options.file.open("w", encoding="ascii") as file:
        file.write(",".join([f"feature_{column}" for column in range(1, FEATURES + 1)] + ["target"]) + "\n")
        for start in range(0, options.rows, BLOCK):
            rows = min(BLOCK, options.rows - start)
            values = generator.standard_normal((rows, FEATURES)) * magnitudes + centers
            target = generator.integers(0, 2, (rows, 1))
            file.write((line * rows) % tuple(numpy.hstack([values, target]).ravel().tolist()))


if __name__ == "__main__":
    main()
