"""How often each log pattern is written, seen from the spans that write it, its service, and the whole system.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from middlewatch.records import Edge, Mechanism
from middlewatch.telemetry.conventions import SEVERITY_NAMES
from middlewatch.tools.baseline import Floats
from middlewatch.tools.consequences import explain_away, explain_ties
from middlewatch.tools.log_gaps import Steps
from middlewatch.tools.log_order import unexplained
from middlewatch.tools.log_patterns import merged
from middlewatch.tools.log_requests import Requests
from middlewatch.tools.log_units import Indices
from middlewatch.tools.log_words import has_stack_trace, mechanism, named
from middlewatch.tools.presence import Presence
from middlewatch.tools.service_map import blame_ends, callees
from middlewatch.tools.slowness import Slowness
from middlewatch.tools.timeline import Question, Timeline, cumulative, heaviest

SEVERE = SEVERITY_NAMES.index("ERROR")
TIE_BREAK = 0.1
"""What severity, and a stack trace, each add to the evidence of a pattern that became more frequent. They decide between equals
only: errors are written where they are noticed, which is often not where they arise."""
MOST_PATTERNS = 3000
"""Patterns that are compared; a row of buckets is 12 kB."""
COVERED = 0.5
"""Share of a pattern's lines that spans must account for, else its lines are also counted without them."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One way of saying something, by one service."""

    service: str
    text: str
    severity: str
    """The worst seen."""
    stack_trace: bool
    first: datetime
    sample: str
    """The body of the line at `first`."""
    trace_id: str
    span_id: str

    def unreachable(self, services: frozenset[str]) -> str:
        """The other service that the line says it does not reach; '' where it says nothing of the kind."""
        if mechanism(self.text) is not Mechanism.UNREACHABLE:
            return ""
        others = (name for text in (self.text, self.sample) for name in named(text, services) if name != self.service)
        return next(others, "")


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What one onset says; every array has shape (patterns,)."""

    nats: Floats
    rising: NDArray[np.bool_]
    key: Indices
    """The key of `LogViews.requests` that shows it best, -1 where the number of lines does."""
    before: Floats
    after: Floats
    """Share of that key's spans that wrote it."""


@dataclass(frozen=True, slots=True, eq=False)
class LogViews:
    """The patterns of all services and how often each is there."""

    patterns: tuple[Pattern, ...]
    lines: Floats
    """Cumulative lines per pattern, shape (patterns, size + 1)."""
    requests: Requests
    steps: Slowness | None
    """The time between the lines of requests that no trace has; None where there are none."""
    edges: tuple[Edge, ...]
    """Who calls whom, as traces show it, and the lines of requests that no trace has."""
    services: tuple[str, ...]
    """Those that wrote any line."""
    loose: Indices
    """The patterns that spans do not account for."""
    in_service: Presence
    """Loose patterns among the lines of their service."""
    in_system: Presence
    """Loose patterns among the lines of all services."""

    @classmethod
    def of(
        cls,
        patterns: pa.Table,
        requests: pa.Table,
        edges: Sequence[Edge],
        timeline: Timeline,
        *,
        share: float,
        clocks: Mapping[str, int],
    ) -> LogViews:
        """Put the sources' answers together.

        Args:
            patterns: the rows of `LogSource.patterns`.
            requests: the rows of `LogSource.requests`.
            edges: who calls whom, as traces show it.
            timeline: the buckets.
            share: of all requests, those in `requests`.
            clocks: by how many microseconds a service's is ahead of the others'.
        """
        keys = _texts(patterns, "service", "pattern")
        group = np.array(merged(keys), dtype=np.intp)
        lines = timeline.spread(patterns, "count", group)
        onset = min(timeline.question.onsets)
        kept = heaviest(lines[:, :onset].sum(axis=1), lines[:, onset:].sum(axis=1), MOST_PATTERNS)
        index = {old: new for new, old in enumerate(kept.tolist())}
        of_key = {(key[0], key[1]): index[old] for key, old in zip(keys, group.tolist(), strict=True) if old in index}
        lines = lines[kept]
        described = _described(patterns, [of_key.get((key[0], key[1])) for key in keys])
        severe = np.array([is_severe(pattern.severity) for pattern in described], dtype=bool)
        within = Requests.of(requests, of_key, severe, lines.sum(axis=0) == 0, timeline, clocks)
        names = [pattern.service for pattern in described]
        services = {service: i for i, service in enumerate(dict.fromkeys(names))}
        of_service = np.array([services[name] for name in names], dtype=np.intp)
        steps = Steps.of(within, of_service)
        written = np.bincount(within.key_pattern, within.written, len(described))
        loose = np.flatnonzero(written < COVERED * share * lines.sum(axis=1))
        in_service, in_system = _among_lines(lines, of_service, loose)
        return cls(
            patterns=described,
            lines=cumulative(lines),
            requests=within,
            steps=steps.slowness(list(services), [pattern.text for pattern in described], timeline),
            edges=tuple({(e.caller, e.callee): e for e in (*steps.edges(list(services)), *edges)}.values()),
            services=tuple(services),
            loose=loose,
            in_service=in_service,
            in_system=in_system,
        )

    @property
    def known(self) -> frozenset[str]:
        """The services that write lines or are called."""
        return frozenset(self.services).union(*((edge.caller, edge.callee) for edge in self.edges))

    def evidence(self, onset: int, end: int) -> Evidence:
        """How much each pattern's frequency changed, in the view that shows it best.

        In requests that is what earlier deviations do not explain. A severe line that loose lines no longer show is none.
        """
        count = len(self.patterns)
        nats, before, after = np.zeros(count), np.zeros(count), np.zeros(count)
        rising, shown = np.zeros(count, dtype=bool), np.full(count, -1, dtype=np.intp)
        within = self.requests.change(onset, end)
        bound = unexplained(self.requests, within, onset, end)
        keys = np.flatnonzero(bound > 0)
        for key in keys[np.argsort(bound[keys], kind="stable")]:  # the strongest last, to stay
            pattern = self.requests.key_pattern[key]
            nats[pattern], rising[pattern], shown[pattern] = bound[key], within.log_odds[key] > 0, key
            before[pattern], after[pattern] = within.before[key], within.after[key]
        severe = np.array([is_severe(pattern.severity) for pattern in self.patterns], dtype=bool)
        for view in (self.in_service, self.in_system):
            change = view.change(onset, end)
            rises = change.log_odds > 0
            stronger = (change.bound > nats[self.loose]) & (rises | ~severe[self.loose])
            chosen = self.loose[stronger]
            nats[chosen], rising[chosen], shown[chosen] = change.bound[stronger], rises[stronger], -1
        alarming = severe + np.array([pattern.stack_trace for pattern in self.patterns], dtype=np.float64)
        return Evidence(nats * (1 + TIE_BREAK * np.where(rising, alarming, 0.0)), rising, shown, before, after)

    def scores_at(self, onset: int, end: int) -> dict[str, float]:
        """Nats per service for one onset: its most conspicuous pattern, and how much slower its requests became.

        Lines that belong to no request have no order, so what callees explain is taken from those. That a service is not reached
        speaks against both ends, and so does what is no longer written where it was not reached.
        """
        evidence = self.evidence(onset, end)
        known, called = self.known, callees(self.edges)
        own: dict[str, float] = defaultdict(float)
        loose: dict[str, float] = defaultdict(float)
        calls = {(edge.caller, edge.callee): np.zeros(()) for edge in self.edges}
        lost = self._lost_calls(evidence)
        for i in np.flatnonzero(evidence.nats > 0).tolist():
            pattern, nats = self.patterns[i], float(evidence.nats[i])
            peer = pattern.unreachable(known) if evidence.rising[i] else lost.get(self._run(evidence, i), "")
            if peer:
                pair = (pattern.service, peer)
                calls[pair] = np.maximum(calls.get(pair, 0.0), nats)
            else:
                view = own if evidence.key[i] >= 0 else loose
                view[pattern.service] = max(view[pattern.service], nats)
        ends = blame_ends(calls) if any(calls.values()) else {}
        explained = explain_away(loose, called)
        slower = {} if self.steps is None else explain_ties(self.steps.scores(onset, end), called)
        total = dict.fromkeys(self.services, 0.0)
        for service in known:
            worst = max(own.get(service, 0.0), explained.get(service, 0.0), float(ends.get(service, 0.0)))
            if service in total or worst > 0:
                total[service] = worst + slower.get(service, 0.0)
        return total

    def _lost_calls(self, evidence: Evidence) -> dict[int, str]:
        """The operations that more often write that somebody was not reached, with whom."""
        rising = np.flatnonzero((evidence.nats > 0) & evidence.rising).tolist()
        found = {self._run(evidence, i): self.patterns[i].unreachable(self.known) for i in rising}
        return {run: peer for run, peer in found.items() if run >= 0 and peer}

    def _run(self, evidence: Evidence, index: int) -> int:
        """The operation whose spans show a pattern best; -1 where it is shown in no spans."""
        key = int(evidence.key[index])
        return int(self.requests.key_run[key]) if key >= 0 else -1

    def scores(self, question: Question) -> dict[str, float]:
        """Nats per service that wrote any line or is blamed by others, averaged over the candidate onsets.

        There is one onset for all services. It is the likelier, the more conspicuous the most conspicuous service is after it: a
        candidate weighs as the odds that its highest score, a logarithm, stands for.
        """
        by_onset = [self.scores_at(onset, question.end) for onset in question.onsets]
        tops = np.array([max(scores.values(), default=0.0) for scores in by_onset])
        weights = np.exp(tops - tops.max())
        total: dict[str, float] = defaultdict(float)
        for weight, scores in zip(weights / weights.sum(), by_onset, strict=True):
            for service, score in scores.items():
                total[service] += float(weight) * score
        return dict(total)


def is_severe(severity: str) -> bool:
    """Whether a severity means that something failed."""
    return severity in SEVERITY_NAMES[SEVERE:]


def _among_lines(lines: Floats, of_service: NDArray[np.intp], loose: NDArray[np.intp]) -> tuple[Presence, Presence]:
    """The loose patterns among the lines of their service, and of all services."""
    all_of_service = np.zeros((int(of_service.max(initial=-1)) + 1, lines.shape[1]))
    np.add.at(all_of_service, of_service, lines)
    in_service = Presence.of(all_of_service[of_service[loose]], lines[loose])
    return in_service, Presence.of(np.tile(lines.sum(axis=0), (len(loose), 1)), lines[loose])


def _described(patterns: pa.Table, group: Sequence[int | None]) -> tuple[Pattern, ...]:
    """Each merged pattern by its most frequent member, with the worst severity of all."""
    found: dict[int, Pattern] = {}
    texts = patterns.drop_columns(["times", "count"])
    for at, row in zip(group, cast("list[dict[str, object]]", texts.to_pylist()), strict=True):
        if at is None:
            continue
        known = found.get(at)
        severity, stack = str(row["severity"]), has_stack_trace(str(row["sample"]))
        if known is None:
            found[at] = Pattern(
                service=str(row["service"]),
                text=str(row["pattern"]),
                severity=severity,
                stack_trace=stack,
                first=cast("datetime", row["first"]),
                sample=str(row["sample"]),
                trace_id=str(row["sample_trace_id"]),
                span_id=str(row["sample_span_id"]),
            )
        else:
            worst = max(known.severity, severity, key=lambda s: SEVERITY_NAMES.index(s) if s in SEVERITY_NAMES else 0)
            found[at] = replace(known, severity=worst, stack_trace=known.stack_trace or stack)
    return tuple(found[i] for i in range(len(found)))


def _texts(table: pa.Table, *columns: str) -> list[tuple[str, ...]]:
    return list(zip(*(cast("list[str]", table.column(name).to_pylist()) for name in columns), strict=True))
