# SPDX-License-Identifier: Apache-2.0
"""Training in Float64 with automatic differentiation, for make_combinations.py."""

import math

import torch

from golden_training import ACTIVATIONS, TENSORS, weighted_means
from philox import dropout_mask


# --- The network ------------------------------------------------------------

def tensor_names(spec):
    return TENSORS if spec["norm"] != "none" else TENSORS[:2]


def has_residual(spec, index):
    widths = spec["widths"]
    return (spec["residual"] and index < len(widths) - 2
            and widths[index] == widths[index + 1])


def layer_number(*path):
    """The number of a layer in layers: `path` are its places, outermost first."""
    number = path[0]
    for place in path[1:]:
        number = (number + 1) * 4096 + place
    return number


def dropout_factors(spec, update, rows, dtype):
    """What dropout multiplies inputs and hidden outputs by, or None.

    One for the input, then one for each hidden block.  Before a block's
    layer are the dropout of the input and layer norm, after it is its dropout;
    a residual connection has the block at place 0.
    """
    widths = spec["widths"]

    def number(index, place):
        if has_residual(spec, index):
            return layer_number(index, 0, place)
        return layer_number(index, place)

    def factor(probability, layer, units):
        if probability == 0:
            return None
        mask = dropout_mask(spec["seed"], layer, update, rows, units,
                            probability)
        return torch.tensor(mask, dtype=dtype) / (1 - probability)

    factors = [factor(spec["inputDropout"], number(0, 0), widths[0])]
    for index, probability in enumerate(spec["dropout"]):
        before = ((index == 0 and spec["inputDropout"] > 0)
                  + (spec["norm"] == "layer"))
        factors.append(factor(probability, number(index, before + 1),
                              widths[index + 1]))
    return factors


def normalize(out, layer, spec, index, statistics, record):
    """Gamma times the normalized rows plus beta."""
    epsilon = spec["batchNormEpsilon"]
    if spec["norm"] == "none":
        return out
    if spec["norm"] == "layer":
        mean = out.mean(dim=1, keepdim=True)
        variance = ((out - mean) ** 2).mean(dim=1, keepdim=True)
    elif statistics is not None:
        mean, variance = statistics[index]
    else:
        mean = out.mean(dim=0)
        variance = ((out - mean) ** 2).mean(dim=0)
        if spec["mode"] == "frozen":
            mean, variance = mean.detach(), variance.detach()
    normalized = (out - mean) / torch.sqrt(variance + epsilon)
    if spec["norm"] == "batch":
        if statistics is not None and spec["inferring"]:
            normalized = torch.where(variance == 0, 0.0, normalized)
        if record is not None:
            record["statistics"].append((mean.detach(), variance.detach()))
    return normalized * layer["gamma"] + layer["beta"]


def forward(layers, rows, spec, factors=None, statistics=None, record=None):
    """Outputs of a network; `factors` are those of dropout, None without it.

    `statistics` None means those of the batch.  Into `record` go the
    statistics of batch norm and the pre-activations of hidden layers.
    """
    out = rows
    last = len(layers) - 1
    factors = factors or [None] * len(layers)
    for index, layer in enumerate(layers):
        block_input = out
        if index == 0 and factors[0] is not None:
            out = out * factors[0]
        out = normalize(out, layer, spec, index, statistics, record)
        out = out @ layer["weight"].T + layer["bias"]
        if index == last:
            return out
        if record is not None:
            record["preActivations"].append(out.detach())
        out = ACTIVATIONS[spec["activation"]](out)
        if factors[index + 1] is not None:
            out = out * factors[index + 1]
        if has_residual(spec, index):
            out = block_input + out


# --- Losses -----------------------------------------------------------------

def row_losses(outputs, target, spec):
    """The loss of each row: the sum over its columns."""
    loss = spec["loss"]
    if loss == "cross-entropy":
        smoothing = spec.get("lossParameter", 0)
        target = (1 - smoothing) * target + smoothing / outputs.shape[1]
        each = target * (torch.logsumexp(outputs, dim=1, keepdim=True)
                         - outputs)
    elif loss == "mse":
        each = (outputs - target) ** 2
    elif loss == "mae":
        each = (outputs - target).abs()
    elif loss == "huber":
        delta = spec["lossParameter"]
        off = (outputs - target).abs()
        each = torch.where(off <= delta, off ** 2 / 2,
                           delta * (off - delta / 2))
    elif loss == "poisson":
        each = torch.exp(outputs) - target * outputs
    elif loss == "quantile":
        off = target - outputs
        tau = spec["lossParameter"]
        each = torch.maximum(tau * off, (tau - 1) * off)
    else:
        each = torch.logaddexp(outputs, torch.zeros_like(outputs)) \
            - target * outputs
    return each.sum(dim=1)


def torch_row_losses(outputs, target, spec):
    """The same by torch.nn.functional, where it has the loss."""
    loss, functional = spec["loss"], torch.nn.functional
    if loss == "cross-entropy":
        return functional.cross_entropy(
            outputs, target, reduction="none",
            label_smoothing=spec.get("lossParameter", 0))
    if loss == "quantile":
        return None
    each = {
        "mse": lambda: functional.mse_loss(outputs, target, reduction="none"),
        "mae": lambda: functional.l1_loss(outputs, target, reduction="none"),
        "huber": lambda: functional.huber_loss(
            outputs, target, reduction="none", delta=spec["lossParameter"]),
        "poisson": lambda: functional.poisson_nll_loss(
            outputs, target, reduction="none"),
        "binary-cross-entropy":
            lambda: functional.binary_cross_entropy_with_logits(
                outputs, target, reduction="none"),
    }[loss]()
    return each.sum(dim=1)


def batch(spec, tables, step, dtype):
    """(rows, targets, weights) of a step; weights are 1 without any."""
    rows = torch.tensor(tables.inputs[spec["inputs"]][step], dtype=dtype)
    table = tables.targets[spec["targets"]]
    if "rows" in table:
        target = torch.tensor(table["rows"][step], dtype=dtype)
    else:
        target = torch.nn.functional.one_hot(
            torch.tensor(table["classes"][step]),
            spec["widths"][-1]).to(dtype)
    if "weights" in spec:
        weights = torch.tensor(spec["weights"][step], dtype=dtype)
    else:
        weights = torch.ones(len(rows), dtype=dtype)
    return rows, target, weights


def batch_loss(outputs, target, weights, spec):
    return (weights * row_losses(outputs, target, spec)).sum() / len(outputs)


# --- Optimizers -------------------------------------------------------------

class FormulaOptimizer:
    """All optimizers as their papers state them, on a list of tensors.

    As usual, only weights are decayed, and have a trust ratio other than 1.
    """

    def __init__(self, settings, count):
        self.settings = settings
        self.first = [0.0] * count
        self.second = [0.0] * count
        self.step = 0

    def update(self, parameters, gradients, rate, are_weights):
        self.step += 1
        for i, (w, g) in enumerate(zip(parameters, gradients)):
            w -= rate * getattr(self, self.settings["kind"])(
                i, w, g, are_weights[i])

    def decay(self, is_weight):
        return self.settings["weightDecay"] if is_weight else 0.0

    def sgd(self, i, w, g, is_weight):
        s = self.settings
        g = g + self.decay(is_weight) * w
        if not s["momentum"]:
            return g
        self.first[i] = s["momentum"] * self.first[i] + g
        return g + s["momentum"] * self.first[i] if s["nesterov"] \
            else self.first[i]

    def adaptive_moments(self, i, g):
        s = self.settings
        b1, b2 = s["beta1"], s["beta2"]
        self.first[i] = b1 * self.first[i] + (1 - b1) * g
        self.second[i] = b2 * self.second[i] + (1 - b2) * g * g
        m = self.first[i] / (1 - b1 ** self.step)
        v = self.second[i] / (1 - b2 ** self.step)
        return m / (torch.sqrt(v) + s["epsilon"])

    def adam(self, i, w, g, is_weight):
        return self.adaptive_moments(i, g) + self.decay(is_weight) * w

    def lamb(self, i, w, g, is_weight):
        """You et al., ICLR 2020, algorithm 2, with the identity as phi."""
        direction = self.adaptive_moments(i, g) + self.decay(is_weight) * w
        if is_weight and w.norm() > 0 and direction.norm() > 0:
            direction = direction * (w.norm() / direction.norm())
        return direction

    def rmsprop(self, i, w, g, is_weight):
        """As torch.optim.RMSprop."""
        s = self.settings
        g = g + self.decay(is_weight) * w
        rho = s["rho"]
        self.second[i] = rho * self.second[i] + (1 - rho) * g * g
        step = g / (torch.sqrt(self.second[i]) + s["epsilon"])
        if not s["momentum"]:
            return step
        self.first[i] = s["momentum"] * self.first[i] + step
        return self.first[i]

    def lars(self, i, w, g, is_weight):
        """You et al., 2017 (arXiv 1708.03888), with the rate outside of v."""
        s = self.settings
        decay = self.decay(is_weight)
        trust = 1.0
        if is_weight and w.norm() > 0 and g.norm() > 0:
            trust = s["trustCoefficient"] * w.norm() / (
                g.norm() + decay * w.norm())
        self.first[i] = s["momentum"] * self.first[i] + trust * (g + decay * w)
        return self.first[i]


class TorchOptimizer:
    """The same updates by torch.optim, to verify the formulas."""

    kinds = ("sgd", "adam", "rmsprop")

    def __init__(self, settings, count):
        self.settings = settings
        self.optimizer = None

    def make(self, groups):
        s = self.settings
        if s["kind"] == "sgd":
            return torch.optim.SGD(groups, momentum=s["momentum"],
                                   nesterov=s["nesterov"])
        if s["kind"] == "adam":
            return torch.optim.AdamW(groups, betas=(s["beta1"], s["beta2"]),
                                     eps=s["epsilon"])
        return torch.optim.RMSprop(groups, alpha=s["rho"], eps=s["epsilon"],
                                   momentum=s["momentum"])

    def update(self, parameters, gradients, rate, are_weights):
        if self.optimizer is None:
            decay = self.settings["weightDecay"]
            self.optimizer = self.make([
                {"params": [p], "weight_decay": decay if is_weight else 0.0}
                for p, is_weight in zip(parameters, are_weights)])
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        for p, g in zip(parameters, gradients):
            p.grad = g.clone()
        self.optimizer.step()
        for p in parameters:
            p.grad = None


def limit_rows(weight, maximum):
    """Scales the rows whose norm is above the maximum down to it."""
    norms = weight.norm(dim=1, keepdim=True)
    weight *= torch.where(norms > maximum, maximum / norms, 1.0)


# --- Training ---------------------------------------------------------------

def initial_layers(spec, tables, dtype, requires_grad=False):
    return [{name: torch.tensor(layer[name], dtype=dtype,
                                requires_grad=requires_grad)
             for name in tensor_names(spec)}
            for layer in tables.initials[spec["initial"]]]


class Conditions:
    """How close a run came to where Float32 noise would change its course."""

    def __init__(self):
        self.kink = math.inf
        self.clipped = self.limited = False

    def note(self, spec, record, outputs, target):
        if spec["activation"] in ("relu", "leaky-relu"):
            for z in record["preActivations"]:
                self.kink = min(self.kink, z.abs().min().item())
        if spec["loss"] in ("mae", "quantile"):
            self.kink = min(self.kink,
                            (outputs - target).abs().min().item())


def train(spec, tables, dtype=torch.float64, optimizer_type=FormulaOptimizer):
    """Trains `spec` for its steps; returns (results, conditions)."""
    spec = {**spec, "inferring": False}
    names = tensor_names(spec)
    layers = initial_layers(spec, tables, dtype, requires_grad=True)
    parameters = [layer[name] for layer in layers for name in names]
    are_weights = [name == "weight" for _ in layers for name in names]
    optimizer = optimizer_type(spec["optimizer"], len(parameters))
    losses, norms, first_gradients, history = [], [], None, []
    conditions = Conditions()

    for step, rate in enumerate(spec["learningRates"]):
        rows, target, weights = batch(spec, tables, step, dtype)
        record = {"statistics": [], "preActivations": []}
        factors = dropout_factors(spec, step + 1, len(rows), dtype)
        outputs = forward(layers, rows, spec, factors, record=record)
        loss = batch_loss(outputs, target, weights, spec)
        gradients = torch.autograd.grad(loss, parameters)
        conditions.note(spec, record, outputs.detach(), target)
        history.append(record["statistics"])
        norm = math.sqrt(sum((g.double() ** 2).sum().item()
                             for g in gradients))
        losses.append(loss.item())
        norms.append(norm)
        if first_gradients is None:
            values = iter(gradients)
            first_gradients = [{name: next(values).tolist()
                                for name in names} for _ in layers]
        clip, limit = spec["clip"], spec["optimizer"].get("maxNorm")
        if clip is not None and norm > clip:
            conditions.clipped = True
            gradients = [g * (clip / norm) for g in gradients]
        with torch.no_grad():
            optimizer.update(parameters, gradients, rate, are_weights)
            if limit is not None:
                for layer in layers:
                    if layer["weight"].norm(dim=1).max() > limit:
                        conditions.limited = True
                    limit_rows(layer["weight"], limit)

    running = None
    if spec["norm"] == "batch":
        running = weighted_means(history, spec["batchNormMomentum"])
    with torch.no_grad():
        rows, _, _ = batch(spec, tables, 0, dtype)
        inference = forward(layers, rows, {**spec, "inferring": True},
                            statistics=running)
    return {
        "losses": losses,
        "gradientNorms": norms,
        "firstGradients": first_gradients,
        "finalParameters": [{name: layer[name].tolist() for name in names}
                            for layer in layers],
        "runningStatistics": [{"mean": m.tolist(), "variance": v.tolist()}
                              for m, v in running or []],
        "inference": inference.tolist(),
    }, conditions
