# SPDX-License-Identifier: Apache-2.0
"""Training in Float64 with automatic differentiation, for make_goldens.py."""

import math

import torch
from torch.nn import functional

TENSORS = ("weight", "bias", "gamma", "beta")

ACTIVATIONS = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "identity": lambda z: z,
    "leaky-relu": torch.nn.functional.leaky_relu,
    "elu": torch.nn.functional.elu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    # Without the switch to the identity above a threshold.
    "softplus": lambda z: torch.logaddexp(z, torch.zeros_like(z)),
    "tanh": torch.tanh,
}

# Losses that are sums over outputs, with the terms of each.
TORCH_LOSSES = {
    "mae": lambda z, y, _: functional.l1_loss(z, y, reduction="none"),
    "huber": lambda z, y, delta: functional.huber_loss(
        z, y, reduction="none", delta=delta),
    "poisson": lambda z, y, _: functional.poisson_nll_loss(
        z, y, log_input=True, full=False, reduction="none"),
    # PyTorch has no pinball loss.
    "quantile": lambda z, y, tau: torch.where(
        y >= z, tau * (y - z), (1 - tau) * (z - y)),
    "binary-cross-entropy":
        lambda z, y, _: functional.binary_cross_entropy_with_logits(
            z, y, reduction="none"),
}


# --- The network ------------------------------------------------------------

def forward(layers, rows, spec, statistics=None, record=None):
    """Outputs of a network; `statistics` None means those of the batch.

    If `record` is a list, (mean, variance, pre-activations) per layer are
    appended to it.  With `statistics`, a feature that never varied is taken
    as normalized to 0, if the statistics average the first batches.
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
        normalized = ((out - mean)
                      / torch.sqrt(variance + spec["batchNormEpsilon"]))
        if statistics is not None and spec.get("batchNormAveraging"):
            normalized = torch.where(variance == 0, 0.0, normalized)
        z = ((normalized * layer["gamma"] + layer["beta"])
             @ layer["weight"].T + layer["bias"])
        if record is not None:
            record.append((mean.detach(), variance.detach(), z.detach()))
        last = index == len(layers) - 1
        out = z if last else ACTIVATIONS[spec["activation"]](z)
    return out


def loss_of(outputs, target, loss, parameter=None):
    """The loss; `target` has one row of numbers for each row of outputs.

    `parameter`: delta of huber, the quantile, or the label smoothing.
    """
    if loss == "mse":
        return ((outputs - target) ** 2).sum(dim=1).mean()
    if loss in TORCH_LOSSES:
        terms = TORCH_LOSSES[loss](outputs, target, parameter)
        return terms.sum(dim=1).mean()
    if parameter is not None:
        return functional.cross_entropy(outputs, target,
                                        label_smoothing=parameter)
    logs = torch.log_softmax(outputs, dim=1)
    return -(target * logs).sum(dim=1).mean()


def step_loss(outputs, target, spec, step):
    """The loss of a step, with the case's weights of rows if it has some."""
    if "weights" not in spec:
        return loss_of(outputs, target, spec["loss"],
                       spec.get("lossParameter"))
    weights = torch.tensor(spec["weights"][step], dtype=outputs.dtype)
    losses = [loss_of(outputs[i:i + 1], target[i:i + 1], spec["loss"],
                      spec.get("lossParameter"))
              for i in range(len(outputs))]
    return (weights * torch.stack(losses)).sum() / len(losses)


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
        """Updates `parameters`; `decayed[i]`: whether weight decay applies."""
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
    """The same updates by torch.optim, to verify the formulas."""

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


def weighted_means(history, keep):
    """Running statistics from those of all batches, without a recurrence.

    The first n = floor(1 / (1 - keep)) batches have equal weights; each
    later batch has 1 - keep, and takes the factor keep from those before.
    """
    count = len(history)
    plain = min(count, math.floor(1 / (1 - keep) + 1e-9))
    weights = [keep ** (count - plain) / plain] * plain
    weights += [(1 - keep) * keep ** (count - 1 - i)
                for i in range(plain, count)]
    assert abs(sum(weights) - 1) < 1e-12
    return [tuple(sum(w * batch[layer][part]
                      for w, batch in zip(weights, history))
                  for part in (0, 1))
            for layer in range(len(history[0]))]


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

    averages = spec.get("batchNormAveraging", False)
    history = []

    for step, rate in enumerate(spec["learningRates"]):
        rows = torch.tensor(inputs[spec["inputs"]][step], dtype=dtype)
        target = target_tensor(targets[spec["targets"]], step, width, dtype)
        record = []
        loss = step_loss(forward(layers, rows, spec, record=record), target,
                         spec, step)
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

        if averages:
            history.append([(mean, variance) for mean, variance, _ in record])
            running = weighted_means(history, keep)
        else:
            running = [(keep * m + (1 - keep) * mean,
                        keep * v + (1 - keep) * variance)
                       for (m, v), (mean, variance, _) in zip(running, record)]
        clip = spec["clip"]
        if clip is not None and norm > clip:
            gradients = [g * (clip / norm) for g in gradients]
        with torch.no_grad():
            optimizer.update(parameters, gradients, rate, decayed)

    with torch.no_grad():
        name = spec.get("inferenceInputs", spec["inputs"])
        rows = torch.tensor(inputs[name][0], dtype=dtype)
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
