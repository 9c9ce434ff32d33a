"""Which service began to behave in another way, request by request: the first deviation gets the credit.

A service that behaves in another way may only have been called in another situation, because a caller took another path; or it may
only have received another answer. Both are seen in whole requests, and in no sum of spans.

Constants without a source are chosen, not derived.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from middlewatch.tools.baseline import Floats
from middlewatch.tools.consequences import EXPLAINED
from middlewatch.tools.structure import Behaviour, numbered
from middlewatch.tools.timeline import Timeline
from middlewatch.tools.trace_requests import Ints, Mask, Requests, scattered

LEAST_BEFORE = 2
"""Spans before the onset that a past needs to say what usually follows it."""


@dataclass(frozen=True, eq=False)
class Credit:
    """Sampled requests, and how each of their spans behaves."""

    requests: Requests
    behaviours: tuple[Behaviour, ...]
    behaviour: Ints
    """Of each span, as an index of `behaviours`; -1 where it is none of them."""
    bucket: Ints
    """Of the beginning of each span's request: all of its spans are on the same side of an onset, whatever their clocks say."""
    operation: Ints
    """Of each behaviour, as a number; shape (behaviours,)."""

    @classmethod
    def of(cls, requests: Requests, behaviours: Sequence[Behaviour], timeline: Timeline) -> Credit:
        """Find the behaviour of every span; those in hidden buckets have none."""
        known = {(b.key, b.children): i for i, b in enumerate(behaviours)}
        parent = np.where(requests.parent >= 0, requests.kind[requests.parent], -1) if requests.size else requests.parent
        marks = requests.behaviour + scattered(scattered(requests.kind) + scattered(parent + 1) * np.uint64(3))
        _, examples, number = np.unique(marks, return_index=True, return_inverse=True)
        found = np.array([known.get(_described(requests, span), -1) for span in examples.tolist()], dtype=np.int64)
        bucket = timeline.bucket(requests.start_ns[requests.root] // 1000)
        behaviour = np.where(bucket >= 0, found[number], -1) if requests.size else requests.parent
        return cls(requests, tuple(behaviours), behaviour, bucket, numbered([b.key for b in behaviours]))

    def blame(self, evidence: Floats, onset: int) -> dict[str, float]:
        """The strongest of what is left against each service, in nats; arguments as in `left`."""
        found: dict[str, float] = defaultdict(float)
        for i, nats in self.left(evidence, onset).items():
            found[self.behaviours[i].blamed] = max(found[self.behaviours[i].blamed], nats)
        return dict(found)

    def left(self, evidence: Floats, onset: int) -> dict[int, float]:
        """What is left of the evidence of each behaviour, in nats, where anything is.

        Taken away is what the pasts of its spans explain, and half of what deviating services below them explain.

        Args:
            evidence: nats per behaviour, shape (behaviours,).
            onset: the first bucket after.
        """
        before = self.bucket < onset
        own = {i: nats - self.expected(i, before) for i, nats in enumerate(evidence.tolist()) if nats > 0}
        own = {i: nats for i, nats in own.items() if nats > 0}
        worst: dict[str, float] = defaultdict(float)
        for i, nats in own.items():
            worst[self.behaviours[i].blamed] = max(worst[self.behaviours[i].blamed], nats)
        above = {service: self.requests.above(self._deviating(service, own) & ~before) for service in worst}
        return {i: nats - EXPLAINED * min(nats, self._below(i, before, worst, above)) for i, nats in own.items()}

    def expected(self, behaviour: int, before: Mask) -> float:
        """By how many nats the odds of a behaviour rise because its operation is reached with other pasts; at least 0.

        What usually follows a past is taken from the spans before the onset with the same past (direct standardisation). A past
        that was never seen deviates itself, so what follows it is no surprise.

        Args:
            behaviour: its index.
            before: spans before the onset.
        """
        units = np.flatnonzero(self._of_operation(behaviour))
        has, then = self.behaviour[units] == behaviour, before[units]
        if then.all() or not then.any():
            return 0.0
        past = np.unique(self.requests.past[units], return_inverse=True)[1]
        n0, k0, n1, k1 = (np.bincount(past[of], minlength=past.max() + 1) for of in (then, then & has, ~then, ~then & has))
        usual = k0.sum() / n0.sum()
        follows = np.where(n0 >= LEAST_BEFORE, (k0 + usual) / (n0 + 1), k1 / np.maximum(n1, 1))
        total = float(n1.sum())
        odds = [(count + 0.5) / (total - count + 0.5) for count in (float((n1 * follows).sum()), total * float(usual))]
        return max(0.0, math.log(odds[0] / odds[1]))

    def _below(self, behaviour: int, before: Mask, worst: Mapping[str, float], above: Mapping[str, Mask]) -> float:
        """The nats of the most conspicuous other service below the spans of a behaviour, times the share of them it is below."""
        units = ~before & (self.behaviour == behaviour)
        seen = max(1, int(units.sum()))
        others = [s for s in above if s != self.behaviours[behaviour].blamed]
        return max((worst[s] * int((units & above[s]).sum()) / seen for s in others), default=0.0)

    def _deviating(self, service: str, deviating: Iterable[int]) -> Mask:
        return np.isin(self.behaviour, [i for i in deviating if self.behaviours[i].blamed == service])

    def _of_operation(self, behaviour: int) -> Mask:
        """The spans of the same operation in the same context."""
        return np.asarray((self.behaviour >= 0) & (self.operation[self.behaviour] == self.operation[behaviour]), dtype=np.bool_)


def _described(requests: Requests, span: int) -> tuple[tuple[str, str, str], tuple[tuple[str, str], ...]]:
    """The operation of a span and the kinds of its children, in words."""
    first, last = np.searchsorted(requests.parent[requests.children], [span, span + 1])
    children = {(int(requests.service[c]), int(requests.operation[c])) for c in requests.children[first:last]}
    parent = int(requests.parent[span])
    key = (
        requests.services[requests.service[span]],
        requests.operations[requests.operation[span]],
        requests.operations[requests.operation[parent]] if parent >= 0 else "",
    )
    return key, tuple(sorted((requests.services[service], requests.operations[operation]) for service, operation in children))
