# SPDX-License-Identifier: Apache-2.0
"""The cases of make_optimizers.py, and their optimizers in Float64."""

import torch

from golden_cases import Numbers, adam, case, make_tables, sgd


# --- The cases --------------------------------------------------------------

def settings(kind, *, momentum=0.0, decay=0.0, epsilon=1e-8, max_norm=None,
             **more):
    """Settings of an optimizer; keys that a kind does not have are absent."""
    made = {**sgd(momentum, decay=decay), "kind": kind, "epsilon": epsilon,
            **more}
    if max_norm is not None:
        made["maxNorm"] = max_norm
    return made


def rmsprop(epsilon=1e-3, rho=0.875, **more):
    return settings("rmsprop", epsilon=epsilon, rho=rho, **more)


def lamb(epsilon=1e-3, **more):
    return settings("lamb", epsilon=epsilon, **more)


def lars(trust=0.0625, **more):
    return settings("lars", trustCoefficient=trust, **more)


def tables(seed):
    """Those of the other cases that these need, and some of their own."""
    inputs, targets, initials = make_tables(seed)
    source = Numbers(seed * 1000 + 91)
    # Its weights span three and four blocks of 256 parameters; the tensors of
    # the others share one.
    initials = {"A": initials["A"], "wide": initials["wide"]}
    # The last layer's weights are zero, and so are the gradients of all layers
    # before, in the first step.
    zero = source.initial([5, 7, 6, 3])
    zero[-1]["weight"] = [[0.0] * 6 for _ in range(3)]
    initials["zeroWeights"] = zero
    names = ("plain", "wide")
    return ({name: inputs[name] for name in names},
            {name: targets[name] for name in ("classes", "values3",
                                              "wideClasses")},
            initials)


def wide(name, optimizer, rate, **more):
    return case(name, "sigmoid", "cross-entropy", "exact", optimizer, rate,
                inputs="wide", targets="wideClasses", initial="wide", **more)


def all_cases():
    ce, mse = "cross-entropy", "mse"
    limited = {**sgd(0.9), "maxNorm": 1.25}
    unlimited = {**sgd(0.9), "maxNorm": 64.0}
    adam_limited = {**adam(1e-3, 0.05), "maxNorm": 0.75}
    return [
        case("rmsprop", "relu", ce, "exact", rmsprop(), 0.015625),
        case("rmsprop epsilon 1e-8", "sigmoid", ce, "frozen",
             rmsprop(1e-8, 0.99), 0.00390625),
        case("rmsprop momentum", "relu", mse, "exact",
             rmsprop(momentum=0.75), 0.0078125),
        case("rmsprop momentum with decay, clipped", "sigmoid", mse, "frozen",
             rmsprop(momentum=0.5, decay=0.05), 0.0078125, clip=0.5),
        wide("rmsprop momentum, odd widths", rmsprop(momentum=0.75), 0.0078125),
        case("lamb", "relu", ce, "exact", lamb(), 0.03125),
        case("lamb epsilon 1e-6", "sigmoid", ce, "frozen", lamb(1e-6), 0.03125),
        case("lamb with decay, clipped", "sigmoid", mse, "exact",
             lamb(decay=0.25), 0.03125, clip=0.5),
        case("lamb zero weights", "sigmoid", ce, "exact", lamb(), 0.03125,
             initial="zeroWeights"),
        wide("lamb, odd widths", lamb(decay=0.05), 0.03125),
        case("lars", "relu", ce, "exact", lars(), 0.5),
        case("lars trust coefficient 0.001", "sigmoid", ce, "frozen",
             lars(0.001, momentum=0.9), 0.5),
        case("lars momentum with decay, clipped", "sigmoid", mse, "exact",
             lars(momentum=0.75, decay=0.05), 0.5, clip=0.5),
        case("lars zero weights", "sigmoid", ce, "exact",
             lars(momentum=0.75, decay=0.05), 0.25, initial="zeroWeights"),
        wide("lars, odd widths", lars(momentum=0.75, decay=0.05), 0.5),
        case("max-norm momentum", "relu", ce, "exact", limited, 0.03125),
        case("max-norm never reached", "relu", ce, "exact", unlimited, 0.03125),
        case("max-norm adamw, clipped", "sigmoid", mse, "frozen", adam_limited,
             0.015625, clip=0.5),
        wide("max-norm lamb, odd widths", lamb(decay=0.05, max_norm=1.125),
             0.0625),
        wide("max-norm rmsprop, odd widths", rmsprop(max_norm=1.0), 0.0078125),
    ]


# --- The optimizers ---------------------------------------------------------

def constrain(w, limit):
    """Scales the rows that are longer than `limit` down to it, in place."""
    for row in w:
        norm = torch.sqrt((row ** 2).sum())
        if norm > limit:
            row *= limit / norm


class FormulaOptimizer:
    """Each optimizer as its paper states it, on a list of tensors."""

    def __init__(self, settings, count):
        self.settings = settings
        self.first = [0.0] * count
        self.second = [0.0] * count
        self.step = 0
        # The ratios of weight tensors, and the number of rows that were scaled.
        self.ratios = []
        self.scaled = 0

    def update(self, parameters, gradients, rate, decayed):
        self.step += 1
        rule = getattr(self, self.settings["kind"])
        for i, (w, g) in enumerate(zip(parameters, gradients)):
            decay = self.settings["weightDecay"] if decayed[i] else 0.0
            rule(i, w, g, rate, decay, decayed[i])
            limit = self.settings.get("maxNorm")
            if limit is not None and decayed[i]:
                before = w.clone()
                constrain(w, limit)
                self.scaled += int((w != before).any(dim=1).sum())

    def sgd(self, i, w, g, rate, decay, _):
        self.first[i] = self.settings["momentum"] * self.first[i] + g + decay * w
        w -= rate * self.first[i]

    def adam(self, i, w, g, rate, decay, _):
        direction = self.direction(i, g)
        w -= rate * decay * w
        w -= rate * direction

    def direction(self, i, g):
        """Adam's direction, with bias correction."""
        b1, b2 = self.settings["beta1"], self.settings["beta2"]
        self.first[i] = b1 * self.first[i] + (1 - b1) * g
        self.second[i] = b2 * self.second[i] + (1 - b2) * g ** 2
        m = self.first[i] / (1 - b1 ** self.step)
        v = self.second[i] / (1 - b2 ** self.step)
        return m / (torch.sqrt(v) + self.settings["epsilon"])

    def rmsprop(self, i, w, g, rate, decay, _):
        s = self.settings
        g = g + decay * w
        self.second[i] = s["rho"] * self.second[i] + (1 - s["rho"]) * g ** 2
        step = g / (torch.sqrt(self.second[i]) + s["epsilon"])
        self.first[i] = s["momentum"] * self.first[i] + step
        w -= rate * self.first[i]

    def lamb(self, i, w, g, rate, decay, is_weight):
        step = self.direction(i, g) + decay * w
        w -= rate * self.ratio(w, step, is_weight) * step

    def lars(self, i, w, g, rate, decay, is_weight):
        s = self.settings
        ratio = self.ratio(w, g, is_weight, decay, s["trustCoefficient"])
        self.first[i] = s["momentum"] * self.first[i] + ratio * (g + decay * w)
        w -= rate * self.first[i]

    def ratio(self, w, step, is_weight, decay=0.0, trust=1.0):
        if not is_weight:
            return 1.0
        a, b = torch.sqrt((w ** 2).sum()), torch.sqrt((step ** 2).sum())
        found = 1.0 if a == 0 or b == 0 else (trust * a / (b + decay * a)).item()
        self.ratios.append(found)
        return found


class TorchOptimizer:
    """The same by torch.optim as far as it has them, to verify the formulas.

    LAMB takes the step of torch.optim.Adam with a rate of 1, LARS is
    torch.optim.SGD on scaled gradients; norms are those of torch.linalg.
    """

    def __init__(self, settings, count):
        self.settings = settings
        self.optimizers = None

    def make(self, parameters, decayed):
        s = self.settings
        momentum, betas = s["momentum"], (s["beta1"], s["beta2"])
        self.copies = [p.detach().clone() for p in parameters]
        made = []
        for p, c, d in zip(parameters, self.copies, decayed):
            decay = s["weightDecay"] if d else 0.0
            made.append({
                "sgd": lambda: torch.optim.SGD(
                    [p], lr=1, momentum=momentum, weight_decay=decay),
                "adam": lambda: torch.optim.AdamW(
                    [p], lr=1, betas=betas, eps=s["epsilon"],
                    weight_decay=decay),
                "rmsprop": lambda: torch.optim.RMSprop(
                    [p], lr=1, alpha=s["rho"], eps=s["epsilon"],
                    momentum=momentum, weight_decay=decay),
                "lamb": lambda: torch.optim.Adam(
                    [c], lr=1, betas=betas, eps=s["epsilon"]),
                "lars": lambda: torch.optim.SGD([p], lr=1, momentum=momentum),
            }[s["kind"]]())
        return made

    def update(self, parameters, gradients, rate, decayed):
        s, norm = self.settings, torch.linalg.vector_norm
        if self.optimizers is None:
            self.optimizers = self.make(parameters, decayed)
        for i, (p, g) in enumerate(zip(parameters, gradients)):
            optimizer = self.optimizers[i]
            decay = s["weightDecay"] if decayed[i] else 0.0
            optimizer.param_groups[0]["lr"] = rate
            if s["kind"] == "lamb":
                optimizer.param_groups[0]["lr"] = 1
                copy_ = self.copies[i]
                before = copy_.clone()
                copy_.grad = g.clone()
                optimizer.step()
                step = before - copy_ + decay * p
                ratio = norm(p) / norm(step) if decayed[i] else 1.0
                if decayed[i] and (norm(p) == 0 or norm(step) == 0):
                    ratio = 1.0
                p -= rate * ratio * step
            else:
                if s["kind"] == "lars":
                    ratio = 1.0
                    if decayed[i] and norm(p) > 0 and norm(g) > 0:
                        ratio = s["trustCoefficient"] * norm(p) / (
                            norm(g) + decay * norm(p))
                    g = ratio * (g + decay * p)
                p.grad = g.clone()
                optimizer.step()
                p.grad = None
            if s.get("maxNorm") is not None and decayed[i]:
                p.copy_(torch.renorm(p, 2, 0, s["maxNorm"]))


# --- Schedules --------------------------------------------------------------

def schedules():
    """Learning rates of every step by torch.optim.lr_scheduler."""
    made = []

    def rates(base, steps, make):
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=base)
        scheduler = make(optimizer)
        found = []
        for step in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            if step + 1 < steps:
                optimizer.step()
                scheduler.step()
        return found

    for steps in (1, 2, 3, 4, 7, 10, 100):
        made.append({
            "name": "one-cycle", "base": 0.25, "totalSteps": steps,
            "rates": rates(0.25, steps, lambda o: torch.optim.lr_scheduler.
                           OneCycleLR(o, max_lr=0.25, total_steps=steps,
                                      cycle_momentum=False))})
    for every, factor in ((1, 0.75), (4, 0.1), (7, 1.0)):
        made.append({
            "name": "exponential", "base": 0.25, "totalSteps": 20,
            "every": every, "factor": factor,
            "rates": rates(0.25, 20, lambda o: torch.optim.lr_scheduler.
                           ExponentialLR(o, factor ** (1 / every)))})
    return made
