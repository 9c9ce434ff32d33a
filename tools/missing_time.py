"""Where the time went that an operation lost, as far as its spans tell.

The constants are chosen, not derived.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from middlewatch.records import Mechanism
from middlewatch.telemetry.conventions import CONNECTION_SPANS, POOL_SPANS, calls_database
from middlewatch.tools.trace_requests import Ints, Mask, Requests
from middlewatch.tools.wording import quoted

MOST_SHARE = 0.8
"""Of the lost time; less is lost all over the operation."""
FORMER_SHARE = 0.5
"""Of the own time before; where more of it was spent there anyway, all of it just became slower."""
LEAST_SPANS = 3


@dataclass(frozen=True, slots=True)
class MissingTime:
    """What lost time points to."""

    mechanism: Mechanism
    where: str = ""
    """In words that end a sentence; empty where there is nothing to add."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Own time of an operation before one kind of call, in mean milliseconds."""

    before: float
    after: float

    @property
    def lost(self) -> float:
        return self.after - self.before


def missing_time(requests: Requests, operation: str, before: Mask, after: Mask) -> MissingTime:
    """Name the time that the spans of an operation in one service lost.

    Args:
        requests: a sample.
        operation: its name.
        before: its spans before the onset.
        after: its spans after it.
    """
    if operation.startswith(POOL_SPANS):
        return MissingTime(Mechanism.POOL_WAIT, "waiting for a connection")
    if operation.startswith(CONNECTION_SPANS):
        return MissingTime(Mechanism.CONNECTION_SETUP, "setting up connections")
    if calls_database(operation):
        return MissingTime(Mechanism.UNINSTRUMENTED, "in a database that no span looks into")
    kind = _lost_before(requests, before, after)
    return MissingTime(Mechanism.OWN_CODE) if kind < 0 else _waits_for(requests, kind)


def _lost_before(requests: Requests, before: Mask, after: Mask) -> int:
    """The kind of child that nearly all of the time was lost before, -1 where there is none."""
    if min(int(before.sum()), int(after.sum())) < LEAST_SPANS:
        return -1
    former, latter = (_gaps(requests, np.flatnonzero(spans)) for spans in (before, after))
    parts = {kind: _Part(former.get(kind, 0.0), latter.get(kind, 0.0)) for kind in former.keys() | latter.keys()}
    lost, usual = sum(part.lost for part in parts.values()), sum(part.before for part in parts.values())
    kind = max(parts, key=lambda k: (parts[k].lost, k))
    concentrated = parts[kind].lost >= MOST_SHARE * lost > 0 and parts[kind].before <= FORMER_SHARE * usual
    return kind if concentrated else -1


def _waits_for(requests: Requests, kind: int) -> MissingTime:
    """What time before this kind of child points to."""
    child = requests.operations[kind % len(requests.operations)]
    where = f"nearly all of it before {quoted(child)}"
    if calls_database(child) or child.startswith(POOL_SPANS):
        return MissingTime(Mechanism.POOL_WAIT, f"{where}: it waits for a connection")
    connects = _waits_for_answers(requests, kind) or child.startswith(CONNECTION_SPANS)
    return MissingTime(Mechanism.CONNECTION_SETUP if connects else Mechanism.OWN_CODE, where)


def _waits_for_answers(requests: Requests, kind: int) -> bool:
    """Whether spans of this kind call another service and wait for it. What only hands a message over is mostly over before the
    message is dealt with, whatever the clocks of the two say.
    """
    below = requests.children
    caller = requests.parent[below]
    calls = (requests.kind[caller] == kind) & (requests.service[below] != requests.service[caller])
    waits = requests.duration_ns[below[calls]] <= requests.duration_ns[caller[calls]]
    return bool(calls.any() and waits.mean() > 1 / 2)


def _gaps(requests: Requests, units: Ints) -> dict[int, float]:
    """Own time of spans before each kind of their children in the same service, and the rest as -1; mean milliseconds."""
    is_unit = np.zeros(requests.size, dtype=bool)
    is_unit[units] = True
    child = requests.children[is_unit[requests.parent[requests.children]]]
    own_time = requests.self_ns[units].sum()
    gaps: dict[int, float] = defaultdict(float)
    busy_until: dict[int, int] = {}
    for span in child.tolist():
        parent = int(requests.parent[span])
        if requests.service[span] != requests.service[parent]:
            continue
        start = int(requests.start_ns[span])
        gaps[int(requests.kind[span])] += max(0, start - busy_until.get(parent, int(requests.start_ns[parent])))
        busy_until[parent] = max(busy_until.get(parent, 0), start + int(requests.duration_ns[span]))
    gaps[-1] = max(0.0, float(own_time) - sum(gaps.values()))
    return {kind: nanoseconds / 1e6 / max(1, len(units)) for kind, nanoseconds in gaps.items()}
