"""Whole requests, span by span: what aggregates cannot say.

Moments of different services are never compared, since their clocks may differ by seconds. What is compared are durations, and the
order of siblings: their parent began them, one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from middlewatch.tools.timeline import encoded

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Mask = NDArray[np.bool_]

DEEPEST = 100
"""Levels that are followed; a request that is deeper calls itself."""


@dataclass(frozen=True, eq=False)
class Requests:
    """Spans as columns of shape (spans,)."""

    services: tuple[str, ...]
    operations: tuple[str, ...]
    instances: tuple[str, ...]
    service: Ints
    operation: Ints
    instance: Ints
    start_ns: Ints
    duration_ns: Ints
    failed: Mask
    parent: Ints
    """The parent's index, -1 where there is none."""
    trace_ids: Mapping[int, str]
    """Of requests whose root is there, by the root's index."""

    @classmethod
    def of(cls, table: pa.Table) -> Requests:
        """From the rows of `TraceSource.requests`."""
        parent = _places(_column(table, "id"), _column(table, "parent"))
        ids = cast("list[str]", table.column("trace_id").to_pylist())
        roots = {i: trace for i, trace in enumerate(ids) if trace}
        (services, service), (operations, operation), (instances, instance) = (
            encoded(table.column(name).combine_chunks().cast(pa.string())) for name in ("service", "operation", "instance")
        )
        return cls(
            services=tuple(services),
            operations=tuple(operations),
            instances=tuple(instances),
            service=service,
            operation=operation,
            instance=instance,
            start_ns=_column(table, "start_ns").astype(np.int64),
            duration_ns=_column(table, "duration_ns").astype(np.int64),
            failed=_column(table, "failed").astype(bool),
            parent=parent,
            trace_ids=roots,
        )

    @property
    def size(self) -> int:
        """Spans."""
        return len(self.parent)

    def trace_id(self, span: int) -> str:
        """Of the request that a span belongs to; '' where the sample does not hold its root."""
        return self.trace_ids.get(int(self.root[span]), "")

    @cached_property
    def levels(self) -> tuple[Ints, ...]:
        """The spans of each depth, roots first."""
        depth, above = np.zeros(self.size, dtype=np.int64), self.parent
        for _ in range(DEEPEST):
            below = above >= 0
            if not below.any():
                break
            depth += below
            above = np.where(below, self.parent[above], -1)
        order = np.argsort(depth, kind="stable")
        return tuple(np.split(order, np.searchsorted(depth[order], np.arange(1, int(depth.max(initial=0)) + 1))))

    @cached_property
    def root(self) -> Ints:
        """The root of each span's request, as far as the sample holds it."""
        root = np.arange(self.size)
        for level in self.levels[1:]:
            root[level] = root[self.parent[level]]
        return root

    @cached_property
    def kind(self) -> Ints:
        """A number for service and operation."""
        return self.service * len(self.operations) + self.operation

    @cached_property
    def children(self) -> Ints:
        """Spans with a parent, those of one parent together, in the order of their beginning."""
        child = np.flatnonzero(self.parent >= 0)
        return child[np.lexsort((self.start_ns[child], self.parent[child]))]

    @cached_property
    def self_ns(self) -> Ints:
        """Each span's duration less its children's, not below 0."""
        children = np.zeros(self.size, dtype=np.int64)
        np.add.at(children, self.parent[self.children], self.duration_ns[self.children])
        return np.asarray(np.maximum(self.duration_ns - children, 0), dtype=np.int64)

    @cached_property
    def behaviour(self) -> Hashes:
        """A number for the set of kinds of each span's children."""
        sums = np.zeros(self.size, dtype=np.uint64)
        first = self.children[self._first_of_kind]
        np.add.at(sums, self.parent[first], scattered(self.kind[first]))
        return sums

    @cached_property
    def past(self) -> Hashes:
        """A number for what the span's ancestors had called before they came to call it: for equal pasts it is equal."""
        before = self._called_before()
        past = np.zeros(self.size, dtype=np.uint64)
        for level in self.levels[1:]:
            above = self.parent[level]
            past[level] = scattered(past[above] * np.uint64(3) + scattered(self.kind[above]) + before[level] * np.uint64(5))
        return past

    def above(self, spans: Mask) -> Mask:
        """Which spans have one of these below them, at whatever depth."""
        above = np.zeros(self.size, dtype=bool)
        for level in reversed(self.levels[1:]):
            above[self.parent[level[(spans | above)[level]]]] = True
        return above

    @cached_property
    def calls(self) -> tuple[Ints, Ints, Ints]:
        """Which services each span has called, itself or from inside of its service: span, service, and the time from the span's
        beginning to that of its child which the call belongs to; the first of each service. A span of another service is taken to
        lie in the middle of the one that called it.
        """
        child = self.children[self.service[self.children] != self.service[self.parent[self.children]]]
        caller, callee = self.parent[child], self.service[child]
        wait = np.maximum(0, self.duration_ns[caller] - self.duration_ns[child]) // 2
        found: list[Ints] = []
        while len(caller):
            found.append(np.stack([caller, callee, wait]))
            up = self.parent[caller]
            inside = (up >= 0) & (self.service[up] == self.service[caller])
            branch, callee, caller = caller[inside], callee[inside], up[inside]
            wait = self.start_ns[branch] - self.start_ns[caller]
        calls = np.concatenate(found, axis=1) if found else np.zeros((3, 0), dtype=np.int64)
        calls = calls[:, np.lexsort(calls[::-1])]
        fresh = np.ones(calls.shape[1], dtype=bool)
        fresh[1:] = (calls[:2, 1:] != calls[:2, :-1]).any(axis=0)
        caller, callee, wait = calls[:, fresh]
        return caller, callee, wait

    @cached_property
    def _first_of_kind(self) -> Mask:
        """Whether each of `children` is the first of its kind in its parent."""
        pairs = self.parent[self.children] * (int(self.kind.max(initial=0)) + 1) + self.kind[self.children]
        first = np.zeros(len(self.children), dtype=bool)
        first[np.unique(pairs, return_index=True)[1]] = True
        return first

    def _called_before(self) -> Hashes:
        """A number for the kinds of the siblings that began before each span."""
        own = np.where(self._first_of_kind, scattered(self.kind[self.children]), np.uint64(0))
        sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(own, dtype=np.uint64)])
        parents = self.parent[self.children]
        fresh = np.ones(len(parents), dtype=bool)
        fresh[1:] = parents[1:] != parents[:-1]
        begin = np.maximum.accumulate(np.where(fresh, np.arange(len(parents)), 0))
        before = np.zeros(self.size, dtype=np.uint64)
        before[self.children] = sums[:-1] - sums[begin]
        return before


def _places(ids: Hashes, parents: Hashes) -> Ints:
    """The index of each parent, -1 where it is not among the spans."""
    order = np.argsort(ids, kind="stable")
    at = np.minimum(np.searchsorted(ids[order], parents), max(0, len(ids) - 1))
    place = order[at] if len(ids) else at
    known = (parents != 0) & (ids[place] == parents) & (place != np.arange(len(ids)))
    return np.where(known, place, -1).astype(np.int64)


def scattered(numbers: Ints | Hashes) -> Hashes:
    """Numbers of which sums tell sets apart (SplitMix64: Steele, Lea and Flood 2014)."""
    x = np.asarray(numbers).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return cast("Hashes", x ^ (x >> np.uint64(31)))


def _column(table: pa.Table, name: str) -> Hashes:
    return cast("Hashes", table.column(name).combine_chunks().to_numpy(zero_copy_only=False))
