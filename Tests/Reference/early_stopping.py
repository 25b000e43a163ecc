# SPDX-License-Identifier: Apache-2.0
"""Writes early_stopping.json: what Keras' EarlyStopping and PyTorch's ReduceLROnPlateau do with given values.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install torch keras
    KERAS_BACKEND=torch /tmp/reference/bin/python Tests/Reference/early_stopping.py

Written with torch 2.15.0 and keras 3.15.1. Every value is a multiple of 1/1024, so that Keras' Float32 and the formulas of
both programs (value + delta < best, value < best - delta) round nothing; null stands for NaN. Keras takes a first value that is
NaN as the best one, which nothing can improve on; its results are left out (null) for such values.
"""

import json
import math
import random
from pathlib import Path

import torch
from keras.callbacks import EarlyStopping


class Model:
    """What EarlyStopping needs of a model without weights."""

    stop_training = False


def keras(values, higher, delta, patience):
    """The number of evaluations after which training stops (or null), and the index of the best one."""
    if math.isnan(values[0]):
        return None
    callback = EarlyStopping("value", min_delta=delta, patience=patience, mode="max" if higher else "min")
    callback.set_model(Model())
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"value": value})
        if callback.model.stop_training:
            return {"stopped": epoch + 1, "best": callback.best_epoch}
    return {"stopped": None, "best": callback.best_epoch}


def torch_rates(values, higher, delta, patience, factor):
    """The learning rate after each evaluation, from 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, "max" if higher else "min", factor, patience, threshold=delta, threshold_mode="abs", eps=0
    )
    rates = []
    for value in values:
        scheduler.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def case(values, higher, delta, patience, factor):
    return {
        "values": [None if math.isnan(value) else value for value in values],
        "higher": higher,
        "delta": delta,
        "patience": patience,
        "factor": factor,
        "keras": keras(values, higher, delta, patience),
        "rates": torch_rates(values, higher, delta, patience, factor),
    }


def main():
    nan = math.nan
    listed = [
        [5, 4, 3, 2, 1],
        [3, 3, 3, 3, 3, 3, 3, 3, 3],
        [1, 2, 3, 2, 1, 0.5, 0.5, 0.25, 4, 4, 4, 4, 4],
        [2, nan, nan, 1, nan, nan, nan, nan, 0.5],
        [nan, nan, 2, 1, 3, 3, 3, 3],
        [1],
        [4, 3.5, 3.25, 3, 2.75, 2.5, 2.25, 2, 1.75, 1.5],
    ]
    draw = random.Random(1)
    for length in (20, 40, 60):
        level, values = 512, []
        for _ in range(length):
            level += draw.randint(-12, 10)
            values.append(nan if draw.random() < 0.03 and values else level / 1024)
        listed.append(values)
    cases = [
        case(values, higher, delta, patience, factor)
        for values in listed
        for higher in (False, True)
        for delta, patience, factor in ((0, 1, 0.1), (0, 3, 0.5), (0.25, 2, 0.1), (8 / 1024, 4, 0.3))
    ]
    path = Path(__file__).with_suffix(".json")
    path.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
