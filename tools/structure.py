"""Which service calls, or fails, in another way than it did: calls that vanish or appear, operations that begin to fail."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import numpy as np
import pyarrow as pa

from middlewatch.tools.baseline import Floats
from middlewatch.tools.presence import Change, Presence
from middlewatch.tools.timeline import Timeline


class Suspicious(StrEnum):
    """Which change of a presence speaks against somebody."""

    ANY = "any"
    RISE = "rise"
    FALL = "fall"


@dataclass(frozen=True, slots=True)
class Call:
    """Something that an operation does in some of its runs."""

    service: str
    operation: str
    parent_operation: str
    child_service: str
    """Whom it calls; '' for an operation that calls nobody else."""
    child_operation: str
    blamed: str
    """The service that a change speaks against."""
    suspicious: Suspicious


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """How often each call is there."""

    calls: tuple[Call, ...]
    presence: Presence

    @classmethod
    def of_children(cls, structure: pa.Table, timeline: Timeline) -> Structure:
        """From the rows of `TraceSource.structure`.

        A change in what a span calls speaks against its service, which decides that. A span that only carries a call does not
        decide: where it calls one service and the child vanishes, that service did not answer; where it calls several, as those
        of a gateway do, the mix of requests decides and nothing follows.
        """
        rows = _rows(structure, "service", "operation", "parent_operation", "child_service", "child_operation")
        carriers = _carriers(rows)
        calls: list[Call] = []
        kept: list[int] = []
        for i, (service, operation, parent, child, name) in enumerate(rows):
            called = carriers.get((service, operation, parent))
            if called is None:
                calls.append(Call(service, operation, parent, child, name, service, Suspicious.ANY))
            elif len(called) == 1:
                calls.append(Call(service, operation, parent, child, name, child, Suspicious.FALL))
            else:
                continue
            kept.append(i)
        presence = Presence.of(timeline.spread(structure, "units")[kept], timeline.spread(structure, "present")[kept])
        return cls(tuple(calls), presence)

    @classmethod
    def of_failures(cls, operations: pa.Table, timeline: Timeline) -> Structure:
        """From the rows of `TraceSource.operations`. A call that fails speaks against the service that was called."""
        rows = _rows(operations, "service", "operation", "parent_operation", "callee")
        calls = tuple(Call(s, o, p, callee, "", callee or s, Suspicious.RISE) for s, o, p, callee in rows)
        return cls(calls, Presence.of(timeline.spread(operations, "count"), timeline.spread(operations, "errors")))

    def evidence(self, change: Change) -> Floats:
        """Nats per call, shape (calls,)."""
        sign = np.array([_SIGN[call.suspicious] for call in self.calls])
        return np.where(change.log_odds * sign >= 0, change.bound, 0.0)

    def scores(self, onset: int, end: int) -> dict[str, float]:
        """The strongest evidence against each service, in nats."""
        worst: dict[str, float] = defaultdict(float)
        for call, evidence in zip(self.calls, self.evidence(self.presence.change(onset, end)).tolist(), strict=True):
            worst[call.blamed] = max(worst[call.blamed], evidence)
        return dict(worst)


_SIGN = {Suspicious.ANY: 0, Suspicious.RISE: 1, Suspicious.FALL: -1}


def _carriers(rows: list[tuple[str, ...]]) -> dict[tuple[str, ...], set[str]]:
    """Operations that only carry a call, with the services that they call.

    They are spans inside a service, or at the root, without children in their own service; client spans are like that. What
    a service's entry span calls in other services directly, it decides itself.
    """
    children: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for row in rows:
        children[row[:3]].add(row[3])
    inside = {(child_service, operation) for service, _, _, child_service, operation in rows if child_service == service}
    return {
        key: called
        for key, called in children.items()
        if key[0] not in called and (key[:2] in inside or (not key[2] and len(called) == 1))
    }


def _rows(table: pa.Table, *columns: str) -> list[tuple[str, ...]]:
    return list(zip(*(cast("list[str]", table.column(name).to_pylist()) for name in columns), strict=True))
