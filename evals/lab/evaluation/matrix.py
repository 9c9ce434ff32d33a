"""What is recorded for an evaluation: every fault, in one service after the other, under light and heavy load, and false alarms."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle, islice

import numpy as np

from middlewatch.evals.lab.faults import DECOYS, FAULTS, PAIRS
from middlewatch.evals.lab.schedule import Plan, suite
from middlewatch.evals.lab.shop import ShopOptions

RATES = (6.0, 10.0, 14.0)
"""Requests per second, by turns of the recordings."""
EACH = 4
"""Incidents in one recording."""


def incidents_of(seed: int) -> tuple[str, ...]:
    """The incidents of one seed: each fault once, the next seed in the next of its services; the pairs; and as many false alarms.

    >>> [name for name in incidents_of(1) if name.startswith("one-by-one@")]
    ['one-by-one@gateway']
    >>> [name for name in incidents_of(2) if name.startswith("one-by-one@")]
    ['one-by-one@catalogue']
    """
    faults = []
    for name, fault in FAULTS.items():
        services = list(dict.fromkeys(way.service for way in fault.ways))
        faults.append(f"{name}@{services[(seed - 1) % len(services)]}")
    real = (*faults, *PAIRS)
    return (*real, *islice(cycle(DECOYS), len(real)))


def plans(seeds: int, *, first: int = 1) -> dict[str, Plan]:
    """One plan for each recording, by the name of its folder."""
    found: dict[str, Plan] = {}
    for seed in range(first, first + seeds):
        for number, incidents in enumerate(suite(incidents_of(seed), seed=seed, each=EACH), start=1):
            draw = int(np.random.default_rng([seed, number]).integers(2**31))
            shop = ShopOptions(seed=draw, requests_per_second=RATES[(seed + number) % len(RATES)])
            found[f"seed-{seed}-{number:02d}"] = replace(Plan(incidents), shop=shop)
    return found
