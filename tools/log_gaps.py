"""The time between one log line of a request and the next: where requests lose time, when no trace says it.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from middlewatch.records import Edge
from middlewatch.tools.baseline import Floats
from middlewatch.tools.latency import Latencies
from middlewatch.tools.log_requests import Requests
from middlewatch.tools.log_units import Indices, Micros
from middlewatch.tools.slowness import DEFAULT_FLOOR_MS, FLOOR_SHARE, Place, Slowness
from middlewatch.tools.timeline import Timeline, cumulative

LONGEST_TEXT = 500
"""Characters of each of the two patterns that name a step."""
MOST_STEPS = 3000
"""Kinds of steps that are compared, the most frequent; a row of buckets is 12 kB."""
LEAST_CALLS = 3
"""Requests that must show who calls whom; the lines of one may be out of order."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """From one line of a request to its next, in order of requests and times; only of spans that no trace has."""

    request: Indices
    before: Indices
    after: Indices
    """The patterns of the two lines."""
    began: Micros
    gap_ms: Floats
    caller: Indices
    """The service in which the time passes, or between which"""
    callee: Indices
    """and this one; the same service twice where it passes inside."""
    opens: NDArray[np.bool_]
    """Whether the second line is the first of its span."""

    @classmethod
    def of(cls, requests: Requests, service: Indices) -> Steps:
        """The steps of all requests.

        Args:
            requests: the units and their lines.
            service: the service of each pattern, shape (patterns,).
        """
        untraced = np.array([not (run.operation or run.opening) for run in requests.runs], dtype=bool)
        lines = np.flatnonzero(untraced[requests.key_run[requests.key]])
        unit, pattern, at = requests.unit[lines], requests.key_pattern[requests.key[lines]], requests.at[lines]
        order = np.lexsort((at, requests.request[unit]))
        unit, pattern, at = unit[order], pattern[order], at[order]
        request = requests.request[unit]
        previous, opens = _previous(request.tolist(), unit.tolist(), at.tolist(), requests.ended.tolist())
        same = np.flatnonzero(request[1:] == request[:-1])
        of_unit = np.zeros(requests.run.size, dtype=np.intp)
        of_unit[unit] = service[pattern]
        one, other = of_unit[previous[same + 1]], of_unit[unit[same + 1]]
        opens = opens[same + 1]
        return cls(
            request=request[same],
            before=pattern[same],
            after=pattern[same + 1],
            began=at[same],
            gap_ms=(at[same + 1] - at[same]) / 1000,
            caller=np.where(opens, one, other),
            callee=np.where(opens, other, one),
            opens=opens,
        )

    def slowness(self, services: Sequence[str], texts: Sequence[str], timeline: Timeline) -> Slowness | None:
        """How long each kind of step takes, or None where there are none.

        Args:
            services: the services.
            texts: the patterns.
            timeline: the buckets.
        """
        bucket = timeline.bucket(self.began)
        found, kind, times = np.unique(
            np.stack([self.before, self.after, self.caller, self.callee]), axis=1, return_inverse=True, return_counts=True
        )
        kept = np.sort(np.argsort(-times, kind="stable")[:MOST_STEPS])
        row = np.full(times.size, -1)
        row[kept] = np.arange(kept.size)
        used = np.flatnonzero((bucket >= 0) & (row[kind] >= 0))
        if not used.size:
            return None
        floor_ms = self._floor_ms()
        y = np.log(self.gap_ms[used] + floor_ms)
        cell, shape = row[kind[used]] * timeline.size + bucket[used], (kept.size, timeline.size)
        count, total, square = (
            cumulative(np.bincount(cell, weight, shape[0] * shape[1]).reshape(shape).astype(np.float64))
            for weight in (np.ones(used.size), y, y * y)
        )
        ends = found.T[kept].tolist()
        keys = [Place(services[caller], services[callee] if callee != caller else "") for _, _, caller, callee in ends]
        names = tuple(f"{texts[before][:LONGEST_TEXT]} -> {texts[after][:LONGEST_TEXT]}" for before, after, _, _ in ends)
        index = {place: i for i, place in enumerate(dict.fromkeys(keys))}
        place = np.array([index[key] for key in keys], dtype=np.intp)
        latencies = Latencies(count, total, square, requests=count, alike=np.zeros(kept.size, dtype=np.bool_))
        return Slowness(latencies, tuple(index), place, names, floor_ms)

    def edges(self, services: Sequence[str]) -> tuple[Edge, ...]:
        """Who calls whom.

        Args:
            services: the services.
        """
        calls = np.stack([self.caller, self.callee])[:, self.opens & (self.caller != self.callee)]
        pairs, times = np.unique(calls, axis=1, return_counts=True)
        counted = zip(pairs.T.tolist(), times.tolist(), strict=True)
        return tuple(Edge(caller=services[a], callee=services[b], calls=n) for (a, b), n in counted if n >= LEAST_CALLS)

    def _floor_ms(self) -> float:
        durations = np.bincount(self.request, self.gap_ms)
        typical = float(np.median(durations[durations > 0])) if durations.any() else 0.0
        return FLOOR_SHARE * typical or DEFAULT_FLOOR_MS


def _previous(request: list[int], unit: list[int], at: list[int], ended: list[int]) -> tuple[Indices, NDArray[np.bool_]]:
    """The span that each line's request was in before it, and whether the line is the first of its own span.

    A span is open from its first line to its last. One that opens was called by the innermost that is open, else by the one that
    wrote last: between two calls a caller may say nothing. A span that goes on was waiting for the one that wrote last.
    """
    previous, opens = np.array(unit, dtype=np.intp), np.zeros(len(unit), dtype=bool)
    open_spans: list[int] = []
    seen: set[int] = set()
    for i in range(1, len(unit)):
        if request[i] != request[i - 1]:
            open_spans, seen = [], set()
            continue
        if not seen:
            open_spans, seen = [unit[i - 1]], {unit[i - 1]}
        previous[i] = unit[i - 1]
        if unit[i] not in seen:
            while open_spans and ended[open_spans[-1]] < at[i]:
                open_spans.pop()
            opens[i] = True
            if open_spans:
                previous[i] = open_spans[-1]
            open_spans.append(unit[i])
            seen.add(unit[i])
    return previous, opens
