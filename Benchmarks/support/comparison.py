# SPDX-License-Identifier: Apache-2.0
"""Alternating measurements of peers and Lockstep on one network, and their results."""

import statistics

from .figures import spread
from .program import MeasurementError, note
from .runs import Variant, measure_lockstep, measure_peer, measure_side_by_side

# The variants that were fastest on Zen 4 and Zen 5, and those close to them, by network and number of cores.
J, T, M = "jax", "torch", "mlx"
SCAN = "--scan {scan}"
VARIANTS = {
    ("W1", 1): [Variant(J, ("--inline", SCAN)), Variant(J, ("--inline",)), Variant(T, ("--compile",))],
    ("W2", 1): [Variant(T), Variant(T, ("--compile",)), Variant(J, ("--inline", SCAN))],
    ("W3", 1): [Variant(J, ("--inline", SCAN)), Variant(J, ("--inline",))],
    ("W4", 1): [Variant(T), Variant(T, ("--compile",)), Variant(J, ("--inline", SCAN))],
    ("W1", 2): [Variant(J, (SCAN,), 1, 2), Variant(J, ("--inline", SCAN), 1, 2), Variant(J, (), 1, 2),
                Variant(T, (), 1, 2)],
    ("W2", 2): [Variant(T, (), 1, 2), Variant(J, ("--inline", SCAN), 1, 2), Variant(T, ("--mpi4py",), 2, 1, True)],
    ("W3", 2): [Variant(J, (SCAN,), 1, 2), Variant(J, ("--inline", SCAN), 1, 2)],
    ("W4", 2): [Variant(T, (), 1, 2), Variant(T, ("--compile",), 1, 2),
                Variant(T, ("--mpi4py", "--compile"), 2, 1, True), Variant(J, ("--inline", SCAN), 1, 2)],
}
JAX_OVER_MPI = Variant(J, ("--collectives mpi", "--inline", SCAN), 2, 1, True)

# After the first round a variant is kept only if it reaches this fraction of the fastest variant's speed.
CLOSE = 0.85


def variants(workload, cores, peers, with_jax_mpi):
    found = [variant for variant in VARIANTS[workload.name, cores] if variant.peer in peers]
    if M in peers:
        found.append(Variant(M, (), 1, cores))
    if cores == 2 and J in peers and with_jax_mpi:
        found.append(JAX_OVER_MPI)
    return found


def compare(workload, cores, candidates, rounds, folder, under):
    """One result: each round runs every variant, and Lockstep after each of them."""
    pairs, errors = {variant: [] for variant in candidates}, {}
    splits = workload.splits if cores == 2 else (1,)
    for turn in range(rounds):
        for variant in rotated(remaining(pairs), turn):
            try:
                peer = measure_peer(folder, workload, variant, under)
            except MeasurementError as error:
                errors[variant] = str(error)
                del pairs[variant]
                note(f"{workload.name}, {variant.name}: {error}")
                continue
            lockstep = {ranks: measure_lockstep(workload, ranks, under) for ranks in splits}
            pairs[variant].append((peer, lockstep))
            for ranks, run in lockstep.items():
                ratio = run["steps_per_s"] / peer["steps_per_s"]
                note(f"{workload.name}, round {turn + 1}: {variant.name} {peer['steps_per_s']:.5g}, "
                     f"Lockstep {run['steps_per_s']:.5g} on {ranks}, ratio {ratio:.3f}")
    ranks = best_split(splits, pairs)
    chosen = {variant: [(peer, runs[ranks]) for peer, runs in measured] for variant, measured in pairs.items()}
    others = {split: spread([runs[split]["steps_per_s"] for measured in pairs.values() for _, runs in measured])
              for split in splits if split != ranks and any(pairs.values())}
    return cell(workload, cores, chosen, errors) | {"lockstep_ranks": ranks, "lockstep_on_other_ranks": others}


def best_split(splits, pairs):
    """The number of ranks on which Lockstep has the highest median speed."""
    def median(ranks):
        speeds = [runs[ranks]["steps_per_s"] for measured in pairs.values() for _, runs in measured]
        return statistics.median(speeds) if speeds else 0
    return max(splits, key=median)


def rotated(items, turn):
    """The items in order, starting with a different one each round."""
    start = turn % len(items) if items else 0
    return items[start:] + items[:start]


def remaining(pairs):
    speeds = {variant: best_speed(runs) for variant, runs in pairs.items() if runs}
    fastest = max(speeds.values(), default=0)
    return [variant for variant in pairs if speeds.get(variant, fastest) >= CLOSE * fastest]


def best_speed(runs):
    return max(peer["steps_per_s"] for peer, _ in runs)


def cell(workload, cores, pairs, errors):
    measured = [summary(variant, runs) for variant, runs in pairs.items() if runs]
    measured.sort(key=lambda peer: -peer["steps_per_s"]["median"])
    lockstep = [run["steps_per_s"] for runs in pairs.values() for _, run in runs]
    result = {
        "workload": workload.name, "widths": workload.widths, "batch": workload.batch, "cores": cores,
        "peers": measured, "errors": {variant.name: text for variant, text in errors.items()},
        "floor": workload.floors[cores], "aim": workload.aims[cores],
    }
    if measured:
        ratio = measured[0]["ratio"]
        result.update(
            best_peer=measured[0]["name"], ratio=ratio, lockstep=spread(lockstep),
            floor_reached=ratio["median"] >= result["floor"], aim_reached=ratio["median"] >= result["aim"],
            lockstep_share=shares(pairs), lockstep_rss_mb=max(
                run["total_rss_mb"] for runs in pairs.values() for _, run in runs))
    return result


def shares(pairs):
    """Lockstep's shares of time in the last run."""
    return [run["share"] for runs in pairs.values() for _, run in runs][-1]


def summary(variant, runs):
    return {
        "name": variant.name, "variant": runs[0][0]["variant"], "versions": runs[0][0]["versions"],
        "steps_per_s": spread([peer["steps_per_s"] for peer, _ in runs]),
        "ratio": spread([lockstep["steps_per_s"] / peer["steps_per_s"] for peer, lockstep in runs]),
        "rss_mb": max(peer["total_rss_mb"] for peer, _ in runs), "rounds": len(runs),
        "runs": [{"peer": peer["steps_per_s"], "lockstep": lockstep["steps_per_s"]} for peer, lockstep in runs],
    }


def compare_ranks(workload, rounds, under):
    """Lockstep on 2 ranks and on 1, and the machine's limit: two independent processes with half the batch each."""
    ones, twos, apart = [], [], []
    for _ in range(rounds):
        ones.append(measure_lockstep(workload, 1, under)["steps_per_s"])
        twos.append(measure_lockstep(workload, 2, under)["steps_per_s"])
        apart.append(measure_side_by_side(workload, under))
        note(f"{workload.name}: 1 rank {ones[-1]:.5g}, 2 ranks {twos[-1]:.5g}, ratio {twos[-1] / ones[-1]:.3f}; "
             f"two independent {apart[-1]:.5g}, ratio {apart[-1] / ones[-1]:.3f}")
    ratio = spread([two / one for one, two in zip(ones, twos)])
    return {
        "workload": workload.name, "one_rank": spread(ones), "two_ranks": spread(twos), "ratio": ratio,
        "apart": spread([two / one for one, two in zip(ones, apart)]),
        "floor": workload.speedup or None, "floor_reached": ratio["median"] >= workload.speedup,
    }
