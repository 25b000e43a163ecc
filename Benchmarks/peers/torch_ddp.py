# SPDX-License-Identifier: Apache-2.0
"""PyTorch: DistributedDataParallel over gloo, or one flat gradient buffer summed by mpi4py; one process per rank."""

import os
import sys
import time

import common

arguments = common.parser("torch_ddp.py", __doc__)
arguments.add_argument("--compile", action="store_true", help="torch.compile the network and the loss")
arguments.add_argument("--bucket-mb", type=float, default=25, help="DDP's bucket_cap_mb")
arguments.add_argument("--mpi4py", action="store_true", help="in-place MPI.Allreduce instead of DDP (under mpirun)")
options = arguments.parse_args()
options.bn = options.bn or "local"
if options.ranks > 1 and common.world()[1] == 1:
    common.start_ranks(options.ranks, lambda rank: {"GLOO_SOCKET_IFNAME": "lo"})
rank, size = common.set_up(options)

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(options.threads)
if options.threads == 1:
    torch.set_num_interop_threads(1)
torch.manual_seed(options.seed)
use_ddp = size > 1 and not options.mpi4py
if use_ddp:
    dist.init_process_group("gloo", rank=rank, world_size=size)
if options.mpi4py:
    from mpi4py import MPI

    communicator = MPI.COMM_WORLD
    if communicator.Get_size() != size:
        sys.exit("--mpi4py requires mpirun")


class MPISum(torch.autograd.Function):
    """The sum over all ranks; the gradient is the sum of the ranks' gradients."""

    @staticmethod
    def forward(ctx, x):
        x = x.contiguous().clone()
        communicator.Allreduce(MPI.IN_PLACE, x.numpy())
        return x

    backward = forward


class SynchronizedBatchNorm(nn.BatchNorm1d):
    """Batch norm over the whole batch, with one differentiable all-reduce per direction: SyncBatchNorm needs a GPU."""

    def forward(self, x):
        if options.mpi4py:
            all_reduce = MPISum.apply
        else:
            from torch.distributed.nn.functional import all_reduce
        rows = x.shape[0] * size
        sums = all_reduce(torch.cat([x.sum(0), (x * x).sum(0)]))
        mean, square = (sums / rows).chunk(2)
        variance = square - mean * mean
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (rows / (rows - 1)), self.momentum)
        scale = torch.rsqrt(variance + self.eps) * self.weight
        return torch.addcmul(self.bias - mean * scale, x, scale)


def make_network():
    norm = SynchronizedBatchNorm if options.bn == "sync" and size > 1 else nn.BatchNorm1d
    modules = []
    for weight, bias in common.weights(options):
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight))
            linear.bias.copy_(torch.from_numpy(bias))
        modules += [norm(weight.shape[1]), linear, nn.ReLU(inplace=True)]
    return nn.Sequential(*modules[:-1])


network = make_network()
parameters = list(network.parameters())
batches = [(torch.from_numpy(x), torch.from_numpy(y).long()) for x, y in common.batches(options)]
if options.loss == "mse":
    batches = [(x, F.one_hot(y, options.widths[-1]).float()) for x, y in batches]
if use_ddp:
    if options.compile:
        network = torch.compile(network)
    network = nn.parallel.DistributedDataParallel(
        network, gradient_as_bucket_view=True, broadcast_buffers=False, static_graph=not options.compile,
        bucket_cap_mb=options.bucket_mb)
loss_function = F.cross_entropy if options.loss == "ce" else F.mse_loss
optimizer = (torch.optim.Adam if options.optimizer == "adam" else torch.optim.SGD)(
    parameters, lr=options.lr, fused=True)


def forward(x, y):
    return loss_function(network(x), y)


if options.compile and not use_ddp:
    forward = torch.compile(forward)
if options.mpi4py:
    gradients = torch.zeros(sum(parameter.numel() for parameter in parameters))
    offset = 0
    for parameter in parameters:
        parameter.grad = gradients[offset:offset + parameter.numel()].view_as(parameter)
        offset += parameter.numel()
    gradients_array = gradients.numpy()
network.train()
done = 0


def train(steps):
    global done
    for _ in range(steps):
        x, y = batches[done % len(batches)]
        done += 1
        if options.mpi4py:
            gradients.zero_()
        else:
            optimizer.zero_grad(set_to_none=True)
        loss = forward(x, y)
        loss.backward()
        if options.mpi4py and size > 1:
            gradients.div_(size)
            communicator.Allreduce(MPI.IN_PLACE, gradients_array)
        optimizer.step()
    return loss.detach()


def barrier():
    if use_ddp:
        dist.barrier()
    if options.mpi4py:
        communicator.Barrier()


def from_all(value):
    """Gathers a number from every rank."""
    own = torch.tensor([float(value)])
    if use_ddp:
        parts = [torch.zeros(1) for _ in range(size)]
        dist.all_gather(parts, own)
        return [float(part) for part in parts]
    return communicator.allgather(float(own)) if options.mpi4py else [float(own)]


def mean(values):
    return sum(values) / len(values)


first = mean(from_all(train(1)))
if options.warmup > 1:
    train(options.warmup - 1)
seconds = []
for _ in range(options.repeats):
    barrier()
    start = time.perf_counter()
    last = train(options.steps)
    seconds.append(time.perf_counter() - start)
variant = "compile" if options.compile else "eager"
if size > 1:
    variant += f",{'mpi4py' if options.mpi4py else 'ddp-gloo'},{options.bn}-bn"
common.report(
    options, "torch", variant, {"torch": torch.__version__, "python": sys.version.split()[0]}, seconds,
    (first, mean(from_all(last))), from_all(common.peak_mb()))
if use_ddp:
    dist.barrier()
    sys.stdout.flush()
    os._exit(0)  # a normal exit sometimes fails with "terminate called without an active exception"
