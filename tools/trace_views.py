"""The views that traces give of a system, each of them in nats of its own, and what they add up to.

The constants are chosen, not derived. Whole configurations were compared on development recordings, so what is reached there does
not confirm them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import pyarrow as pa

from middlewatch.tools.baseline import Floats
from middlewatch.tools.consequences import explain_away
from middlewatch.tools.slowness import Slowness
from middlewatch.tools.structure import Structure
from middlewatch.tools.surprise import surprise
from middlewatch.tools.timeline import Question, Timeline

USUAL_TOP = 0.15
"""Nats that either view gives the most conspicuous service of a quiet moment, before anything of the system is known."""

Blame = Callable[[Floats, int], Mapping[str, float]]
"""Turns evidence per behaviour, seen from an onset on, into nats per service."""


class Scores(NamedTuple):
    """What the views say of one service."""

    slower: float
    """Lower bound of how much slower it and its edges became, in nats."""
    otherwise: float
    """Lower bound of how much its behaviour changed, or how much more often it fails, in nats of log odds."""


@dataclass(frozen=True, slots=True, eq=False)
class TraceViews:
    """Latency, calls and failures."""

    slowness: Slowness
    children: Structure
    failures: Structure
    called: Mapping[str, Iterable[str]]
    """Whom each service calls."""

    @classmethod
    def of(cls, behaviours: pa.Table, callees: Mapping[str, Iterable[str]], timeline: Timeline, *, floor_ms: float) -> Self:
        """Put the source's answers together.

        Args:
            behaviours: the rows of `TraceSource.behaviours`.
            callees: whom each service calls, as far as it is known otherwise.
            timeline: the buckets.
            floor_ms: what the behaviours were asked with.
        """
        children = Structure.of_children(behaviours, timeline)
        called: dict[str, set[str]] = defaultdict(set, {service: set(known) for service, known in callees.items()})
        for behaviour in children.behaviours:
            called[behaviour.service].update(service for service, _ in behaviour.children)
        slowness = Slowness.of(behaviours, timeline, floor_ms=floor_ms)
        return cls(slowness, children, Structure.of_failures(behaviours, timeline), called)

    def scores(self, question: Question, blame: Blame | None = None) -> dict[str, Scores]:
        """What the views say of every service, averaged over the candidate onsets.

        Args:
            question: the onsets, and the end.
            blame: whom to blame for a behaviour, where whole requests were looked at; the operation's service otherwise.
        """
        total: dict[str, list[Scores]] = defaultdict(list)
        for onset in question.onsets:
            for service, scores in self.scores_at(onset, question, blame).items():
                total[service].append(scores)
        count = len(question.onsets)
        return {
            s: Scores(sum(x.slower for x in found) / count, sum(x.otherwise for x in found) / count) for s, found in total.items()
        }

    def scores_at(self, onset: int, question: Question, blame: Blame | None = None) -> dict[str, Scores]:
        """The same for one onset of the question."""
        first, end = min(question.onsets), question.end
        slower = self.slowness.scores(onset, end)
        evidence = self.children.evidence(self.children.change(onset, end, first))
        changed = self.children.worst(evidence) if blame is None else blame(evidence, onset)
        failing = self.failures.worst(self.failures.evidence(self.failures.change(onset, end, first)))
        failing = explain_away(failing, self.called)
        services = sorted(slower.keys() | changed.keys() | failing.keys())
        return {s: Scores(slower.get(s, 0.0), max(changed.get(s, 0.0), failing.get(s, 0.0))) for s in services}


@dataclass(frozen=True, slots=True)
class Surprises:
    """The one unit that the views have in common: how rarely quiet moments of the same system score so high."""

    tops: tuple[Scores, ...]
    """The top scores of each view at quiet moments."""

    @classmethod
    def of(cls, views: TraceViews, questions: Iterable[Question]) -> Self:
        """Ask the same at quiet moments."""
        quiet = (views.scores(question).values() for question in questions)
        return cls(tuple(Scores(max(s.slower for s in scores), max(s.otherwise for s in scores)) for scores in quiet))

    def nats(self, scores: Scores) -> Scores:
        """The surprise at each view."""
        slower, otherwise = ([top[view] for top in self.tops] for view in range(2))
        return Scores(surprise(scores.slower, slower, USUAL_TOP), surprise(scores.otherwise, otherwise, USUAL_TOP))

    def total(self, scores: Scores) -> float:
        """The surprise at both together: as tails of chance they multiply."""
        return sum(self.nats(scores))
