# SPDX-License-Identifier: Apache-2.0
"""The networks that make_goldens.py trains, with their data and initial parameters."""

import json
import math
import random

STEPS = 4
ROWS = 11
WIDTHS = [5, 7, 6, 3]
EPSILON = 1e-5
NORM_MOMENTUM = 0.9


# --- Numbers that Float32 represents exactly --------------------------------

class Numbers:
    """A seeded random generator of multiples of 1/4096."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def uniform(self, low, high, grid=4096):
        draw = low + (high - low) * self.random.random()
        return round(draw * grid) / grid

    def normal(self, mean=0.0, deviation=1.0, grid=4096):
        # Box-Muller on random(), whose sequence is stable across Python versions.
        radius = math.sqrt(-2 * math.log(1 - self.random.random()))
        angle = 2 * math.pi * self.random.random()
        draw = mean + deviation * radius * math.cos(angle)
        return round(draw * grid) / grid

    def rows(self, count, width):
        # Features with different means and deviations, like real data.
        return [[self.normal(0.5 * j - 1, 0.5 + (0.5 * j) % 2)
                 for j in range(width)] for _ in range(count)]

    def classes(self, count, classes):
        return [int(self.random.random() * classes) for _ in range(count)]

    def soft_row(self, classes):
        # Multiples of 1/64 that sum to exactly one.
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
    # Unit 2 of the first layer is inactive for every row: a constant hidden
    # feature with a variance of exactly zero.
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
    # The same, but the mean of each batch is an integer, which Float32
    # represents exactly: the last row is chosen to make it so.
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

    # Twelve steps: with momentum 0.9 the tenth is the last that averages.
    source = Numbers(seed * 1000 + 6)
    inputs["twelve"] = steps(lambda b: source.rows(b, 5), (ROWS,) * 12)
    targets["twelveClasses"] = {"classes": steps(
        lambda b: source.classes(b, 3), (ROWS,) * 12)}
    # Features that are constant in each batch: a large one, and one whose
    # constant differs from batch to batch.
    inputs["constants"] = [
        [[2.0 ** 100 if j == 3 else step if j == 4 else value
          for j, value in enumerate(row)]
         for row in source.rows(ROWS, 5)] for step in range(STEPS)]
    inputs["constantAndLargeMean"] = [
        [[source.normal(1e6, 1, 16) if j == 2 else -3.0 if j == 4 else value
          for j, value in enumerate(row)]
         for row in source.rows(ROWS, 5)] for step in range(STEPS)]
    # The running mean is a Float32, so that of each batch is exactly 1e6.
    for batch in inputs["constantAndLargeMean"]:
        batch[-1][2] = 1e6 - sum(row[2] - 1e6 for row in batch[:-1])
    # Rows for inference, in which those features have other values.
    inputs["otherConstants"] = [
        [[row[0], row[1], row[2],
          (0.0, -2.0 ** 100, 2.0 ** 126)[i % 3], 1000.0 * i]
         for i, row in enumerate(source.rows(ROWS, 5))]]
    inputs["otherConstantAndLargeMean"] = [
        [[row[0], row[1], source.normal(1e6, 1, 16), row[3], 1000.0 * i]
         for i, row in enumerate(source.rows(ROWS, 5))]]
    # Rows for inference so far from those of training that unit 2 of
    # "deadUnit" is active for some.
    inputs["far"] = [[[(256, -256)[i % 2] * x for x in row]
                      for i, row in enumerate(source.rows(ROWS, 5))]]

    # Targets of losses for counts, and for independent targets of 0 and 1.
    source = Numbers(seed * 1000 + 7)
    targets["counts"] = {"rows": steps(
        lambda b: [source.classes(3, 5) for _ in range(b)])}
    targets["bits"] = {"rows": steps(
        lambda b: [source.classes(3, 2) for _ in range(b)])}
    targets["probabilities"] = {"rows": steps(
        lambda b: [[source.uniform(0, 1) for _ in range(3)]
                   for _ in range(b)])}
    targets["oneBit"] = {"rows": steps(
        lambda b: [source.classes(1, 2) for _ in range(b)])}
    targets["wideBits"] = {"rows": steps(
        lambda b: [source.classes(10, 2) for _ in range(b)], (37,) * STEPS)}
    initials["oneOutput"] = source.initial([5, 7, 6, 1])
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
         norm_momentum=NORM_MOMENTUM, averaging=False, probe=None,
         parameter=None):
    rates = rate if isinstance(rate, list) else [rate] * STEPS
    if targets is None:
        targets = "values3" if loss == "mse" else "classes"
    # Keys that only cases with averaging have.
    more = {"batchNormAveraging": True} if averaging else {}
    if parameter is not None:
        more["lossParameter"] = parameter
    if probe is not None:
        more["inferenceInputs"] = probe
    return {
        **more, "name": name, "activation": activation, "loss": loss, "mode": mode,
        "optimizer": optimizer, "learningRates": rates, "clip": clip,
        "batchNormEpsilon": epsilon, "batchNormMomentum": norm_momentum,
        "initial": initial, "inputs": inputs, "targets": targets,
    }


def all_cases():
    """All combinations of the main settings, then special cases."""
    optimizers = {
        "sgd": (sgd(), 0.0625),
        "momentum": (sgd(0.9), 0.03125),
        "nesterov-decay": (sgd(0.9, True, 0.01), 0.03125),
        # A large epsilon: where the true gradient is zero by symmetry (such as
        # that of a bias before batch norm with the identity), Adam would
        # otherwise amplify Float32 noise to full steps.
        "adam": (adam(1e-3), 0.015625),
        "adamw": (adam(1e-3, 0.05), 0.015625),
    }
    modes = ("exact", "frozen")
    losses = ("cross-entropy", "mse")
    # Gradients of the squared error are several times larger.
    slower = {"cross-entropy": 1.0, "mse": 0.5}
    cases = []
    for activation in ("relu", "sigmoid", "identity"):
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
            # Variance 0 multiplies frozen gradients by 1 / sqrt(1e-5) per
            # layer, so clipping limits the steps.
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
        # Linear warm-up over two steps, then half a cosine period.
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
    return cases + averaging_cases() + activation_cases() + loss_cases()


def averaging_cases():
    """Cases whose running statistics average the first batches plainly."""
    ce = "cross-entropy"
    cases = []
    for mode in ("exact", "frozen"):
        cases += [
            case(f"averaging twelve steps {mode}", "relu", ce, mode, sgd(0.9),
                 [0.03125] * 12, inputs="twelve", targets="twelveClasses",
                 averaging=True),
            case(f"averaging constants {mode}", "relu", ce, mode, sgd(0.9),
                 0.03125, inputs="constants", averaging=True,
                 probe="otherConstants"),
            case(f"averaging constant and large mean {mode}", "sigmoid", ce,
                 mode, sgd(0.9), 0.03125, inputs="constantAndLargeMean",
                 averaging=True, probe="otherConstantAndLargeMean"),
            case(f"averaging dead unit {mode}", "relu", ce, mode, sgd(0.9),
                 0.03125, initial="deadUnit", averaging=True, probe="far"),
        ]
    return cases + [
        case("averaging to norm momentum 0.6", "relu", ce, "exact", sgd(0.9),
             0.03125, averaging=True, norm_momentum=0.6),
        case("averaging adam", "sigmoid", "mse", "exact", adam(1e-3),
             0.015625, averaging=True),
        case("averaging shrinking batches", "sigmoid", ce, "exact", sgd(0.9),
             0.03125, inputs="shrinking", targets="shrinkingClasses",
             averaging=True),
    ]


def activation_cases():
    """Each other activation with some combinations of the main settings."""
    ce, mse = "cross-entropy", "mse"
    cases = []
    for activation in ("leaky-relu", "elu", "gelu", "silu", "softplus",
                       "tanh"):
        cases += [
            case(f"{activation} {ce} momentum exact", activation, ce, "exact",
                 sgd(0.9), 0.03125),
            case(f"{activation} {ce} adamw frozen", activation, ce, "frozen",
                 adam(1e-3, 0.05), 0.015625),
            case(f"{activation} {mse} adam exact", activation, mse, "exact",
                 adam(1e-3), 0.0078125),
            case(f"{activation} {mse} nesterov-decay frozen", activation, mse,
                 "frozen", sgd(0.9, True, 0.01), 0.015625),
        ]
    return cases


def loss_cases():
    """Each other loss, with some of its parameters and kinds of targets."""
    bce, ce = "binary-cross-entropy", "cross-entropy"
    momentum, adamw = sgd(0.9), adam(1e-3, 0.05)
    return [
        case("mae momentum exact", "relu", "mae", "exact", momentum, 0.03125,
             targets="values3"),
        case("mae adamw frozen", "sigmoid", "mae", "frozen", adamw, 0.015625,
             targets="values3"),
        case("huber 0.5 momentum exact", "relu", "huber", "exact", momentum,
             0.03125, targets="values3", parameter=0.5),
        case("huber 1 adamw frozen", "sigmoid", "huber", "frozen", adamw,
             0.015625, targets="values3", parameter=1.0),
        case("quantile 0.9 momentum exact", "relu", "quantile", "exact",
             momentum, 0.03125, targets="values3", parameter=0.9),
        case("quantile 0.25 adamw frozen", "sigmoid", "quantile", "frozen",
             adamw, 0.015625, targets="values3", parameter=0.25),
        case("poisson momentum exact", "relu", "poisson", "exact", momentum,
             0.0078125, targets="counts"),
        case("poisson adamw frozen", "sigmoid", "poisson", "frozen", adamw,
             0.015625, targets="counts"),
        case(f"{bce} momentum exact", "relu", bce, "exact", momentum,
             0.03125, targets="bits"),
        case(f"{bce} of probabilities adamw frozen", "sigmoid", bce, "frozen",
             adamw, 0.015625, targets="probabilities"),
        case(f"{bce} one output", "relu", bce, "exact", adam(1e-3), 0.015625,
             targets="oneBit", initial="oneOutput"),
        case(f"{bce} odd widths", "sigmoid", bce, "exact", momentum, 0.03125,
             inputs="wide", targets="wideBits", initial="wide"),
        case("label smoothing 0.1 momentum exact", "relu", ce, "exact",
             momentum, 0.03125, parameter=0.1),
        case("label smoothing 0.25 of soft labels", "sigmoid", ce, "frozen",
             adamw, 0.015625, targets="soft", parameter=0.25),
        case("label smoothing 0.1 odd widths", "sigmoid", ce, "exact",
             momentum, 0.03125, inputs="wide", targets="wideClasses",
             initial="wide", parameter=0.1),
    ]
