# SPDX-License-Identifier: Apache-2.0
"""JAX: one jitted step with donated state; several ranks with jax.distributed, shard_map and psum."""

import os
import sys
import time

import common

arguments = common.parser("jax_dp.py", __doc__)
arguments.add_argument("--scan", type=int, default=0, help="number of steps per call, with lax.scan (0: no scan)")
arguments.add_argument("--collectives", choices=["gloo", "mpi"], default="gloo", help="mpi needs MPITRAMPOLINE_LIB")
arguments.add_argument("--inline", action="store_true", help="run on the calling thread (mpi needs it)")
options = arguments.parse_args()
options.bn = options.bn or "sync"
if options.ranks > 1 and common.world()[1] == 1:
    common.start_ranks(options.ranks)
rank, size = common.set_up(options)
if options.scan and (options.steps % options.scan or options.warmup % options.scan):
    sys.exit(f"--steps {options.steps} and --warmup {options.warmup} must be multiples of --scan {options.scan}")
if options.threads == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import jaxlib
import numpy
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

if options.inline:
    jax.config.update("jax_cpu_enable_async_dispatch", False)
if size > 1:
    jax.config.update("jax_cpu_collectives_implementation", options.collectives)
    address = os.environ.get("MASTER_ADDR", "127.0.0.1") + ":" + os.environ.get("MASTER_PORT", "29411")
    jax.distributed.initialize(address, num_processes=size, process_id=rank)
if (jax.device_count(), jax.local_device_count()) != (size, 1):
    sys.exit(f"jax found {jax.device_count()} devices, expected {size}")
mesh = Mesh(numpy.array(jax.devices()), ("data",))
everywhere = NamedSharding(mesh, PartitionSpec())
synchronized = options.bn == "sync" and size > 1


def batch_norm(x, gamma, beta):
    if synchronized:
        rows = options.batch
        sums = lax.psum(jnp.stack([x.sum(0), (x * x).sum(0)]), "data") / rows
        mean, variance = sums[0], sums[1] - sums[0] * sums[0]
    else:
        rows = options.batch // size
        mean = x.mean(0)
        variance = jnp.square(x - mean).mean(0)
    y = (x - mean) * (lax.rsqrt(variance + 1e-5) * gamma) + beta
    return y, (mean, variance * (rows / (rows - 1)))


def loss_and_statistics(parameters, x, y):
    statistics = []
    for index, layer in enumerate(parameters):
        x, of_layer = batch_norm(x, layer["gamma"], layer["beta"])
        statistics.append(of_layer)
        x = x @ layer["weight"] + layer["bias"]  # the weight is inputs x outputs
        if index < len(parameters) - 1:
            x = jax.nn.relu(x)
    if options.loss == "ce":
        loss = -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1).mean()
    else:
        loss = jnp.square(x - jax.nn.one_hot(y, options.widths[-1])).mean()
    return loss / size, statistics


def sum_over_ranks(gradients, loss):
    """Sums all gradients and the loss with a single psum of one flat vector."""
    leaves, tree = jax.tree.flatten(gradients)
    flat = lax.psum(jnp.concatenate([leaf.ravel() for leaf in leaves] + [loss[None]]), "data")
    parts, offset = [], 0
    for leaf in leaves:
        parts.append(flat[offset:offset + leaf.size].reshape(leaf.shape))
        offset += leaf.size
    return jax.tree.unflatten(tree, parts), flat[offset]


def adam(parameters, first_moments, second_moments, gradients, time_step):
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first_moments, gradients)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second_moments, gradients)
    rate = options.lr / (1 - 0.9 ** time_step.astype(jnp.float32))
    correction = 1 - 0.999 ** time_step.astype(jnp.float32)
    updated = jax.tree.map(
        lambda w, m, v: w - rate * m / (jnp.sqrt(v / correction) + 1e-8), parameters, first, second)
    return updated, first, second


def step(state, x, y):
    parameters, first, second, running, time_step = state
    (loss, statistics), gradients = jax.value_and_grad(loss_and_statistics, has_aux=True)(parameters, x, y)
    if size > 1:
        gradients, loss = sum_over_ranks(gradients, loss)
    running = jax.tree.map(lambda kept, new: 0.9 * kept + 0.1 * new, running, statistics)
    time_step = time_step + 1
    if options.optimizer == "adam":
        parameters, first, second = adam(parameters, first, second, gradients, time_step)
    else:
        parameters = jax.tree.map(lambda w, g: w - options.lr * g, parameters, gradients)
    return (parameters, first, second, running, time_step), loss


def many_steps(state, xs, ys, start):
    def body(carried, _):
        state, index = carried
        x = lax.dynamic_index_in_dim(xs, index % count, 0, False)
        y = lax.dynamic_index_in_dim(ys, index % count, 0, False)
        state, loss = step(state, x, y)
        return (state, index + 1), loss

    (state, _), losses = lax.scan(body, (state, start), None, length=options.scan)
    return state, losses[0], losses[-1]


def compiled():
    whole, rows, stacked = PartitionSpec(), PartitionSpec("data"), PartitionSpec(None, "data")
    function = many_steps if options.scan else step
    if size > 1:
        takes = (whole, stacked, stacked, whole) if options.scan else (whole, rows, rows)
        gives = (whole, whole, whole) if options.scan else (whole, whole)
        function = jax.shard_map(function, mesh=mesh, in_specs=takes, out_specs=gives, check_vma=False)
    return jax.jit(function, donate_argnums=0)


def put(value, sharding):
    return jax.make_array_from_process_local_data(sharding, value) if size > 1 else jax.device_put(value)


def initial_state():
    parameters = [
        {"weight": numpy.ascontiguousarray(weight.T), "bias": bias,
         "gamma": numpy.ones(weight.shape[1], numpy.float32), "beta": numpy.zeros(weight.shape[1], numpy.float32)}
        for weight, bias in common.weights(options)]
    moments = jax.tree.map(numpy.zeros_like, parameters) if options.optimizer == "adam" else ()
    running = [(numpy.zeros_like(layer["gamma"]), numpy.ones_like(layer["gamma"])) for layer in parameters]
    state = (parameters, moments, moments, running, numpy.int32(0))
    return jax.tree.map(lambda value: put(numpy.array(value), everywhere), state)


state = initial_state()
run_compiled = compiled()
batches = common.batches(options)
count = len(batches)
if options.scan:
    stacked = NamedSharding(mesh, PartitionSpec(None, "data"))
    xs, ys = (put(numpy.stack(part), stacked) for part in zip(*batches))
else:
    batches = [tuple(put(part, NamedSharding(mesh, PartitionSpec("data"))) for part in batch) for batch in batches]
done = 0


def train(steps):
    """Trains; returns the losses of the first and last step."""
    global state, done
    first = None
    for _ in range(steps // (options.scan or 1)):
        if options.scan:
            state, of_first, loss = run_compiled(state, xs, ys, numpy.int32(done % count))
        else:
            state, loss = run_compiled(state, *batches[done % count])
            of_first = loss
        done += options.scan or 1
        first = of_first if first is None else first
    jax.block_until_ready((state, loss))
    return first, loss


def number(value):
    return float(numpy.asarray(value.addressable_data(0)))


first, _ = train(max(options.warmup, options.scan, 1))
seconds = []
for _ in range(options.repeats):
    start = time.perf_counter()
    _, last = train(options.steps)
    seconds.append(time.perf_counter() - start)
peaks = [common.peak_mb()]
if size > 1:
    from jax.experimental import multihost_utils

    peaks = multihost_utils.process_allgather(numpy.float32(peaks[0])).tolist()
variant = f"scan{options.scan}" if options.scan else "plain"
if size > 1:
    variant += f",{options.collectives},{options.bn}-bn"
if options.inline:
    variant += ",inline"
common.report(
    options, "jax", variant, {"jax": jax.__version__, "jaxlib": jaxlib.__version__}, seconds,
    (number(first), number(last)), peaks)
if size > 1:
    jax.distributed.shutdown()
