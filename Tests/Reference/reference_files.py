# SPDX-License-Identifier: Apache-2.0
"""Readers of the input files of five_steps.py: checkpoints and CSV tables."""

import array
import csv
import gzip
import json
import math
import struct
import sys

KINDS = {  # suffix of a tensor's name -> key of a layer
    "weight": "weight", "bias": "bias",
    "norm.gamma": "gamma", "norm.beta": "beta",
    "norm.running_mean": "mean", "norm.running_var": "variance",
}


class Unusable(Exception):
    """Invalid arguments or files."""


def read_safetensors(path):
    """name -> (shape, numbers) of the network's tensors in a file."""
    with open(path, "rb") as file:
        content = file.read()
    if len(content) < 8:
        raise Unusable(f"{path}: not a safetensors file")
    length = struct.unpack_from("<Q", content)[0]
    try:
        header = json.loads(content[8:8 + length])
    except ValueError:
        raise Unusable(f"{path}: the header is not valid JSON") from None
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or name.startswith("optimizer."):
            continue
        if entry["dtype"] != "F32":
            raise Unusable(f"{path}: {name} is {entry['dtype']}, not F32")
        begin, end = entry["data_offsets"]
        values = array.array("f")
        values.frombytes(content[8 + length + begin:8 + length + end])
        if sys.byteorder == "big":
            values.byteswap()
        if len(values) != math.prod(entry["shape"]):
            raise Unusable(f"{path}: {name} is truncated")
        tensors[name] = (entry["shape"], list(values))
    return tensors


def layers_of(tensors, path):
    """The layers in order, from named tensors; weights are lists of rows."""
    layers = []
    while f"layers.{len(layers)}.weight" in tensors:
        prefix = f"layers.{len(layers)}."
        layer = {}
        for suffix, key in KINDS.items():
            if prefix + suffix not in tensors:
                raise Unusable(f"{path}: {prefix}{suffix} is missing")
            layer[key] = list(tensors[prefix + suffix][1])
        m, n = tensors[prefix + "weight"][0]
        layer["weight"] = [layer["weight"][k * n:(k + 1) * n]
                           for k in range(m)]
        layers.append(layer)
    expected = {f"layers.{i}.{suffix}" for i in range(len(layers))
                for suffix in KINDS}
    if not layers or set(tensors) != expected:
        raise Unusable(f"{path}: missing or unexpected tensors: "
                       f"{sorted(set(tensors) ^ expected)}")
    return layers


def is_number(text):
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def read_data(path, divide):
    """(features as columns, class index of each row, number of classes)."""
    opened = (gzip.open(path, "rt", newline="") if path.endswith(".gz")
              else open(path, newline=""))
    with opened as file:
        rows = [row for row in csv.reader(file) if row]
    if rows and not all(map(is_number, rows[0][:-1])):
        del rows[0]
    if not rows:
        raise Unusable(f"{path}: no rows")
    labels = [row[-1].strip() for row in rows]
    names = sorted(set(labels))
    if all(map(is_number, names)):
        names.sort(key=float)
    index = {name: i for i, name in enumerate(names)}
    try:
        # Rounded to Float32, as in training.
        features = [array.array("f", [float(x) / divide for x in row[:-1]])
                    for row in rows]
    except ValueError as error:
        raise Unusable(f"{path}: {error}") from None
    if len(set(map(len, features))) != 1:
        raise Unusable(f"{path}: rows have different lengths")
    columns = [list(column) for column in zip(*features)]
    return columns, [index[label] for label in labels], len(names)
