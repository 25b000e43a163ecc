# SPDX-License-Identifier: Apache-2.0
"""The networks that make_combinations.py trains: options, data, parameters."""

import math

from golden_cases import EPSILON, NORM_MOMENTUM, ROWS, STEPS, Numbers
from pairwise import covering_set

PAIRS_SEED = 5
TABLES = 8

# The values of each factor; see `specification` for what they mean.
FACTORS = {
    "loss": ("cross-entropy", "cross-entropy smoothed", "cross-entropy soft",
             "cross-entropy soft smoothed", "mse", "mae", "huber", "poisson",
             "quantile", "binary-cross-entropy"),
    "optimizer": ("sgd", "momentum", "nesterov-decay", "adam", "adamw",
                  "rmsprop", "rmsprop-momentum-decay", "lars",
                  "lars-momentum-decay", "lamb", "lamb-decay"),
    "activation": ("relu", "leaky-relu", "elu", "gelu", "silu", "softplus",
                   "tanh", "sigmoid", "identity"),
    "norm": ("batch exact", "batch frozen", "layer", "none"),
    "structure": ("plain", "residual", "residual first"),
    "dropout": ("none", "one value", "per layer", "input", "input and hidden"),
    "schedule": ("constant", "warm-up cosine", "one-cycle", "exponential"),
    "clip": ("none", "clip"),
    "maxNorm": ("none", "max-norm"),
    "weights": ("none", "row weights"),
    "batches": ("full", "short"),
    "outputs": ("one", "three"),
    "biases": ("random", "zero"),
}

# Widths but for the output.  With residual connections, a hidden block of
# equal widths has one: the two last of "residual", the two first of "residual
# first", whose output block of equal widths has none.
STRUCTURES = {
    "plain": [5, 7, 6], "residual": [5, 7, 7, 7],
    "residual first": [5, 5, 5, 3],
}
BATCHES = {"full": (ROWS,) * STEPS, "short": (ROWS, ROWS, ROWS, 4)}
OUTPUTS = {"one": 1, "three": 3}

OPTIMIZERS = {
    "sgd": ({"kind": "sgd"}, 0.0625),
    "momentum": ({"kind": "sgd", "momentum": 0.9}, 0.03125),
    "nesterov-decay": (
        {"kind": "sgd", "momentum": 0.9, "nesterov": True,
         "weightDecay": 0.01}, 0.03125),
    # Large epsilons: where the true gradient is zero by symmetry, an adaptive
    # method would otherwise amplify Float32 noise to full steps.
    "adam": ({"kind": "adam", "epsilon": 1e-3}, 0.015625),
    "adamw": ({"kind": "adam", "epsilon": 1e-3, "weightDecay": 0.05},
              0.015625),
    "rmsprop": ({"kind": "rmsprop", "epsilon": 1e-3, "rho": 0.99},
                0.001953125),
    "rmsprop-momentum-decay": (
        {"kind": "rmsprop", "epsilon": 1e-3, "rho": 0.9, "momentum": 0.5,
         "weightDecay": 0.01}, 0.00390625),
    # Without momentum the optimizer has no state.
    "lars": ({"kind": "lars", "trustCoefficient": 0.25}, 0.0625),
    "lars-momentum-decay": (
        {"kind": "lars", "trustCoefficient": 0.25, "momentum": 0.9,
         "weightDecay": 0.125}, 0.0625),
    "lamb": ({"kind": "lamb", "epsilon": 1e-3}, 0.015625),
    "lamb-decay": ({"kind": "lamb", "epsilon": 1e-3, "weightDecay": 0.125},
                   0.015625),
}
OPTIMIZER_DEFAULTS = {
    "momentum": 0.0, "nesterov": False, "weightDecay": 0.0, "beta1": 0.9,
    "beta2": 0.999, "epsilon": 1e-8,
}
# Delta of huber, the quantile, and the label smoothing.
LOSS_PARAMETERS = {"huber": 0.75, "quantile": 0.25,
                   "cross-entropy smoothed": 0.125,
                   "cross-entropy soft smoothed": 0.125}
# Gradients of some losses are larger than those of cross-entropy.
SLOWER = {"mse": 0.5, "mae": 0.5, "poisson": 0.125,
          "binary-cross-entropy": 0.5}

# Learning rates relative to the optimizer's.
SCHEDULES = {
    "constant": (1, 1, 1, 1),
    "warm-up cosine": (0.5, 1, 0.75, 0.25),
    # Nearly those of torch.optim.lr_scheduler.OneCycleLR with total_steps=4.
    "one-cycle": (0.0390625, 0.8125, 0.28125, 0.0009765625),
    "exponential": (1, 0.75, 0.5625, 0.421875),
}
# Probabilities of the hidden blocks (as many as there are), of the input.
DROPOUT = {
    "none": ((0, 0, 0), 0), "one value": ((0.25, 0.25, 0.25), 0),
    "per layer": ((0.125, 0.5, 0), 0), "input": ((0, 0, 0), 0.2),
    "input and hidden": ((0.4, 0.1, 0.3), 0.1),
}
CLIP_NORM = 0.125
MAX_NORM = 1.125


def is_valid(choice):
    """Whether a possibly incomplete choice of factors can be trained."""
    loss, outputs = choice.get("loss", ""), choice.get("outputs")
    return not (loss.startswith("cross-entropy") and outputs == "one")


def all_choices():
    return covering_set(FACTORS, is_valid, PAIRS_SEED)


# --- Data and initial parameters --------------------------------------------

def target_name(choice):
    """The kind of targets of a case."""
    loss = choice["loss"]
    if loss.startswith("cross-entropy"):
        return "soft" if "soft" in loss.split() else "classes"
    kind = {"poisson": "counts", "binary-cross-entropy": "binary"}
    return f"{kind.get(loss, 'values')} {choice['outputs']}"


def make_targets(name, source, rows):
    kind, outputs = (name.split() + ["three"])[:2]
    width = OUTPUTS[outputs]
    make = {
        "classes": None,
        "soft": lambda: source.soft_row(3),
        "values": lambda: [source.normal() for _ in range(width)],
        "counts": lambda: [float(math.floor(source.uniform(0, 4) ** 1.25))
                           for _ in range(width)],
        "binary": lambda: [float(source.uniform(0, 1) < 0.5)
                           for _ in range(width)],
    }[kind]
    if make is None:
        return {"classes": [source.classes(count, 3) for count in rows]}
    return {"rows": [[make() for _ in range(count)] for count in rows]}


def make_weights(source, rows):
    """Row weights; about 1 in the mean, one of the first batch is 0."""
    weights = [[source.uniform(0.25, 1.75) for _ in range(count)]
               for count in rows]
    weights[0][3] = 0.0
    return weights


class Tables:
    """The inputs, targets and initial parameters of the cases.

    Each is made from its own name, so those of a case don't depend on which
    others there are.
    """

    def __init__(self, seed):
        self.seed = seed
        self.inputs, self.targets, self.initials = {}, {}, {}

    def source(self, name):
        number = 0
        for letter in name:
            number = (number * 131 + ord(letter)) % 1_000_003
        return Numbers(self.seed * 1_000_003 + number)

    def add(self, choice, table):
        """Adds what a case needs; returns the names, and the rows' weights."""
        rows = BATCHES[choice["batches"]]
        suffix = f"{choice['batches']} {table}"
        names = {"inputs": suffix, "targets": f"{target_name(choice)} {suffix}",
                 "initial": " ".join([choice["structure"], choice["outputs"],
                                      choice["biases"], str(table)])}
        name = names["inputs"]
        if name not in self.inputs:
            source = self.source(f"inputs {name}")
            self.inputs[name] = [source.rows(count, 5) for count in rows]
        name = names["targets"]
        if name not in self.targets:
            self.targets[name] = make_targets(
                target_name(choice), self.source(f"targets {name}"), rows)
        name = names["initial"]
        if name not in self.initials:
            widths = STRUCTURES[choice["structure"]]
            initial = self.source(f"initial {name}").initial(
                widths + [OUTPUTS[choice["outputs"]]])
            if choice["biases"] == "zero":
                for layer in initial:
                    layer["bias"] = [0.0] * len(layer["bias"])
            self.initials[name] = initial
        if choice["weights"] != "none":
            names["weights"] = make_weights(self.source(f"weights {suffix}"),
                                            rows)
        return names


# --- Cases ------------------------------------------------------------------

def specification(choice, table, tables):
    """A case of the file, without results."""
    loss = choice["loss"].split()
    widths = STRUCTURES[choice["structure"]] + [OUTPUTS[choice["outputs"]]]
    settings, rate = OPTIMIZERS[choice["optimizer"]]
    hidden, of_input = DROPOUT[choice["dropout"]]
    rate *= SLOWER.get(loss[0], 1)
    norm, _, mode = choice["norm"].partition(" ")
    spec = {
        "name": ", ".join(choice[name] for name in FACTORS
                          if choice[name] != "none"),
        "table": table, "widths": widths, "activation": choice["activation"],
        "loss": loss[0], "norm": norm, "mode": mode or "exact",
        "residual": choice["structure"] != "plain",
        "dropout": list(hidden[:len(widths) - 2]), "inputDropout": of_input,
        "seed": 0x0FEDCBA987654321 + table,
        "optimizer": {**OPTIMIZER_DEFAULTS, **settings},
        "learningRates": [rate * factor
                          for factor in SCHEDULES[choice["schedule"]]],
        "clip": CLIP_NORM if choice["clip"] == "clip" else None,
        "batchNormEpsilon": EPSILON, "batchNormMomentum": NORM_MOMENTUM,
        "batchNormAveraging": True,
        **tables.add(choice, table),
    }
    if choice["maxNorm"] == "max-norm":
        spec["optimizer"]["maxNorm"] = MAX_NORM
    if choice["loss"] in LOSS_PARAMETERS:
        spec["lossParameter"] = LOSS_PARAMETERS[choice["loss"]]
    return spec
