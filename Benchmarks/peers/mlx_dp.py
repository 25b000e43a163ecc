# SPDX-License-Identifier: Apache-2.0
"""MLX on the CPU: mlx.nn, a compiled step, gradients averaged by mlx.distributed (mpi under mpirun, otherwise ring)."""

import json
import os
import sys
import tempfile
import time
from functools import partial

import common

arguments = common.parser("mlx_dp.py", __doc__)
arguments.add_argument("--backend", choices=["mpi", "ring"])
arguments.add_argument("--no-compile", action="store_true")
options = arguments.parse_args()
options.bn = options.bn or "local"
backend = options.backend or ("mpi" if "OMPI_COMM_WORLD_RANK" in os.environ else "ring")
if options.ranks > 1 and common.world()[1] == 1:
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as hosts:
        json.dump([[f"127.0.0.1:{common.free_port()}"] for _ in range(options.ranks)], hosts)
    common.start_ranks(options.ranks, lambda rank: {"MLX_HOSTFILE": hosts.name, "MLX_RANK": str(rank)})
rank, size = common.set_up(options)

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optimizers
import numpy

mx.set_default_device(mx.cpu)
group = mx.distributed.init(backend=backend, strict=True) if size > 1 else None
if group is not None and (group.size(), group.rank()) != (size, rank):
    sys.exit(f"mlx found {group.size()} ranks, expected {size}")


class SynchronizedBatchNorm(nn.BatchNorm):
    def __call__(self, x):
        rows = x.shape[0] * size
        sums = mx.distributed.all_sum(mx.stack([x.sum(0), (x * x).sum(0)]), group=group) / rows
        mean, variance = sums[0], sums[1] - sums[0] * sums[0]
        kept = 1 - self.momentum
        self.running_mean = kept * self.running_mean + self.momentum * mean
        self.running_var = kept * self.running_var + self.momentum * variance * (rows / (rows - 1))
        return (x - mean) * (mx.rsqrt(variance + self.eps) * self.weight) + self.bias


def make_network():
    norm = SynchronizedBatchNorm if options.bn == "sync" and size > 1 else nn.BatchNorm
    modules = []
    for weight, bias in common.weights(options):
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight, linear.bias = mx.array(weight), mx.array(bias)
        modules += [norm(weight.shape[1], eps=1e-5, momentum=0.1), linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


network = make_network()
network.train()
if options.optimizer == "adam":
    optimizer = optimizers.Adam(learning_rate=options.lr, bias_correction=True)
else:
    optimizer = optimizers.SGD(learning_rate=options.lr)
mx.eval(network.parameters())
loss_function = nn.losses.cross_entropy if options.loss == "ce" else nn.losses.mse_loss


def network_loss(x, y):
    return loss_function(network(x), y, reduction="mean")


loss_and_gradients = nn.value_and_grad(network, network_loss)
state = [network.state, optimizer.state]


def step(x, y):
    loss, gradients = loss_and_gradients(x, y)
    if size > 1:
        gradients = nn.average_gradients(gradients, group=group)
    optimizer.update(network, gradients)
    return loss


if not options.no_compile:
    step = partial(mx.compile, inputs=state, outputs=state)(step)
batches = [(mx.array(x), mx.array(y)) for x, y in common.batches(options)]
if options.loss == "mse":
    one_hot = mx.eye(options.widths[-1])
    batches = [(x, one_hot[y]) for x, y in batches]
mx.eval(batches)
done = 0


def train(steps):
    global done
    for _ in range(steps):
        x, y = batches[done % len(batches)]
        done += 1
        loss = step(x, y)
        mx.eval(loss, state)
    return loss


def from_all(value):
    """Gathers a number from every rank."""
    own = mx.array([float(value)], dtype=mx.float32)
    return numpy.array(mx.distributed.all_gather(own, group=group) if size > 1 else own).tolist()


def mean(values):
    return sum(values) / len(values)


first = mean(from_all(train(1).item()))
if options.warmup > 1:
    train(options.warmup - 1)
seconds = []
for _ in range(options.repeats):
    from_all(0)
    start = time.perf_counter()
    last = train(options.steps)
    seconds.append(time.perf_counter() - start)
variant = "eager" if options.no_compile else "compile"
if size > 1:
    variant += f",{backend},{options.bn}-bn"
common.report(
    options, "mlx", variant, {"mlx": mx.__version__}, seconds, (first, mean(from_all(last.item()))),
    from_all(common.peak_mb()))
