# SPDX-License-Identifier: Apache-2.0
"""Held-out accuracy or R2 of scikit-learn's MLPClassifier or MLPRegressor with default options.

The target is the last column; the features are those of sklearn_mlp.py, standardized. Numbers are predicted as they
are, and standardized as Lockstep does; the better one counts. Prints one line of JSON.
"""

import argparse
import json
import warnings

import numpy
import pandas
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sklearn_mlp import features


def main():
    parser = argparse.ArgumentParser("sklearn_defaults.py", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("training")
    parser.add_argument("held_out")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    training, held_out = pandas.read_csv(options.training), pandas.read_csv(options.held_out)
    name = training.columns[-1]
    y, y_held_out = training[name], held_out[name]
    make = features()
    x = make.fit_transform(training.drop(columns=name)).astype(numpy.float32)
    x_held_out = make.transform(held_out.drop(columns=name)).astype(numpy.float32)
    warnings.simplefilter("ignore", ConvergenceWarning)
    if y.dtype.kind in "OSU" or str(y.dtype).startswith("str"):
        score = MLPClassifier(random_state=options.seed).fit(x, y).score(x_held_out, y_held_out)
    else:
        raw = MLPRegressor(random_state=options.seed).fit(x, y).score(x_held_out, y_held_out)
        mean, deviation = y.mean(), y.std(ddof=0)
        scaled = MLPRegressor(random_state=options.seed).fit(x, (y - mean) / deviation)
        score = max(raw, scaled.score(x_held_out, (y_held_out - mean) / deviation))
    print(json.dumps({"score": float(score)}))


if __name__ == "__main__":
    main()
