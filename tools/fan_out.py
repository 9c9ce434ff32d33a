"""How often an operation makes the same call in one run: calls that are repeated because they fail, and calls in a new loop.

The constants are chosen, not derived.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from middlewatch.tools.baseline import STANDARD_ERRORS, Floats
from middlewatch.tools.trace_requests import Ints, Mask, Requests

DRIFT_VARIANCE = 0.04
"""How often something is called in a run wanders by a fifth on a healthy system."""
LEAST_SPANS = 3
LEAST_TIMES = 1.5
"""Fewer calls more than this are not worth telling."""
FAILING_SHARE = 0.2
"""Of the calls beyond the usual number; where so many calls fail, the others repeat them."""


@dataclass(frozen=True, slots=True)
class FanOut:
    """An operation that makes a call more often per run than it did."""

    operation: str
    callee: str
    """Whom it calls: the other service that is reached by it, or its own."""
    before: float
    """Calls per run that makes any."""
    after: float
    nats: float
    """Lower bound of ln(after / before)."""
    repeats: bool
    """Whether calls fail, so that the further ones look like repetitions."""


def fan_outs(requests: Requests, service: int, before: Mask, after: Mask) -> list[FanOut]:
    """The calls that spans of a service make more often per run, most conspicuous first.

    Args:
        requests: a sample.
        service: its number.
        before: spans before the onset.
        after: spans after it.
    """
    child = requests.children[requests.service[requests.parent[requests.children]] == service]
    found = []
    calls = np.stack([requests.kind[requests.parent[child]], requests.kind[child]])
    pairs, of_pair = np.unique(calls, axis=1, return_inverse=True)
    for pair, (kind, _) in enumerate(pairs.T.tolist()):
        own = child[of_pair.reshape(-1) == pair]
        counts = [_per_run(requests, own[of[requests.parent[own]]]) for of in (before, after)]
        if min(map(len, counts)) < LEAST_SPANS:
            continue
        means = [float(count.mean()) for count in counts]
        variance = sum(float(c.var()) / len(c) / mean**2 for c, mean in zip(counts, means, strict=True)) + DRIFT_VARIANCE
        nats = math.log(means[1] / means[0]) - STANDARD_ERRORS * math.sqrt(variance)
        if nats > 0 and means[1] >= LEAST_TIMES * means[0]:
            failed = float(requests.failed[own[after[requests.parent[own]]]].mean())
            repeats = failed >= FAILING_SHARE * (1 - means[0] / means[1])
            operation = requests.operations[kind % len(requests.operations)]
            found.append(FanOut(operation, _callee(requests, own), means[0], means[1], nats, repeats))
    return sorted(found, key=lambda fan_out: (-fan_out.nats, fan_out.operation, fan_out.callee))


def _per_run(requests: Requests, calls: Ints) -> Floats:
    """How many of the calls each run makes that makes any."""
    return np.unique(requests.parent[calls], return_counts=True)[1].astype(np.float64)


def _callee(requests: Requests, calls: Ints) -> str:
    """The service that most of these calls reach, directly or through a span of the caller."""
    is_call = np.zeros(requests.size, dtype=bool)
    is_call[calls] = True
    caller, callee, _ = requests.calls
    reached = callee[is_call[caller]]
    services = reached if len(reached) else requests.service[calls]
    return requests.services[int(np.bincount(services).argmax())]
