"""Which operations behave in another way than they did: calls that vanish or appear, operations that begin to fail.

A span's behaviour is the set of kinds of its children. A set says more than its members: that one call was made without the other
that always follows it shows an early return, which no share of either call would.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from middlewatch.tools.baseline import Floats
from middlewatch.tools.presence import LEAST_UNITS, Change, Presence, log_odds_ratio
from middlewatch.tools.timeline import Timeline

Kind = tuple[str, str]
"""Service and operation."""
Key = tuple[str, str, str]
"""Service, operation, and operation of the parent, '' at the root."""
SpanKey = tuple[str, str, str, str]
"""The same, and the other service that is called, '' for none."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What spans of an operation do."""

    service: str
    operation: str
    parent_operation: str
    children: tuple[Kind, ...]
    """In the order of their names."""
    blamed: str
    """The service that it speaks against when spans begin to behave like this; '' for nobody."""

    @property
    def key(self) -> Key:
        """The operation in its context."""
        return self.service, self.operation, self.parent_operation


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """How often each operation behaves in each way."""

    behaviours: tuple[Behaviour, ...]
    presence: Presence
    """Of each behaviour among those of its operation, in requests: spans of one request are no independent observations."""
    group: NDArray[np.intp]
    """The operation of each behaviour, and whom it blames, as a number; shape (behaviours,)."""

    @classmethod
    def of_children(cls, behaviours: pa.Table, timeline: Timeline) -> Structure:
        """From the rows of `TraceSource.behaviours`.

        A change in what a span calls speaks against its service, which decides that. A span that only carries a call does not
        decide: where it calls one service and the child vanishes, that service did not answer; where it calls several, as those
        of a gateway do, the mix of requests decides and nothing follows.
        """
        rows = rows_of(behaviours)
        carriers = _carriers(rows)
        found = tuple(Behaviour(*key, children, _blamed(key[0], children, carriers.get(key))) for key, children in rows)
        operation = numbered([b.key for b in found])
        requests = timeline.spread(behaviours, "requests")
        units = np.zeros((int(operation.max(initial=-1)) + 1, timeline.size))
        np.add.at(units, operation, requests)
        presence = Presence.of(units[operation], requests, effective=True)
        return cls(found, presence, numbered([(b.key, b.blamed) for b in found]))

    @classmethod
    def of_failures(cls, behaviours: pa.Table, timeline: Timeline) -> Structure:
        """From the rows of `TraceSource.behaviours`. A call that fails speaks against the service that was called.

        Shares are of spans; they are as certain as the number of requests makes them.
        """
        keys = span_keys(behaviours)
        found = tuple(
            Behaviour(service, operation, parent, ((callee, ""),) if callee else (), callee or service)
            for service, operation, parent, callee in dict.fromkeys(keys)
        )
        row = numbered(keys)
        spans, requests, failed = (timeline.spread(behaviours, column, row) for column in ("count", "requests", "errors"))
        presence = Presence.of(requests, failed * requests / np.maximum(spans, 1), effective=True)
        return cls(found, presence, np.arange(len(found), dtype=np.intp))

    def change(self, onset: int, end: int, first: int) -> Change:
        """Compare the buckets ``onset <= i < end`` with those before.

        What an operation never did before counts as one thing, in however many ways it does it now. How often it does something
        new anyway is estimated by the share of its requests whose behaviour was seen only once (Good 1953).

        Args:
            onset: the first bucket after.
            end: the bucket after the last.
            first: the earliest onset in question.
        """
        change = self.presence.change(onset, end, first=first)
        units, present = self.presence.units, self.presence.present
        comparable = (units[:, onset] >= LEAST_UNITS) & (units[:, end] - units[:, onset] >= LEAST_UNITS)
        new = np.flatnonzero((present[:, onset] == 0) & (present[:, end] > 0) & comparable)
        if len(new):
            group, groups = self.group[new], int(self.group.max()) + 1
            once = np.bincount(self.group, weights=present[:, onset] == 1, minlength=groups)[group]
            after = np.bincount(group, weights=present[new, end], minlength=groups)[group]
            _, before = self.presence.before(new, onset)
            shares = once / units[new, onset]
            _, bound = log_odds_ratio(shares * before, before, after.astype(np.float64), units[new, end] - units[new, onset])
            change.bound[new] = np.maximum(bound, 0.0)
        return change

    def evidence(self, change: Change) -> Floats:
        """Nats per behaviour that became more frequent and speaks against somebody; shape (behaviours,).

        That it was seen more often than before is asked for, too: half a count in a short window is much in a long history.
        """
        speaks = np.array([bool(behaviour.blamed) for behaviour in self.behaviours], dtype=bool)
        return np.where(speaks & (change.log_odds > 0) & (change.after > change.before), change.bound, 0.0)

    def worst(self, evidence: Floats) -> dict[str, float]:
        """The strongest evidence against each service, in nats."""
        worst: dict[str, float] = defaultdict(float)
        for behaviour, nats in zip(self.behaviours, evidence.tolist(), strict=True):
            if behaviour.blamed:
                worst[behaviour.blamed] = max(worst[behaviour.blamed], nats)
        return dict(worst)


def rows_of(behaviours: pa.Table) -> list[tuple[Key, tuple[Kind, ...]]]:
    """The operation and the children of each row of `TraceSource.behaviours`."""
    keys = zip(
        *(cast("list[str]", behaviours.column(c).to_pylist()) for c in ("service", "operation", "parent_operation")), strict=True
    )
    children = (cast("list[list[str]]", behaviours.column(c).to_pylist()) for c in ("child_services", "child_operations"))
    called = [tuple(sorted(zip(*lists, strict=True))) for lists in zip(*children, strict=True)]
    return list(zip(keys, called, strict=True))


def span_keys(behaviours: pa.Table) -> list[SpanKey]:
    """The operation of each row of `TraceSource.behaviours`, and the other service that it calls: the first by name of several.

    A call that nobody answered is one of the service that the operation calls otherwise.
    """
    rows = rows_of(behaviours)
    carriers = _carriers(rows)
    keys = []
    for (service, operation, parent), children in rows:
        carries = carriers.get((service, operation, parent), set())
        silent = next(iter(carries)) if len(carries) == 1 else ""
        callee = min((called for called, _ in children if called != service), default=silent)
        keys.append((service, operation, parent, callee))
    return keys


def numbered(keys: Sequence[Hashable]) -> NDArray[np.intp]:
    """Each key's place in the order of first appearance."""
    number = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([number[key] for key in keys], dtype=np.intp)


def _blamed(service: str, children: Sequence[Kind], carries: set[str] | None) -> str:
    if carries is None:
        return service
    unanswered = len(carries) == 1 and not any(called in carries for called, _ in children)
    return next(iter(carries)) if unanswered else ""


def _carriers(rows: Sequence[tuple[Key, tuple[Kind, ...]]]) -> dict[Key, set[str]]:
    """Operations that only carry a call, with the services that they call.

    They are spans inside a service, or at the root, without children in their own service; client spans are like that. What
    a service's entry span calls in other services directly, it decides itself.
    """
    called: dict[Key, set[str]] = defaultdict(set)
    for key, children in rows:
        called[key].update(service for service, _ in children)
    inside = {child for key, children in rows for child in children if child[0] == key[0]}
    return {
        key: services
        for key, services in called.items()
        if services and key[0] not in services and (key[:2] in inside or (not key[2] and len(services) == 1))
    }
