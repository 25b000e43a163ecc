# SPDX-License-Identifier: Apache-2.0
"""Writes the iris and breast cancer tables of scikit-learn into a folder, each in two forms.

iris.csv and breast-cancer.csv are written by pandas, with a header (load_iris(as_frame=True).frame.to_csv). The files
iris-packaged.csv and breast-cancer-packaged.csv are those inside scikit-learn's package: their first line contains
the numbers of rows and features and the names of the classes.
"""

import argparse
import importlib.resources
import pathlib

from sklearn.datasets import load_breast_cancer, load_iris


def main():
    parser = argparse.ArgumentParser("sklearn_tables.py", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    options = parser.parse_args()
    packaged = importlib.resources.files("sklearn.datasets") / "data"
    for name, load in (("iris", load_iris), ("breast_cancer", load_breast_cancer)):
        path = options.folder / name.replace("_", "-")
        load(as_frame=True).frame.to_csv(f"{path}.csv", index=False)
        pathlib.Path(f"{path}-packaged.csv").write_bytes((packaged / f"{name}.csv").read_bytes())


if __name__ == "__main__":
    main()
