#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the Float64 references that the tests of NeuralCore are held to.

A network of the same meaning as Lockstep's is trained for a few steps with
PyTorch's automatic differentiation in Float64.  The derivatives come from
autograd, so nothing of the trainer's own backward pass is repeated here:

- mode "exact": autograd goes through the batch statistics;
- mode "frozen": the statistics are detached, so they count as constants.

Batch norm is written out (torch.nn.BatchNorm1d keeps the *unbiased* variance
in its running statistics, and Lockstep the population variance).

How to run, from the root of the repository:

    python3 -m venv /tmp/goldens
    /tmp/goldens/bin/pip install torch numpy
    /tmp/goldens/bin/python Tests/Goldens/make_goldens.py

The committed file was made with Python 3.11.7 and torch 2.13.0+cpu, one
thread, x86-64.  Inputs, weights and hyper-parameters follow from SEED, so a
second run writes the same bytes there; another torch release or processor
may change the last digit or two of the Float64 results, nothing more.

    --output FILE   where to write, instead of
                    Tests/NeuralCoreTests/Resources/goldens.json
    --check         compare with FILE instead of writing it (to 1e-9 relative)
    --seed N        another seed; the conditions below decide whether it serves
    --verbose       for every case, how far torch's own Float32 run ends up

Every input, target and initial weight is a multiple of 1/4096, or of 1/16 in
the large-mean cases, so a Float32 program starts from exactly these numbers.
Before it writes, the script checks itself and stops if a condition fails:

- gradients against central differences of the loss, in both modes;
- the optimizers' formulas against torch.optim;
- no pre-activation of a ReLU is so close to the kink that Float32 rounding
  could put it on the other side;
- under Adam with epsilon 1e-8, every gradient is exactly zero or large
  enough to have a sign in Float32 (Adam divides noise by its own size);
- the same run in Float32 ends within FLOAT32_TOLERANCE of the Float64 one.

The file, key by key, is described in Tests/Goldens/README.md.
"""

import argparse
import json
import math
import pathlib
import platform
import random
import sys

import torch

SEED = 29
STEPS = 4
ROWS = 11
WIDTHS = [5, 7, 6, 3]
EPSILON = 1e-5
NORM_MOMENTUM = 0.9
TENSORS = ("weight", "bias", "gamma", "beta")
KINK_MARGIN = 2e-5
GRADIENT_MARGIN = 1e-5
FLOAT32_TOLERANCE = 2e-5
DEFAULT_OUTPUT = (
    pathlib.Path(__file__).resolve().parent.parent
    / "NeuralCoreTests" / "Resources" / "goldens.json")

ACTIVATIONS = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "identity": lambda z: z,
}


# --- Numbers that Float32 can hold ------------------------------------------

class Numbers:
    """A seeded source of multiples of 1/4096."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def uniform(self, low, high, grid=4096):
        draw = low + (high - low) * self.random.random()
        return round(draw * grid) / grid

    def normal(self, mean=0.0, deviation=1.0, grid=4096):
        # Box-Muller on random(), whose sequence Python promises to keep.
        radius = math.sqrt(-2 * math.log(1 - self.random.random()))
        angle = 2 * math.pi * self.random.random()
        draw = mean + deviation * radius * math.cos(angle)
        return round(draw * grid) / grid

    def rows(self, count, width):
        # Features of different location and spread, as real data has.
        return [[self.normal(0.5 * j - 1, 0.5 + (0.5 * j) % 2)
                 for j in range(width)] for _ in range(count)]

    def classes(self, count, classes):
        return [int(self.random.random() * classes) for _ in range(count)]

    def soft_row(self, classes):
        # Multiples of 1/64 that add up to exactly one.
        cuts = sorted(int(self.random.random() * 65)
                      for _ in range(classes - 1))
        edges = [0] + cuts + [64]
        return [(b - a) / 64 for a, b in zip(edges, edges[1:])]

    def initial(self, widths):
        layers = []
        for n, m in zip(widths, widths[1:]):
            scale = math.sqrt(2 / n)
            layers.append({
                "weight": [[self.normal(0, scale) for _ in range(n)]
                           for _ in range(m)],
                "bias": [self.normal(0, 0.25) for _ in range(m)],
                "gamma": [self.uniform(0.5, 1.5) for _ in range(n)],
                "beta": [self.normal(0, 0.25) for _ in range(n)],
            })
        return layers


def make_tables(seed):
    """The inputs, targets and initial parameters that cases refer to."""
    inputs, targets, initials = {}, {}, {}

    def steps(make, rows=(ROWS,) * STEPS):
        return [make(count) for count in rows]

    source = Numbers(seed * 1000 + 1)
    inputs["plain"] = steps(lambda b: source.rows(b, 5))
    targets["classes"] = {"classes": steps(lambda b: source.classes(b, 3))}
    targets["values3"] = {"rows": steps(
        lambda b: [[source.normal() for _ in range(3)] for _ in range(b)])}
    initials["A"] = source.initial(WIDTHS)

    source = Numbers(seed * 1000 + 2)
    targets["soft"] = {"rows": steps(
        lambda b: [source.soft_row(3) for _ in range(b)])}
    targets["values2"] = {"rows": steps(
        lambda b: [[source.normal(3, 2) for _ in range(2)]
                   for _ in range(b)])}
    initials["twoOutputs"] = source.initial([5, 7, 6, 2])
    initials["oneLayer"] = source.initial([5, 3])
    initials["fourLayers"] = source.initial([5, 8, 7, 6, 3])
    # Unit 2 of the first layer is off for every row: a constant hidden
    # feature, whose variance is exactly zero.
    initials["deadUnit"] = json.loads(json.dumps(initials["A"]))
    initials["deadUnit"][0]["bias"][2] = -64.0

    source = Numbers(seed * 1000 + 3)
    inputs["constantFeature"] = steps(
        lambda b: [[0.5 if j == 1 else -3.0 if j == 4 else value
                    for j, value in enumerate(row)]
                   for row in source.rows(b, 5)])
    inputs["largeMean"] = steps(
        lambda b: [[source.normal(1e6, 1, 16) if j == 2 else value
                    for j, value in enumerate(row)]
                   for row in source.rows(b, 5)])
    # The same, but the mean of each batch is a whole number, so that Float32
    # can hold it: the last row makes up what the sum lacks.
    exact = []
    for batch in inputs["largeMean"]:
        batch = [list(row) for row in batch]
        offsets = [row[2] - 1e6 for row in batch[:-1]]
        batch[-1][2] = 1e6 - sum(offsets) + ROWS * round(sum(offsets) / ROWS)
        exact.append(batch)
    inputs["largeMeanWhole"] = exact

    source = Numbers(seed * 1000 + 4)
    inputs["oneRow"] = steps(lambda b: source.rows(b, 5), (1,) * STEPS)
    targets["oneRowClasses"] = {"classes": steps(
        lambda b: source.classes(b, 3), (1,) * STEPS)}
    targets["oneRowValues"] = {"rows": steps(
        lambda b: [[source.normal() for _ in range(3)] for _ in range(b)],
        (1,) * STEPS)}
    short = (11, 7, 5, 3)
    inputs["shrinking"] = steps(lambda b: source.rows(b, 5), short)
    targets["shrinkingClasses"] = {"classes": steps(
        lambda b: source.classes(b, 3), short)}

    source = Numbers(seed * 1000 + 5)
    inputs["wide"] = steps(lambda b: source.rows(b, 17), (37,) * STEPS)
    targets["wideClasses"] = {"classes": steps(
        lambda b: source.classes(b, 10), (37,) * STEPS)}
    initials["wide"] = source.initial([17, 33, 19, 10])
    return inputs, targets, initials


# --- The cases --------------------------------------------------------------

def sgd(momentum=0.0, nesterov=False, decay=0.0):
    return {"kind": "sgd", "momentum": momentum, "nesterov": nesterov,
            "weightDecay": decay, "beta1": 0.9, "beta2": 0.999,
            "epsilon": 1e-8}


def adam(epsilon, decay=0.0):
    return {"kind": "adam", "momentum": 0.0, "nesterov": False,
            "weightDecay": decay, "beta1": 0.9, "beta2": 0.999,
            "epsilon": epsilon}


def case(name, activation, loss, mode, optimizer, rate, *, inputs="plain",
         targets=None, initial="A", clip=None, epsilon=EPSILON,
         norm_momentum=NORM_MOMENTUM):
    rates = rate if isinstance(rate, list) else [rate] * STEPS
    if targets is None:
        targets = "values3" if loss == "mse" else "classes"
    return {
        "name": name, "activation": activation, "loss": loss, "mode": mode,
        "optimizer": optimizer, "learningRates": rates, "clip": clip,
        "batchNormEpsilon": epsilon, "batchNormMomentum": norm_momentum,
        "initial": initial, "inputs": inputs, "targets": targets,
    }


def all_cases():
    """The matrix, then what is special."""
    optimizers = {
        "sgd": (sgd(), 0.0625),
        "momentum": (sgd(0.9), 0.03125),
        "nesterov-decay": (sgd(0.9, True, 0.01), 0.03125),
        # A large epsilon: where the true gradient is zero by symmetry (a bias
        # before batch norm under the identity, say) Adam would otherwise
        # blow Float32 noise up to whole steps.
        "adam": (adam(1e-3), 0.015625),
        "adamw": (adam(1e-3, 0.05), 0.015625),
    }
    modes = ("exact", "frozen")
    losses = ("cross-entropy", "mse")
    # The squared error's gradients are several times larger.
    slower = {"cross-entropy": 1.0, "mse": 0.5}
    cases = []
    for activation in ACTIVATIONS:
        for loss in losses:
            for label, (optimizer, rate) in optimizers.items():
                for mode in modes:
                    cases.append(case(
                        f"{activation} {loss} {label} {mode}",
                        activation, loss, mode, optimizer,
                        rate * slower[loss]))
    for loss in losses:
        for mode in modes:
            for label, decay in (("adam", 0.0), ("adamw", 0.05)):
                cases.append(case(
                    f"relu {loss} {label} {mode} epsilon 1e-8", "relu", loss,
                    mode, adam(1e-8, decay), 0.015625))

    ce, mse = losses
    for mode in modes:
        cases += [
            case(f"clipped momentum {mode}", "relu", ce, mode, sgd(0.9),
                 0.125, clip=0.25),
            case(f"clipped nesterov with decay {mode}", "sigmoid", mse, mode,
                 sgd(0.9, True, 0.01), 0.0625, clip=0.5),
            case(f"clipped adamw {mode}", "sigmoid", ce, mode,
                 adam(1e-3, 0.05), 0.015625, clip=0.125),
            case(f"constant features sgd {mode}", "relu", ce, mode,
                 sgd(0.9), 0.03125, inputs="constantFeature"),
            case(f"constant features adam {mode}", "relu", ce, mode,
                 adam(1e-8), 0.015625, inputs="constantFeature"),
            case(f"dead unit {mode}", "relu", ce, mode, sgd(0.9), 0.03125,
                 initial="deadUnit"),
            case(f"large mean {mode}", "sigmoid", ce, mode, sgd(0.9),
                 0.03125, inputs="largeMean"),
            case(f"large whole mean {mode}", "sigmoid", ce, mode, sgd(0.9),
                 0.03125, inputs="largeMeanWhole"),
            # Variance 0 multiplies frozen gradients by 1 / sqrt(1e-5) a
            # layer, so the steps are held by clipping.
            case(f"one row cross-entropy {mode}", "sigmoid", ce, mode,
                 sgd(0.9), 0.0625, inputs="oneRow", targets="oneRowClasses",
                 clip=1.0),
            case(f"one row mse {mode}", "sigmoid", mse, mode, sgd(), 0.0625,
                 inputs="oneRow", targets="oneRowValues", clip=1.0),
            case(f"shrinking batches {mode}", "sigmoid", ce, mode, sgd(0.9),
                 0.03125, inputs="shrinking", targets="shrinkingClasses"),
            case(f"one layer {mode}", "relu", ce, mode, adam(1e-3, 0.05),
                 0.015625, initial="oneLayer"),
        ]
    cases += [
        case("clip that is never reached", "relu", ce, "exact", sgd(0.9),
             0.03125, clip=1024.0),
        # Linear warm-up over two steps, then half a cosine.
        case("warm-up and cosine sgd", "relu", ce, "exact", sgd(0.9),
             [0.03125, 0.0625, 0.046875, 0.015625]),
        case("warm-up and steps adam", "sigmoid", mse, "exact",
             adam(1e-3), [0.0078125, 0.015625, 0.015625, 0.00390625]),
        case("rate zero in the middle", "relu", ce, "exact", sgd(0.9),
             [0.0625, 0.0, 0.0625, 0.0625]),
        case("soft labels sgd", "relu", ce, "exact", sgd(0.9), 0.03125,
             targets="soft"),
        case("soft labels adam frozen", "sigmoid", ce, "frozen", adam(1e-3),
             0.015625, targets="soft"),
        case("two numeric targets sgd", "relu", mse, "exact", sgd(0.9),
             0.015625, initial="twoOutputs", targets="values2"),
        case("two numeric targets adam", "sigmoid", mse, "exact", adam(1e-3),
             0.015625, initial="twoOutputs", targets="values2"),
        case("mse of classes", "relu", mse, "exact", sgd(0.9), 0.03125,
             targets="classes"),
        case("four layers", "relu", ce, "exact", adam(1e-3), 0.015625,
             initial="fourLayers"),
        case("other norm momentum and epsilon", "relu", ce, "exact",
             sgd(0.9), 0.03125, epsilon=0.015625, norm_momentum=0.75),
        case("odd widths", "sigmoid", ce, "exact", adam(1e-3, 0.05),
             0.015625, inputs="wide", targets="wideClasses",
             initial="wide"),
    ]
    return cases


# --- The network ------------------------------------------------------------

def forward(layers, rows, spec, statistics=None, record=None):
    """Outputs of a network; `statistics` is None to use those of the batch.

    `record`, a list, receives (mean, variance, pre-activations) per layer.
    """
    out = rows
    for index, layer in enumerate(layers):
        if statistics is not None:
            mean, variance = statistics[index]
        else:
            mean = out.mean(dim=0)
            variance = ((out - mean) ** 2).mean(dim=0)
            if spec["mode"] == "frozen":
                mean, variance = mean.detach(), variance.detach()
        normalised = ((out - mean)
                      / torch.sqrt(variance + spec["batchNormEpsilon"]))
        z = ((normalised * layer["gamma"] + layer["beta"])
             @ layer["weight"].T + layer["bias"])
        if record is not None:
            record.append((mean.detach(), variance.detach(), z.detach()))
        last = index == len(layers) - 1
        out = z if last else ACTIVATIONS[spec["activation"]](z)
    return out


def loss_of(outputs, target, loss):
    """`target`: one row of numbers for each row of outputs."""
    if loss == "mse":
        return ((outputs - target) ** 2).sum(dim=1).mean()
    logs = torch.log_softmax(outputs, dim=1)
    return -(target * logs).sum(dim=1).mean()


def target_tensor(table, step, width, dtype):
    if "rows" in table:
        return torch.tensor(table["rows"][step], dtype=dtype)
    classes = torch.tensor(table["classes"][step])
    return torch.nn.functional.one_hot(classes, width).to(dtype)


class FormulaOptimizer:
    """SGD and Adam as their papers state them, on a list of tensors."""

    def __init__(self, settings, count):
        self.settings = settings
        self.first = [0.0] * count
        self.second = [0.0] * count
        self.step = 0

    def update(self, parameters, gradients, rate, decayed):
        """Changes `parameters`; `decayed[i]` says whether decay applies."""
        s = self.settings
        self.step += 1
        for i, (w, g) in enumerate(zip(parameters, gradients)):
            decay = s["weightDecay"] if decayed[i] else 0.0
            if s["kind"] == "sgd":
                g = g + decay * w
                if s["momentum"]:
                    self.first[i] = s["momentum"] * self.first[i] + g
                    if s["nesterov"]:
                        g = g + s["momentum"] * self.first[i]
                    else:
                        g = self.first[i]
                w -= rate * g
            else:
                b1, b2 = s["beta1"], s["beta2"]
                self.first[i] = b1 * self.first[i] + (1 - b1) * g
                self.second[i] = b2 * self.second[i] + (1 - b2) * g * g
                m = self.first[i] / (1 - b1 ** self.step)
                v = self.second[i] / (1 - b2 ** self.step)
                w -= rate * decay * w
                w -= rate * m / (torch.sqrt(v) + s["epsilon"])


class TorchOptimizer:
    """The same updates by torch.optim, to check the formulas."""

    def __init__(self, settings, count):
        self.settings = settings
        self.optimizer = None

    def update(self, parameters, gradients, rate, decayed):
        s = self.settings
        if self.optimizer is None:
            groups = [{"params": [p], "weight_decay":
                       s["weightDecay"] if d else 0.0}
                      for p, d in zip(parameters, decayed)]
            if s["kind"] == "sgd":
                self.optimizer = torch.optim.SGD(
                    groups, lr=rate, momentum=s["momentum"],
                    nesterov=s["nesterov"])
            else:
                self.optimizer = torch.optim.AdamW(
                    groups, lr=rate, betas=(s["beta1"], s["beta2"]),
                    eps=s["epsilon"])
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        for p, g in zip(parameters, gradients):
            p.grad = g.clone()
        self.optimizer.step()
        for p in parameters:
            p.grad = None


def train(spec, tables, dtype=torch.float64, optimizer_type=FormulaOptimizer):
    """Trains `spec` for its steps; returns (results, conditions)."""
    inputs, targets, initials = tables
    initial = initials[spec["initial"]]
    layers = [{name: torch.tensor(layer[name], dtype=dtype,
                                  requires_grad=True) for name in TENSORS}
              for layer in initial]
    parameters = [layer[name] for layer in layers for name in TENSORS]
    decayed = [name == "weight" for _ in layers for name in TENSORS]
    running = [(torch.zeros_like(layer["gamma"]).detach(),
                torch.ones_like(layer["gamma"]).detach())
               for layer in layers]
    width = len(initial[-1]["bias"])
    optimizer = optimizer_type(spec["optimizer"], len(parameters))
    keep = spec["batchNormMomentum"]
    losses, norms, first_gradients = [], [], None
    kink, smallest = math.inf, math.inf

    for step, rate in enumerate(spec["learningRates"]):
        rows = torch.tensor(inputs[spec["inputs"]][step], dtype=dtype)
        target = target_tensor(targets[spec["targets"]], step, width, dtype)
        record = []
        loss = loss_of(forward(layers, rows, spec, record=record), target,
                       spec["loss"])
        gradients = torch.autograd.grad(loss, parameters)
        norm = math.sqrt(sum((g.double() ** 2).sum().item()
                             for g in gradients))
        losses.append(loss.item())
        norms.append(norm)
        if first_gradients is None:
            values = iter(gradients)
            first_gradients = [{name: next(values).tolist()
                                for name in TENSORS} for _ in layers]
        for mean, variance, z in record[:-1]:
            kink = min(kink, z.abs().min().item())
        for g in gradients:
            nonzero = g[g != 0]
            if nonzero.numel():
                smallest = min(smallest, nonzero.abs().min().item())

        running = [(keep * m + (1 - keep) * mean,
                    keep * v + (1 - keep) * variance)
                   for (m, v), (mean, variance, _) in zip(running, record)]
        clip = spec["clip"]
        if clip is not None and norm > clip:
            gradients = [g * (clip / norm) for g in gradients]
        with torch.no_grad():
            optimizer.update(parameters, gradients, rate, decayed)

    with torch.no_grad():
        rows = torch.tensor(inputs[spec["inputs"]][0], dtype=dtype)
        inference = forward(layers, rows, spec, statistics=running)
    results = {
        "losses": losses,
        "gradientNorms": norms,
        "firstGradients": first_gradients,
        "finalParameters": [{name: layer[name].tolist() for name in TENSORS}
                            for layer in layers],
        "runningStatistics": [{"mean": m.tolist(), "variance": v.tolist()}
                              for m, v in running],
        "inference": inference.tolist(),
    }
    return results, {"kink": kink, "smallestGradient": smallest}


# --- Checks -----------------------------------------------------------------

def flatten(value):
    if isinstance(value, dict):
        for key in sorted(value):
            yield from flatten(value[key])
    elif isinstance(value, list):
        for item in value:
            yield from flatten(item)
    else:
        yield value


def leaves(value, path=""):
    """(path, numbers) for every tensor or list of numbers in results."""
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], f"{path}.{key}")
    elif value and isinstance(value[0], dict):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, list(flatten(value))


def distance(found, expected):
    """Largest difference in a tensor relative to its largest magnitude.

    The magnitude counts as 1e-2 at least, and for a gradient as a hundredth
    of the gradients' common norm at least: some gradients are zero but for
    rounding.
    """
    floor = 1e-2 * max([1.0] + expected.get("gradientNorms", [])
                       if isinstance(expected, dict) else [1.0])
    worst, where = 0.0, ""
    for (path, a), (_, b) in zip(leaves(found), leaves(expected)):
        scale = max(max(map(abs, b)),
                    floor if ".firstGradients" in path else 1e-2)
        off = max(abs(x - y) for x, y in zip(a, b)) / scale
        if not off <= worst:
            worst, where = off, path
    return worst, where


def check_gradients(spec, tables):
    """Autograd of the first step against central differences."""
    inputs, targets, initials = tables
    initial = initials[spec["initial"]]
    layers = [{name: torch.tensor(layer[name], dtype=torch.float64)
               for name in TENSORS} for layer in initial]
    rows = torch.tensor(inputs[spec["inputs"]][0], dtype=torch.float64)
    target = target_tensor(targets[spec["targets"]], 0,
                           len(initial[-1]["bias"]), torch.float64)
    statistics = None
    if spec["mode"] == "frozen":
        # Constants: those of the unperturbed network.
        record = []
        forward(layers, rows, spec, record=record)
        statistics = [(mean, variance) for mean, variance, _ in record]

    def loss():
        outputs = forward(layers, rows, spec, statistics=statistics)
        return loss_of(outputs, target, spec["loss"]).item()

    analytic = train(spec, tables)[0]["firstGradients"]
    h, worst = 1e-6, 0.0
    for layer, expected in zip(layers, analytic):
        for name in TENSORS:
            flat = layer[name].view(-1)
            wanted = list(flatten(expected[name]))
            for i in range(flat.numel()):
                kept = flat[i].item()
                flat[i] = kept + h
                above = loss()
                flat[i] = kept - h
                below = loss()
                flat[i] = kept
                worst = max(worst, abs((above - below) / (2 * h) - wanted[i]))
    assert worst < 1e-7, f"{spec['name']}: differences are off by {worst}"
    print(f"central differences, {spec['name']}: within {worst:.1e}")


def run_all(tables, verbose):
    """Results of all cases, each held to the conditions of the docstring."""
    finished = []
    for spec in all_cases():
        name = spec["name"]
        results, condition = train(spec, tables)
        assert all(map(math.isfinite, flatten(results))), name
        moved = distance(results["finalParameters"],
                         tables[2][spec["initial"]])[0]
        assert moved > 1e-3, f"{name}: parameters barely move"
        if spec["activation"] == "relu":
            assert condition["kink"] > KINK_MARGIN, (name, condition)
        if (spec["optimizer"]["kind"] == "adam"
                and spec["optimizer"]["epsilon"] < 1e-6):
            assert condition["smallestGradient"] > GRADIENT_MARGIN, (
                name, condition)
        clip = spec["clip"]
        if clip is not None and clip < 100:
            assert max(results["gradientNorms"]) > clip, name
        again, _ = train(spec, tables, optimizer_type=TorchOptimizer)
        off, where = distance(again, results)
        assert off < 1e-10, f"{name}: torch.optim differs by {off} in {where}"
        single, _ = train(spec, tables, dtype=torch.float32)
        off, where = distance(single, results)
        if verbose:
            print(f"{off:9.1e}  {name} {where}")
        # torch's Float32 mean of values about 1e6 is itself off by much.
        if "large mean" not in name:
            assert off < FLOAT32_TOLERANCE, (name, off, where)
        initial = tables[2][spec["initial"]]
        widths = [len(layer["gamma"]) for layer in initial]
        widths.append(len(initial[-1]["bias"]))
        head = {"name": name, "widths": widths}
        finished.append({**head, **spec, "expected": results})
    return finished


# --- The file ---------------------------------------------------------------

def render(document):
    """Compact JSON with one case, or one table entry, a line.

    Python prints a float with the fewest digits (at most 17) that read back
    to the same Float64.
    """
    def compact(value):
        return json.dumps(value, separators=(",", ":"), allow_nan=False)

    parts = []
    for key, value in document.items():
        if key == "cases":
            body = ",\n".join(compact(item) for item in value)
            parts.append(f'"{key}":[\n{body}\n]')
        elif key in ("inputs", "targets", "initials"):
            body = ",\n".join(f"{compact(name)}:{compact(item)}"
                              for name, item in value.items())
            parts.append(f'"{key}":{{\n{body}\n}}')
        else:
            parts.append(f'"{key}":{compact(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def check_file(path, document):
    """True if the file at `path` holds `document`, to 1e-9."""
    stored = json.loads(path.read_text())
    fixed = ("inputs", "targets", "initials")
    if any(stored[key] != document[key] for key in fixed):
        print("inputs, targets or initial parameters differ")
        return False
    same = len(stored["cases"]) == len(document["cases"])
    for old, new in zip(stored["cases"], document["cases"]):
        off, where = distance(old.pop("expected"), new.pop("expected"))
        if old != new or not off < 1e-9:
            print(f"{new['name']}: differs ({off:.1e} {where})")
            same = False
    return same


def main():
    parser = argparse.ArgumentParser(
        description="Float64 references for NeuralCore, from PyTorch.")
    parser.add_argument("--output", type=pathlib.Path, default=DEFAULT_OUTPUT)
    parser.add_argument("--check", action="store_true",
                        help="compare with the file instead of writing it")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)

    tables = make_tables(options.seed)
    cases = run_all(tables, options.verbose)
    for name in ("relu cross-entropy sgd exact", "sigmoid mse adam exact",
                 "sigmoid cross-entropy sgd frozen",
                 "soft labels sgd"):
        check_gradients(next(s for s in all_cases() if s["name"] == name),
                        tables)
    document = {
        "format": 1,
        "generator": (f"Tests/Goldens/make_goldens.py, seed {options.seed}, "
                      f"torch {torch.__version__}, "
                      f"Python {platform.python_version()}"),
        "inputs": tables[0], "targets": tables[1], "initials": tables[2],
        "cases": cases,
    }
    if options.check:
        sys.exit(0 if check_file(options.output, document) else 1)
    text = render(document)
    options.output.write_text(text)
    print(f"{len(cases)} cases, {len(text)} bytes: {options.output}")


if __name__ == "__main__":
    main()
