"""Which service made requests slower.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from middlewatch.tools.baseline import STANDARD_ERRORS, Floats
from middlewatch.tools.latency import LEAST_AFTER, Latencies, Shift
from middlewatch.tools.service_map import blame_ends
from middlewatch.tools.structure import numbered, span_keys
from middlewatch.tools.timeline import Timeline

FLOOR_SHARE = 0.02
"""Of a typical request's duration, by its spans or from its first line to its last: what an operation or a step gains or loses
below this nobody notices."""
DEFAULT_FLOOR_MS = 1.0
WORST = 3
WORST_SHARE = 0.7
"""What the worst operation counts for beside the mean of the worst three: one bad operation is enough, several are worse."""
OTHER_VIEW = 0.3
"""What the weaker of two views of a service, its own time and its edges, adds to the stronger."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where time is spent: in a service, or between it and the one that it calls."""

    service: str
    callee: str
    """'' for the service's own time."""


@dataclass(frozen=True, slots=True, eq=False)
class Slowness:
    """Latencies per operation in its context, grouped by place."""

    latencies: Latencies
    places: tuple[Place, ...]
    place: NDArray[np.intp]
    """The place of each key, shape (keys,)."""
    operations: tuple[str, ...]
    """The operation of each key."""
    floor_ms: float
    """What was added to times before their logarithm was taken."""
    parents: tuple[str, ...] = ()
    """The parent operation of each key, where it is known."""

    @classmethod
    def of(cls, behaviours: pa.Table, timeline: Timeline, *, floor_ms: float) -> Slowness:
        """From the rows of `TraceSource.behaviours`, asked with that floor.

        Time between services is of one kind, whatever is called; a service's own times are of as many kinds as it has operations.
        """
        rows = span_keys(behaviours)
        keys = list(dict.fromkeys(rows))
        latencies = Latencies.of(behaviours, timeline, numbered(rows), np.array([bool(callee) for *_, callee in keys], dtype=bool))
        places = [Place(service, callee) for service, _, _, callee in keys]
        operations, parents = (tuple(key[i] for key in keys) for i in (1, 2))
        return cls(latencies, tuple(dict.fromkeys(places)), numbered(places), operations, floor_ms, parents)

    def scores(self, onset: int, end: int) -> dict[str, float]:
        """How much slower each service became, in nats.

        A service's own time and the time lost between it and its neighbours are two views of it: the stronger counts, and
        a little of the weaker.
        """
        evidence = self.evidence(self.latencies.shift(onset, end))
        own = {place.service: e for place, e in evidence.items() if not place.callee}
        edges = {(place.service, place.callee): np.asarray(e) for place, e in evidence.items() if place.callee}
        ends = {service: float(blame) for service, blame in blame_ends(edges).items()}
        views = {service: (own.get(service, 0.0), ends.get(service, 0.0)) for service in own.keys() | ends.keys()}
        return {service: max(view) + OTHER_VIEW * min(view) for service, view in views.items()}

    def evidence(self, shift: Shift) -> dict[Place, float]:
        """Nats per place.

        In a service one bad operation is enough, so the worst ones count; between two services the operations are samples of
        the same thing, so their mean counts. In both the operations' pooled shift counts where it says more, since many sparse
        operations together can be certain where none is alone.
        """
        seen = np.where(shift.comparable & (shift.requests >= LEAST_AFTER), shift.requests, 0.0)
        mean = self._sum(shift.bound * seen) / np.maximum(self._sum(seen), 1.0)
        pooled = self._pooled(shift)
        present = self._sum(shift.spans) > 0
        bounds: dict[int, list[float]] = defaultdict(list)
        for place, bound in zip(self.place.tolist(), shift.bound.tolist(), strict=True):
            bounds[place].append(bound)
        evidence = {}
        for i, place in enumerate(self.places):
            if place.callee:
                if present[i]:
                    evidence[place] = float(max(mean[i], pooled[i]))
            else:
                worst = sorted(bounds[i], reverse=True)[:WORST]
                own = WORST_SHARE * worst[0] + (1 - WORST_SHARE) * sum(worst) / len(worst)
                evidence[place] = float(max(own, pooled[i]))
        return evidence

    def begun(self, service: str) -> Floats:
        """How many requests begin in a service, per bucket; shape (size,)."""
        begins = [
            not parent and self.places[place].service == service for place, parent in zip(self.place, self.parents, strict=True)
        ]
        return np.diff(self.latencies.count[begins].sum(axis=0))

    def _pooled(self, shift: Shift) -> Floats:
        """Lower bound of the mean shift over all keys of each place, weighted by requests; shape (places,)."""
        n = np.where(shift.comparable, shift.requests, 0.0)
        total = np.maximum(self._sum(n), 1.0)
        effect = self._sum(n * shift.effect) / total
        sampling = self._sum(n**2 * shift.sampling) / total**2
        drift = self._sum(n * shift.drift) / total
        keys = np.maximum(self._sum(shift.comparable.astype(np.float64)), 1.0)
        between = self._sum(n * (shift.effect - effect[self.place]) ** 2) / total / keys
        bound = np.maximum(0.0, effect - STANDARD_ERRORS * np.sqrt(sampling + drift + between))
        return np.where(self._sum(n) >= LEAST_AFTER, bound, 0.0)

    def _sum(self, values: Floats) -> Floats:
        return np.bincount(self.place, weights=values, minlength=len(self.places)).astype(np.float64)
