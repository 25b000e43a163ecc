#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes reference results of networks with dropout, layer normalization and
residual connections, for tests: layers.json.

PyTorch trains each network in Float64 with automatic differentiation.  The
masks of dropout come from a plain Philox4x32-10 below, from its paper (Salmon
et al., SC 2011), and the definition of the counter:

    key      the network's seed
    counter  (unit // 4, row of the global batch, update from 1,
              5 + 256 * number of the layer)
    word     unit % 4; the unit is kept if word >= round(p * 2**32)

A layer of the network has its index as number; member c of a composite layer
with number q has (q + 1) * 4096 + c.  The counter holds 24 bits of it; the
others change the upper half of the key by exclusive or.

How to run, from the root of the repository (generated with torch 2.15.0; the
result doesn't depend on the processor):

    python3 -m venv /tmp/goldens && /tmp/goldens/bin/pip install torch numpy
    /tmp/goldens/bin/python Tests/Goldens/make_layers.py [--check]

Tests/Goldens/README.md describes every key of the file.
"""

import argparse
import json
import math
import pathlib
import random
import sys

import torch

FILE = (pathlib.Path(__file__).resolve().parent.parent / "NeuralCoreTests"
        / "Resources" / "layers.json")
ACTIVATIONS = {"tanh": torch.tanh, "sigmoid": torch.sigmoid,
               "gelu": torch.nn.functional.gelu, "relu": torch.relu,
               "identity": lambda z: z}
EPSILON, MOMENTUM = 1e-5, 0.9


# --- Dropout's masks ----------------------------------------------------------

def philox(counter, key):
    """The four words of Philox4x32-10 at a counter."""
    x, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
        x = [(b >> 32) ^ x[1] ^ k[0], b & 0xFFFFFFFF,
             (a >> 32) ^ x[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF,
             (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return x


# Known answers of the Random123 library.
assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C,
                                    0x9B00DBD8]
assert philox([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
              [0xA4093822, 0x299F31D0]) == [0xD16CFE09, 0x94FDCCEB,
                                            0x5001E420, 0x24126EA1]


def mask(seed, number, update, rows, units, probability):
    threshold = round(probability * 2 ** 32)
    key = seed ^ (number >> 24 << 32)
    key = (key & 0xFFFFFFFF, key >> 32)
    stream = (5 + 256 * number) & 0xFFFFFFFF
    return [[philox((unit // 4, row, update, stream), key)[unit % 4]
             >= threshold for unit in range(units)] for row in range(rows)]


# --- Layers -------------------------------------------------------------------

def linear(inputs, outputs, activation, norm=False, name=""):
    return {"kind": "linear", "name": name, "inputs": inputs,
            "outputs": outputs, "activation": activation, "norm": norm}


def layer_norm(features, name="norm"):
    return {"kind": "layerNorm", "name": name, "inputs": features}


def dropout(features, probability, name="dropout"):
    return {"kind": "dropout", "name": name, "inputs": features,
            "probability": probability}


def sequential(*members, name=""):
    return {"kind": "sequential", "name": name, "members": list(members)}


def residual(member, name=""):
    return {"kind": "residual", "name": name, "members": [member]}


def prefixes(layer, prefix):
    """(prefix, member) of a composite's members."""
    for member in layer["members"]:
        own = layer["kind"] == "sequential" and member["name"]
        yield (f"{prefix}.{member['name']}" if own else prefix), member


def tensors(layer, prefix):
    """(name, shape, initial value or None for random) of a layer's tensors."""
    kind = layer["kind"]
    if kind == "linear":
        n, m = layer["inputs"], layer["outputs"]
        yield f"{prefix}.weight", (m, n), None
        yield f"{prefix}.bias", (m,), None
        if layer["norm"]:
            yield f"{prefix}.norm.gamma", (n,), None
            yield f"{prefix}.norm.beta", (n,), None
            yield f"{prefix}.norm.running_mean", (n,), 0.0
            yield f"{prefix}.norm.running_var", (n,), 1.0
    elif kind == "layerNorm":
        yield f"{prefix}.gamma", (layer["inputs"],), None
        yield f"{prefix}.beta", (layer["inputs"],), None
    elif kind in ("sequential", "residual"):
        for inner, member in prefixes(layer, prefix):
            yield from tensors(member, inner)


class Network:
    def __init__(self, spec, initial):
        self.spec = spec
        self.tensors = {
            name: torch.tensor(values, dtype=torch.float64)
            for name, values in initial.items()}
        self.update = 1
        self.trains = True
        self.kink = math.inf
        for name in self.trained:
            self.tensors[name].requires_grad_(True)

    @property
    def trained(self):
        return [n for n in self.tensors if ".running_" not in n]

    def __call__(self, rows):
        out = rows
        for index, layer in enumerate(self.spec["layers"]):
            out = self.apply(layer, out, f"layers.{index}", index)
        return out

    def apply(self, layer, x, prefix, number):
        kind, t = layer["kind"], self.tensors
        if kind == "linear":
            if layer["norm"]:
                x = self.batch_norm(x, f"{prefix}.norm")
            z = x @ t[f"{prefix}.weight"].T + t[f"{prefix}.bias"]
            if layer["activation"] == "relu":
                self.kink = min(self.kink, z.detach().abs().min().item())
            return ACTIVATIONS[layer["activation"]](z)
        if kind == "layerNorm":
            return torch.nn.functional.layer_norm(
                x, x.shape[1:], t[f"{prefix}.gamma"], t[f"{prefix}.beta"],
                EPSILON)
        if kind == "dropout":
            if not self.trains:
                return x
            p = layer["probability"]
            kept = torch.tensor(mask(self.spec["seed"], number, self.update,
                                     *x.shape, p), dtype=torch.float64)
            return x * kept / (1 - p)
        out = x
        for c, (inner, member) in enumerate(prefixes(layer, prefix)):
            out = self.apply(member, out, inner, (number + 1) * 4096 + c)
        return x + out if kind == "residual" else out

    def batch_norm(self, x, prefix):
        mean = self.tensors[f"{prefix}.running_mean"]
        variance = self.tensors[f"{prefix}.running_var"]
        if self.trains:
            keep = min(MOMENTUM, 1 - 1 / self.update)
            old = mean, variance
            mean = x.mean(dim=0)
            variance = ((x - mean) ** 2).mean(dim=0)
            for before, now in zip(old, (mean, variance)):
                before.mul_(keep).add_((1 - keep) * now.detach())
        hat = (x - mean) / torch.sqrt(variance + EPSILON)
        return (hat * self.tensors[f"{prefix}.gamma"]
                + self.tensors[f"{prefix}.beta"])


# --- Training -----------------------------------------------------------------

def train(spec, initial, inputs, targets):
    network = Network(spec, initial)
    parameters = [network.tensors[name] for name in network.trained]
    rate = spec["learningRate"]
    optimizer = (torch.optim.SGD(parameters, lr=rate, momentum=0.9)
                 if spec["optimizer"] == "sgd"
                 else torch.optim.Adam(parameters, lr=rate, eps=1e-3))
    losses, norms, first = [], [], None
    for rows, target in zip(inputs, targets):
        outputs = network(torch.tensor(rows, dtype=torch.float64))
        if spec["loss"] == "mse":
            wanted = torch.tensor(target, dtype=torch.float64)
            loss = ((outputs - wanted) ** 2).sum(dim=1).mean()
        else:
            loss = torch.nn.functional.cross_entropy(
                outputs, torch.tensor(target))
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        norms.append(math.sqrt(sum((p.grad ** 2).sum().item()
                                   for p in parameters)))
        if first is None:
            first = {name: network.tensors[name].grad.tolist()
                     for name in network.trained}
        optimizer.step()
        network.update += 1
    network.trains = False
    with torch.no_grad():
        inference = network(torch.tensor(inputs[0], dtype=torch.float64))
    assert network.kink > 1e-4, f"{spec['name']}: at a kink of ReLU"
    return {
        "losses": losses, "gradientNorms": norms,
        "firstGradients": {n: flat(v) for n, v in first.items()},
        "finalTensors": {n: flat(v.tolist())
                         for n, v in network.tensors.items()},
        "inference": flat(inference.tolist()),
    }


def flat(values):
    if not isinstance(values, list):
        return [values]
    return [x for value in values for x in flat(value)]


def nested(values, shape):
    if len(shape) == 1:
        return values
    return [values[i * shape[1]:(i + 1) * shape[1]] for i in range(shape[0])]


# --- Cases --------------------------------------------------------------------

def cases():
    yield "dropout", 3, [
        sequential(linear(4, 6, "tanh", True), dropout(6, 0.3)),
        linear(6, 3, "identity", True)], "cross-entropy", "sgd"
    yield "dropout of inputs and layers", 2 ** 40 + 17, [
        sequential(dropout(5, 0.2, "input_dropout"),
                   linear(5, 37, "relu", True), dropout(37, 0.5)),
        sequential(linear(37, 6, "gelu", True), dropout(6, 0.1)),
        linear(6, 2, "identity", True)], "mse", "adam"
    yield "dropout as layers of the network", 2 ** 64 - 1, [
        dropout(6, 0.25), linear(6, 70, "sigmoid"), dropout(70, 0.75),
        linear(70, 3, "identity")], "cross-entropy", "sgd"
    yield "layer norm", 5, [
        sequential(layer_norm(5), linear(5, 17, "tanh")),
        sequential(layer_norm(17), linear(17, 3, "identity"))], \
        "cross-entropy", "adam"
    yield "layer norm as layers of the network", 5, [
        linear(3, 18, "gelu", True), layer_norm(18), linear(18, 2, "tanh"),
        layer_norm(2)], "mse", "sgd"
    yield "residual", 7, [
        linear(4, 7, "relu", True), residual(linear(7, 7, "relu", True)),
        residual(linear(7, 7, "tanh", True)), linear(7, 3, "identity", True),
        ], "cross-entropy", "sgd"
    yield "residual first layer", 7, [
        residual(sequential(linear(4, 8, "tanh"), linear(8, 4, "gelu",
                                                         name="second"))),
        linear(4, 2, "identity", True)], "mse", "sgd"
    yield "residual, batch norm and dropout", 11, [
        sequential(dropout(4, 0.1, "input_dropout"),
                   linear(4, 33, "tanh", True), dropout(33, 0.2)),
        residual(sequential(linear(33, 33, "relu", True), dropout(33, 0.4))),
        residual(sequential(linear(33, 33, "gelu", True), dropout(33, 0.4))),
        linear(33, 3, "identity", True)], "cross-entropy", "adam"
    yield "residual, layer norm and dropout", 12, [
        sequential(layer_norm(4), linear(4, 9, "tanh"), dropout(9, 0.2)),
        residual(sequential(layer_norm(9), linear(9, 9, "gelu"),
                            dropout(9, 0.3))),
        sequential(layer_norm(9), linear(9, 2, "identity"))], "mse", "sgd"
    yield "nested", 13, [
        residual(sequential(
            residual(sequential(dropout(5, 0.3), layer_norm(5, "inner")),
                     name="a"),
            sequential(linear(5, 6, "tanh", True), dropout(6, 0.5),
                       linear(6, 5, "sigmoid", True, "up"), name="b"),
            residual(sequential(linear(5, 5, "gelu"), dropout(5, 0.5)),
                     name="c"))),
        residual(residual(sequential(linear(5, 5, "tanh", True),
                                     dropout(5, 0.5)))),
        linear(5, 3, "identity", True)], "cross-entropy", "sgd"


def width(layers, key):
    layer = layers[0 if key == "inputs" else -1]
    if "members" in layer:
        return width(layer["members"], key)
    return layer.get(key, layer["inputs"])


def rounded(x):
    return float(f"{x:.10g}")


def make():
    written = []
    for index, (name, seed, layers, loss, optimizer) in enumerate(cases()):
        source = random.Random(index)
        spec = {"name": name, "seed": seed, "layers": layers, "loss": loss,
                "optimizer": optimizer,
                "learningRate": 0.05 if optimizer == "sgd" else 0.01}

        def number(scale):
            # Exact in Float32.
            return round(source.gauss(0, scale) * 1024) / 1024

        initial = {}
        for top, layer in enumerate(layers):
            for tensor, shape, value in tensors(layer, f"layers.{top}"):
                count = math.prod(shape)
                base = 1.0 if tensor.endswith("gamma") else 0.0
                scale = (1 / math.sqrt(shape[1]) if len(shape) == 2 else 0.3)
                values = ([value] * count if value is not None else
                          [base + number(scale) for _ in range(count)])
                initial[tensor] = nested(values, shape)
        rows = [11, 8, 13, 5]
        n, m = width(layers, "inputs"), width(layers, "outputs")
        inputs = [[[number(1) for _ in range(n)] for _ in range(count)]
                  for count in rows]
        targets = [[[number(1) for _ in range(m)] if loss == "mse"
                    else source.randrange(m) for _ in range(count)]
                   for count in rows]
        expected = train(spec, initial, inputs, targets)
        for key, value in expected.items():
            expected[key] = ({n: [rounded(x) for x in v]
                              for n, v in value.items()}
                             if isinstance(value, dict)
                             else [rounded(x) for x in value])
        written.append(spec | {
            "initial": {n: flat(v) for n, v in initial.items()},
            "inputs": [flat(x) for x in inputs],
            ("values" if loss == "mse" else "classes"):
                [flat(t) for t in targets],
            "rows": rows, "expected": expected})
    masks = [{"seed": seed, "layerNumber": number, "update": update,
              "firstRow": first, "units": units, "probability": p,
              "kept": ["".join("01"[k] for k in row) for row in
                       mask(seed, number, update, first + 3, units, p)[first:]]}
             for seed, number, update, first, units, p in [
                 (0, 0, 1, 0, 1, 0.5), (1, 2, 3, 4, 31, 0.2),
                 (2 ** 63 + 5, 4096, 100, 7, 65, 0.5),
                 (9, 4097 * 4096 + 2, 2, 1, 130, 0.9),
                 (9, 2 ** 40 + 1, 2, 1, 33, 0.1)]]
    return json.dumps({"masks": masks, "cases": written},
                      separators=(",", ":")).replace(
                          '{"name"', '\n{"name"') + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true",
                        help="compare with the file instead of writing it")
    text = make()
    if not parser.parse_args().check:
        FILE.write_text(text)
        return
    found, expected = json.loads(FILE.read_text()), json.loads(text)

    def same(a, b):
        if isinstance(a, float) and isinstance(b, float):
            return math.isclose(a, b, rel_tol=1e-8, abs_tol=1e-10)
        if isinstance(a, dict) and isinstance(b, dict):
            return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
        if isinstance(a, list) and isinstance(b, list):
            return len(a) == len(b) and all(map(same, a, b))
        return a == b

    if not same(found, expected):
        sys.exit("layers.json differs from what this script computes")


if __name__ == "__main__":
    main()
