"""The views that traces give of a system, put together into one score per service.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import pyarrow as pa

from middlewatch.tools.consequences import explain_away
from middlewatch.tools.slowness import Slowness
from middlewatch.tools.structure import Structure
from middlewatch.tools.timeline import Question, Timeline

LATENCY_WEIGHT = 2.0
STRUCTURE_WEIGHT = 0.5
"""A shift of latency is hard evidence; a fault changes which calls are made far beyond the service that has it. On recordings of
two systems under injected faults every ratio from 8 : 1 to 1 : 1 ranked the same."""


@dataclass(frozen=True, slots=True, eq=False)
class TraceViews:
    """Latency, calls and failures."""

    slowness: Slowness
    children: Structure
    failures: Structure
    called: Mapping[str, Iterable[str]]
    """Whom each service calls."""

    @classmethod
    def of(
        cls, operations: pa.Table, structure: pa.Table, callees: Mapping[str, Iterable[str]], timeline: Timeline, *, floor_ms: float
    ) -> Self:
        """Put the source's answers together.

        Args:
            operations: the rows of `TraceSource.operations`.
            structure: the rows of `TraceSource.structure`.
            callees: whom each service calls, as far as it is known otherwise.
            timeline: the buckets.
            floor_ms: what the operations were asked with.
        """
        children = Structure.of_children(structure, timeline)
        called: dict[str, set[str]] = defaultdict(set, {service: set(known) for service, known in callees.items()})
        for call in children.calls:
            called[call.service].add(call.child_service)
        slowness = Slowness.of(operations, timeline, floor_ms=floor_ms)
        return cls(slowness, children, Structure.of_failures(operations, timeline), called)

    def scores(self, question: Question) -> dict[str, float]:
        """Nats per service, averaged over the candidate onsets.

        2 T + .5 S: T from `Slowness`, S the worse of changed calls and failures, less what callees explain.
        """
        total: dict[str, float] = defaultdict(float)
        for onset in question.onsets:
            for service, score in self.scores_at(onset, question.end).items():
                total[service] += score / len(question.onsets)
        return dict(total)

    def scores_at(self, onset: int, end: int) -> dict[str, float]:
        """Nats per service for one onset."""
        slower = self.slowness.scores(onset, end)
        changed, failing = self.children.scores(onset, end), self.failures.scores(onset, end)
        odd = {s: max(changed.get(s, 0.0), failing.get(s, 0.0)) for s in changed.keys() | failing.keys()}
        odd = explain_away(odd, self.called)
        return {
            service: LATENCY_WEIGHT * slower.get(service, 0.0) + STRUCTURE_WEIGHT * odd.get(service, 0.0)
            for service in sorted(slower.keys() | odd.keys())
        }
