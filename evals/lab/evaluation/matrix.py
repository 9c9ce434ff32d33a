"""What is recorded for an evaluation: every fault, in one service after the other, under light and heavy load, and false alarms."""

from __future__ import annotations

from itertools import cycle, islice

import numpy as np

from middlewatch.evals.lab.faults import DECOYS, FAULTS, PAIRS, QUIET
from middlewatch.evals.lab.schedule import Plan, suite
from middlewatch.evals.lab.shop import ShopOptions

RATES = (6.0, 10.0, 14.0)
"""Requests per second, by turns of the recordings."""
EACH = 6
"""Incidents in one recording."""
HEALTHY_SECONDS = 60.0
"""Before each incident; a third of it is a moment at which nothing is wrong, and the rest is what is normal then."""
CALM_SECONDS = 20.0
"""As long as an investigation's window: in no quiet moment an alert would have fired."""
WARM_UP_SECONDS = 60.0
"""Load before a recording starts: while the caches are still cold no moment of the shop is an ordinary one."""
LOOKED_AT = frozenset({1, 2})
"""Seeds whose misses were looked into while rules were written. Whoever looks into those of another one adds it here."""
_FALSE_ALARMS = 8
"""Of each seed, beside the healthy time before every incident."""


def incidents_of(seed: int) -> tuple[str, ...]:
    """The incidents of one seed: each fault once, the next seed in the next of its services; the pairs; and false alarms.

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
    return (*real, *islice(cycle(name for name in DECOYS if name != QUIET), _FALSE_ALARMS))


def seed_of(recording: str) -> int:
    """The seed of a recording that is named as `plans` does.

    >>> seed_of("seed-2-01")
    2
    """
    return int(recording.split("-")[1])


def plans(seeds: int, *, first: int = 1) -> dict[str, Plan]:
    """One plan for each recording, by the name of its folder."""
    found: dict[str, Plan] = {}
    for seed in range(first, first + seeds):
        for number, incidents in enumerate(suite(incidents_of(seed), seed=seed, each=EACH), start=1):
            draw = int(np.random.default_rng([seed, number]).integers(2**31))
            shop = ShopOptions(seed=draw, requests_per_second=RATES[(seed + number) % len(RATES)])
            found[f"seed-{seed}-{number:02d}"] = Plan(
                incidents,
                recovery_seconds=HEALTHY_SECONDS,
                calm_seconds=CALM_SECONDS,
                warm_up_seconds=WARM_UP_SECONDS,
                quiet_moments=True,
                shop=shop,
            )
    return found
