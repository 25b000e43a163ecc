#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes Tests/Reference/tables with pandas and scikit-learn: table_features.py [FOLDER]

mixed.csv is a table with numbers, words, missing cells and a numeric target; mixed-new.csv has new rows, in another order of
columns and with a level that mixed.csv doesn't have. For each, NAME-features.csv and NAME-targets.csv hold what
SimpleImputer, OneHotEncoder and StandardScaler, fitted to mixed.csv, make of the rows.
"""

import pathlib
import sys

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "tables")
folder.mkdir(exist_ok=True)
random = np.random.default_rng(15)
COLORS = ["red", "green", "dark, blue", 'so-called "teal"']


def table(rows, colors):
    frame = pd.DataFrame({
        "size": random.normal(10, 3, rows).round(4),
        "color": random.choice(colors, rows),
        "rooms": random.integers(1, 9, rows).astype("float64"),
        "heated": random.choice([True, False], rows),
        "kind": random.choice(["b", "a", "Z", "10", "9"], rows),
        "price": (random.normal(2e5, 4e4, rows)).round(2),
    })
    frame.loc[random.random(rows) < 0.15, "size"] = np.nan
    frame.loc[random.random(rows) < 0.2, "color"] = np.nan
    frame.loc[random.random(rows) < 0.1, "rooms"] = np.nan
    return frame


def level_order(values):
    return sorted(values, key=lambda value: value.encode())


train = table(80, COLORS)
new = table(30, COLORS + ["unknown"])
missing = "a missing cell"
# The level of missing cells comes last.
colors = level_order(set(train["color"].dropna())) + [missing]
encoder = make_column_transformer(
    (SimpleImputer(strategy="mean"), ["size"]),
    (OneHotEncoder(categories=[colors], handle_unknown="ignore", sparse_output=False), ["color"]),
    (SimpleImputer(strategy="mean"), ["rooms"]),
    ("passthrough", ["heated"]),
    (OneHotEncoder(categories=[level_order(set(train["kind"]))], handle_unknown="ignore", sparse_output=False),
     ["kind"]),
)
scaler = StandardScaler().fit(train[["price"]])


def prepared(frame):
    return frame.fillna({"color": missing}).astype({"heated": "float64"})


encoder.fit(prepared(train))
train.to_csv(folder / "mixed.csv", index=False, na_rep="NA")
new[["price", "kind", "heated", "rooms", "color", "size"]].to_csv(folder / "mixed-new.csv", index=False, sep=";")
for name, frame in [("mixed", train), ("mixed-new", new)]:
    np.savetxt(folder / f"{name}-features.csv", encoder.transform(prepared(frame)), fmt="%.17g", delimiter=",")
    np.savetxt(folder / f"{name}-targets.csv", scaler.transform(frame[["price"]]), fmt="%.17g", delimiter=",")
