# SPDX-License-Identifier: Apache-2.0
"""Sets of test cases in which every pair of values of two factors occurs."""

import itertools
import random


def all_pairs(factors, is_valid):
    """The pairs ((factor, value), (factor, value)) that occur in a valid case.

    `factors` maps names to values; `is_valid` takes a possibly incomplete
    dictionary of choices, and must not reject what a completion may allow.
    """
    pairs = set()
    for (a, b) in itertools.combinations(factors, 2):
        for x, y in itertools.product(factors[a], factors[b]):
            if is_valid({a: x, b: y}):
                pairs.add(((a, x), (b, y)))
    return pairs


def pairs_of(choice, factors):
    return set(itertools.combinations(
        [(name, choice[name]) for name in factors], 2))


def covering_set(factors, is_valid, seed, tries=60):
    """Dictionaries with one value per factor that cover all valid pairs.

    Greedy: each case is the best of `tries` random completions of a pair
    that is still missing.  Source: Cohen et al., "The AETG System", IEEE
    Transactions on Software Engineering 23(7), 1997.
    """
    # Only random(), whose sequence is stable across Python versions.
    source = random.Random(seed)

    def shuffled(items):
        return sorted(items, key=lambda _: source.random())

    missing = all_pairs(factors, is_valid)
    cases = []
    while missing:
        best, best_gain = None, 0
        start = sorted(missing)
        for _ in range(tries):
            choice = complete(dict(start[int(source.random() * len(start))]),
                              factors, is_valid, missing, shuffled)
            if choice is None:
                continue
            gain = len(pairs_of(choice, factors) & missing)
            if gain > best_gain:
                best, best_gain = choice, gain
        assert best is not None, f"no valid case has one of {start[:3]}"
        cases.append(best)
        missing -= pairs_of(best, factors)
    return cases


def complete(choice, factors, is_valid, missing, shuffled):
    """Adds a value for each other factor, the one with most missing pairs."""
    for name in shuffled([name for name in factors if name not in choice]):
        def gain(value):
            return sum(
                (((other, choice[other]), (name, value)) in missing)
                + (((name, value), (other, choice[other])) in missing)
                for other in choice)
        values = [value for value in shuffled(factors[name])
                  if is_valid({**choice, name: value})]
        if not values:
            return None
        choice[name] = max(values, key=gain)
    return choice


def coverage(cases, factors, is_valid):
    """(covered, all) numbers of valid pairs."""
    wanted = all_pairs(factors, is_valid)
    found = set().union(*(pairs_of(case, factors) for case in cases))
    return len(wanted & found), len(wanted)
