"""How often each log pattern is written, seen from the spans that write it, its service, and the whole system.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from middlewatch.telemetry.conventions import SEVERITY_NAMES
from middlewatch.tools.baseline import Floats
from middlewatch.tools.consequences import explain_away
from middlewatch.tools.log_patterns import merged
from middlewatch.tools.presence import Presence
from middlewatch.tools.timeline import Question, Timeline, cumulative

SEVERE = SEVERITY_NAMES.index("ERROR")
TIE_BREAK = 0.1
"""What severity, and a stack trace, each add to the evidence of a pattern that became more frequent. They decide between equals
only: errors are written where they are noticed, which is often not where they arise."""
MOST_PATTERNS = 3000
"""Patterns that are compared; a row of buckets is 12 kB."""
COVERED = 0.5
"""Share of a pattern's lines that spans must account for, else its lines are also counted without them."""

_STACK_TRACE = re.compile(r"\n\s+at \S|Traceback \(most recent call last\)|\ngoroutine \d|\n\s+File \"|Caused by: ")


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


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What one onset says; every array has shape (patterns,)."""

    nats: Floats
    rising: NDArray[np.bool_]
    writer: NDArray[np.intp]
    """The row of `LogViews.writers` that shows it best, -1 where the number of lines does."""
    before: Floats
    after: Floats
    """Share of that writer's spans that wrote it."""


@dataclass(frozen=True, slots=True, eq=False)
class LogViews:
    """The patterns of all services and how often each is there."""

    patterns: tuple[Pattern, ...]
    lines: Floats
    """Cumulative lines per pattern, shape (patterns, size + 1)."""
    writers: tuple[str, ...]
    """Operations, one per row of `in_spans`; '' for spans that no trace has."""
    written: NDArray[np.intp]
    """The pattern of each row of `in_spans`."""
    in_spans: Presence
    loose: NDArray[np.intp]
    """The patterns that spans do not account for."""
    in_service: Presence
    """Loose patterns among the lines of their service."""
    in_system: Presence
    """Loose patterns among the lines of all services."""
    called: Mapping[str, Iterable[str]]

    @classmethod
    def of(
        cls,
        patterns: pa.Table,
        presence: pa.Table,
        operations: pa.Table | None,
        called: Mapping[str, Iterable[str]],
        timeline: Timeline,
    ) -> LogViews:
        """Put the sources' answers together.

        Args:
            patterns: the rows of `LogSource.patterns`.
            presence: the rows of `LogSource.presence`.
            operations: the rows of `TraceSource.operations`, which know of spans that wrote nothing, or None.
            called: whom each service calls.
            timeline: the buckets.
        """
        keys = _texts(patterns, "service", "pattern")
        group = np.array(merged(keys), dtype=np.intp)
        lines = timeline.spread(patterns, "count", group)
        kept = _weightiest(lines, min(timeline.question.onsets))
        index = {old: new for new, old in enumerate(kept.tolist())}
        of_key = {key: index[old] for key, old in zip(keys, group.tolist(), strict=True) if old in index}
        lines = lines[kept]
        described = _described(patterns, [of_key.get(key) for key in keys])
        writers, written, in_spans = _in_spans(presence, operations, of_key, lines.sum(axis=0) == 0, timeline)
        spans = np.bincount(written, weights=in_spans.present[:, -1], minlength=len(described))
        loose = np.flatnonzero(spans < COVERED * lines.sum(axis=1))
        services = {service: i for i, service in enumerate(dict.fromkeys(pattern.service for pattern in described))}
        of_service = np.array([services[pattern.service] for pattern in described], dtype=np.intp)
        all_of_service = np.zeros((len(services), timeline.size))
        np.add.at(all_of_service, of_service, lines)
        return cls(
            patterns=described,
            lines=cumulative(lines),
            writers=writers,
            written=written,
            in_spans=in_spans,
            loose=loose,
            in_service=Presence.of(all_of_service[of_service[loose]], lines[loose]),
            in_system=Presence.of(np.tile(lines.sum(axis=0), (len(loose), 1)), lines[loose]),
            called=called,
        )

    def evidence(self, onset: int, end: int) -> Evidence:
        """How much each pattern's frequency changed, in the view that shows it best."""
        count = len(self.patterns)
        nats, before, after = np.zeros(count), np.zeros(count), np.zeros(count)
        rising, writer = np.zeros(count, dtype=bool), np.full(count, -1, dtype=np.intp)
        spans = self.in_spans.change(onset, end)
        for row in np.argsort(spans.bound, kind="stable"):  # the strongest last, to stay
            pattern = self.written[row]
            nats[pattern], rising[pattern], writer[pattern] = spans.bound[row], spans.log_odds[row] > 0, row
            before[pattern], after[pattern] = spans.before[row], spans.after[row]
        for view in (self.in_service, self.in_system):
            change = view.change(onset, end)
            stronger = change.bound > nats[self.loose]
            chosen = self.loose[stronger]
            nats[chosen], rising[chosen], writer[chosen] = change.bound[stronger], change.log_odds[stronger] > 0, -1
        alarming = np.array([is_severe(p.severity) + p.stack_trace for p in self.patterns], dtype=np.float64)
        return Evidence(nats * (1 + TIE_BREAK * np.where(rising, alarming, 0.0)), rising, writer, before, after)

    def scores_at(self, onset: int, end: int) -> dict[str, float]:
        """Nats per service for one onset: its most conspicuous pattern, less what callees explain."""
        worst: dict[str, float] = defaultdict(float)
        for pattern, nats in zip(self.patterns, self.evidence(onset, end).nats.tolist(), strict=True):
            worst[pattern.service] = max(worst[pattern.service], nats)
        return explain_away(worst, self.called)

    def scores(self, question: Question) -> dict[str, float]:
        """Nats per service, averaged over the candidate onsets."""
        total: dict[str, float] = defaultdict(float)
        for onset in question.onsets:
            for service, score in self.scores_at(onset, question.end).items():
                total[service] += score / len(question.onsets)
        return dict(total)


def is_severe(severity: str) -> bool:
    """Whether a severity means that something failed."""
    return severity in SEVERITY_NAMES[SEVERE:]


def _weightiest(lines: Floats, onset: int) -> NDArray[np.intp]:
    """The patterns with the largest shares of the lines before or after, at most `MOST_PATTERNS`, in their order."""
    before, after = lines[:, :onset].sum(axis=1), lines[:, onset:].sum(axis=1)
    weight = before / max(1.0, before.sum()) + after / max(1.0, after.sum())
    return np.sort(np.argsort(-weight, kind="stable")[:MOST_PATTERNS])


def _described(patterns: pa.Table, group: Sequence[int | None]) -> tuple[Pattern, ...]:
    """Each merged pattern by its most frequent member, with the worst severity of all."""
    found: dict[int, Pattern] = {}
    texts = patterns.drop_columns(["times", "count"])
    for at, row in zip(group, cast("list[dict[str, object]]", texts.to_pylist()), strict=True):
        if at is None:
            continue
        known = found.get(at)
        severity, stack = str(row["severity"]), _STACK_TRACE.search(str(row["sample"])) is not None
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


def _in_spans(
    presence: pa.Table,
    operations: pa.Table | None,
    of_key: Mapping[tuple[str, ...], int],
    silent: NDArray[np.bool_],
    timeline: Timeline,
) -> tuple[tuple[str, ...], NDArray[np.intp], Presence]:
    """Operations, patterns, and how many of the operation's spans wrote the pattern.

    Spans in silent buckets do not count: that nobody writes anything at all says something about the logs, not about a service.
    """
    run_index: dict[tuple[str, ...], int] = {}
    spans = np.zeros((0, timeline.size))
    if operations is not None:
        group_of = [
            run_index.setdefault(run, len(run_index)) for run in _texts(operations, "service", "operation", "parent_operation")
        ]
        spans = timeline.spread(operations, "count", np.array(group_of, dtype=np.intp))
        spans[:, silent] = 0.0
    rows: dict[tuple[tuple[str, ...], int], int] = {}
    kept: list[int] = []
    group: list[int] = []
    for i, (*run, pattern) in enumerate(_texts(presence, "service", "operation", "parent_operation", "pattern")):
        at = of_key.get((run[0], pattern))
        if at is not None:
            kept.append(i)
            group.append(rows.setdefault((tuple(run), at), len(rows)))
    table = presence.take(pa.array(kept, pa.int64()))
    present = timeline.spread(table, "present", np.array(group, dtype=np.intp))
    wrote = timeline.spread(table, "units")
    units = np.zeros_like(present)
    np.maximum.at(units, np.array(group, dtype=np.intp), wrote)
    for row, (operation, _) in enumerate(rows):
        if operation in run_index:
            units[row] = np.maximum(units[row], spans[run_index[operation]])
    return tuple(run[1] for run, _ in rows), np.array([at for _, at in rows], dtype=np.intp), Presence.of(units, present)


def _texts(table: pa.Table, *columns: str) -> list[tuple[str, ...]]:
    return list(zip(*(cast("list[str]", table.column(name).to_pylist()) for name in columns), strict=True))
