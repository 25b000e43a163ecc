# SPDX-License-Identifier: Apache-2.0
"""Held-out accuracy of scikit-learn's MLPClassifier on a table, with the features that Lockstep makes of it.

The last column is the class. Columns of words become one column per level of the training rows, with missing cells as a
level of their own; missing numbers become the mean of the training rows; all columns are standardized. Prints one
line of JSON.
"""

import argparse
import json
import warnings

import numpy
import pandas
import sklearn
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def features():
    """The transformation of a table's columns, fitted to the training rows."""
    words = make_pipeline(SimpleImputer(strategy="constant", fill_value="(missing)"),
                          OneHotEncoder(handle_unknown="ignore", sparse_output=False))
    numbers = SimpleImputer(strategy="mean")
    columns = make_column_transformer((numbers, make_column_selector(dtype_include="number")),
                                      (words, make_column_selector(dtype_exclude="number")))
    return make_pipeline(columns, StandardScaler())


def main():
    parser = argparse.ArgumentParser("sklearn_mlp.py", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("training")
    parser.add_argument("held_out")
    parser.add_argument("--layers", default="100", help="widths of the hidden layers (default: scikit-learn's)")
    parser.add_argument("--batch", type=int, default=200, help="rows per batch (default: scikit-learn's)")
    parser.add_argument("--epochs", type=int, default=200, help="maximum number of epochs (default: scikit-learn's)")
    parser.add_argument("--seeds", default="0,1,2", help="seeds, one network each (default: 0,1,2)")
    options = parser.parse_args()
    training, held_out = pandas.read_csv(options.training), pandas.read_csv(options.held_out)
    target = training.columns[-1]
    make = features()
    x = make.fit_transform(training.drop(columns=target)).astype(numpy.float32)
    x_held_out = make.transform(held_out.drop(columns=target)).astype(numpy.float32)
    warnings.simplefilter("ignore", ConvergenceWarning)
    accuracies = []
    for seed in options.seeds.split(","):
        network = MLPClassifier([int(width) for width in options.layers.split(",")], batch_size=options.batch,
                                max_iter=options.epochs, random_state=int(seed))
        network.fit(x, training[target])
        accuracies.append(float(network.score(x_held_out, held_out[target])))
    print(json.dumps({"features": x.shape[1], "accuracies": accuracies, "versions": {
        "scikit-learn": sklearn.__version__, "pandas": pandas.__version__}}))


if __name__ == "__main__":
    main()
