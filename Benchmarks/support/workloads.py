# SPDX-License-Identifier: Apache-2.0
"""The measured networks, and the speed and memory that they must reach.

Batch norm on every layer's input, ReLU, Adam, cross-entropy, float32; the batch is that of all ranks together.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Workload:
    name: str
    widths: str
    batch: int
    # Steps per timed block, steps before the first block, number of blocks.
    steps: int
    warmup: int
    repeats: int
    # Steps per call with jax scan.
    scan: int
    # Minimum and target ratio to the best peer, by cores.
    floors: dict = field(default_factory=dict)
    aims: dict = field(default_factory=dict)
    # Minimum speed-up of 2 ranks over 1.
    speedup: float = 0
    # Maximum memory of all ranks together in megabytes, by ranks.
    memory: dict = field(default_factory=dict)
    # The numbers of ranks that Lockstep may use on 2 cores; the fastest counts, as for the peers.
    splits: tuple = (2,)

    @property
    def title(self):
        return f"{self.name} {self.widths}, batch {self.batch}"

    @property
    def options(self):
        """Arguments common to Lockstep and the peers."""
        return ["--batch", str(self.batch), "--steps", str(self.steps), "--warmup", str(self.warmup),
                "--repeats", str(self.repeats)]

    def quick(self):
        """The same with fewer and shorter blocks."""
        return Workload(**{**self.__dict__, "repeats": 2, "steps": max(self.scan, self.steps // 2)})


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("W1", "784,256,128,10", 128, 400, 40, 5, 20, {1: 1.4, 2: 1.4}, {1: 1.6, 2: 1.7}, 1.7,
                 {1: 80, 2: 160}),
        Workload("W2", "1024,4096,4096,1000", 1024, 4, 2, 2, 2, {1: 1.03, 2: 1.05}, {1: 1.1, 2: 1.12}, 1.9,
                 {1: 1000, 2: 1500}),
        Workload("W3", "64,64,10", 32, 20000, 1000, 5, 100, {1: 1.4, 2: 1.2}, {1: 2.0, 2: 2.0},
                 splits=(1, 2)),
        Workload("W4", "784,1024,1024,10", 1024, 20, 10, 3, 10, {1: 1.08, 2: 1.12}, {1: 1.15, 2: 1.25}, 1.85),
    )
}


def chosen(names):
    """The workloads of a comma-separated list, in the order of the table."""
    wanted = names.split(",")
    unknown = [name for name in wanted if name not in WORKLOADS]
    if unknown:
        raise ValueError(f"unknown network {unknown[0]}: must be one or more of {', '.join(WORKLOADS)}")
    return [workload for name, workload in WORKLOADS.items() if name in wanted]
