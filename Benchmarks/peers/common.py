# SPDX-License-Identifier: Apache-2.0
"""Common parts of the peers: arguments, core binding, data, initial weights, starting ranks, the report.

Import this and call set_up() before importing the framework: core affinity and numbers of threads must be set first.
Every peer trains the same network on the same rows from the same weights: per layer batch norm of its input (eps 1e-5,
affine), a fully connected layer with bias, and ReLU (not after the last layer), in float32.
"""

import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import time

PROCESS_NAMES = (("RANK", "WORLD_SIZE"), ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"))
THREAD_NAMES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def parser(peer, description):
    options = argparse.ArgumentParser(peer, description=description)
    options.add_argument("--layers", default="784,256,128,10", help="widths, from inputs to outputs")
    options.add_argument("--batch", type=int, default=128, help="rows per batch, split evenly over the ranks")
    options.add_argument("--steps", type=int, default=200, help="steps per timed block")
    options.add_argument("--warmup", type=int, default=20, help="untimed steps before the first block")
    options.add_argument("--repeats", type=int, default=5, help="number of timed blocks")
    options.add_argument("--samples", type=int, default=8192, help="number of data rows")
    options.add_argument("--loss", choices=["ce", "mse"], default="ce")
    options.add_argument("--optimizer", choices=["adam", "sgd"], default="adam")
    options.add_argument("--lr", type=float, default=1e-3)
    options.add_argument("--threads", type=int, default=1, help="threads per rank")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--ranks", type=int, default=1, help="number of processes to start; not under mpirun")
    options.add_argument("--no-pin", action="store_true", help="don't bind ranks to cores")
    options.add_argument("--bn", choices=["local", "sync"],
                         help="batch norm statistics per rank (local) or over the whole batch (sync)")
    options.add_argument("--tag", default="", help="label to include in the output")
    return options


def world():
    """This process's rank and the number of ranks."""
    for rank, size in PROCESS_NAMES:
        if rank in os.environ and size in os.environ:
            return int(os.environ[rank]), int(os.environ[size])
    return 0, 1


def free_port():
    with socket.socket() as any_socket:
        any_socket.bind(("127.0.0.1", 0))
        return any_socket.getsockname()[1]


def start_ranks(ranks, variables=lambda rank: {}):
    """Starts this program once per rank, and exits with the first nonzero exit status, or 0."""
    group = dict(os.environ, WORLD_SIZE=str(ranks), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free_port()))
    running = []
    for rank in range(ranks):
        environment = dict(group, RANK=str(rank), LOCAL_RANK=str(rank), **variables(rank))
        running.append(subprocess.Popen([sys.executable, *sys.argv], env=environment))
    status = 0
    while running and status == 0:
        time.sleep(0.02)
        ended = [process for process in running if process.poll() is not None]
        running = [process for process in running if process not in ended]
        status = next((process.returncode for process in ended if process.returncode), 0)
    for process in running:
        process.terminate()
        process.wait()
    sys.exit(status)


def set_up(options):
    """Checks the arguments, sets threads and core affinity; returns rank and size."""
    options.rank, options.size = rank, size = world()
    options.widths = [int(width) for width in options.layers.split(",")]
    if options.batch % size or options.samples % options.batch:
        sys.exit(f"--batch {options.batch} must be a multiple of {size} ranks and divide --samples {options.samples}")
    for name in THREAD_NAMES:
        os.environ[name] = str(options.threads)
    if not options.no_pin:
        cores = os.cpu_count()
        os.sched_setaffinity(0, {(rank * options.threads + i) % cores for i in range(options.threads)})
    return rank, size


def batches(options):
    """This rank's part of every batch: Gaussian inputs, classes from a random linear teacher."""
    import numpy

    generator = numpy.random.default_rng(options.seed)
    inputs, classes = options.widths[0], options.widths[-1]
    x = generator.standard_normal((options.samples, inputs), dtype=numpy.float32)
    teacher = generator.standard_normal((inputs, classes), dtype=numpy.float32)
    y = (x @ teacher).argmax(1).astype(numpy.int32)
    rows = options.batch // options.size
    starts = [start + options.rank * rows for start in range(0, options.samples, options.batch)]
    return [(numpy.ascontiguousarray(x[s:s + rows]), numpy.ascontiguousarray(y[s:s + rows])) for s in starts]


def weights(options):
    """(weight, bias) of each layer; weights are outputs x inputs, all uniform within torch's default bounds."""
    import numpy

    generator = numpy.random.default_rng(options.seed + 1)
    layers = []
    for inputs, outputs in zip(options.widths[:-1], options.widths[1:]):
        bound = inputs**-0.5
        weight = generator.uniform(-bound, bound, (outputs, inputs)).astype(numpy.float32)
        layers.append((weight, generator.uniform(-bound, bound, outputs).astype(numpy.float32)))
    return layers


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report(options, peer, variant, versions, seconds, losses, peaks):
    """Rank 0 prints the results as one line of JSON, given the seconds of each block, (first, last) loss, and the peak
    memory of each rank in megabytes."""
    if options.rank:
        return
    speeds = [options.steps / block for block in seconds]
    median = statistics.median(speeds)
    line = {
        "peer": peer, "variant": variant, "versions": versions, "ranks": options.size, "threads": options.threads,
        "layers": options.layers, "batch": options.batch, "loss": options.loss, "optimizer": options.optimizer,
        "steps": options.steps, "warmup": options.warmup, "repeats": options.repeats,
        "steps_per_s": round(median, 4), "steps_per_s_min": round(min(speeds), 4),
        "steps_per_s_max": round(max(speeds), 4), "samples_per_s": round(median * options.batch, 1),
        "first_loss": losses[0], "final_loss": losses[1], "peak_rss_mb": round(max(peaks), 1),
        "total_rss_mb": round(sum(peaks), 1), "pinned": not options.no_pin, "tag": options.tag,
    }
    print(json.dumps(line), flush=True)
