"""Log patterns that deviate, as facts that a person can check.

Constants without a source are chosen, not measured: they bound what is read and shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, cast

import numpy as np

from middlewatch.records import Anomaly, AnomalyKind, Family, Query, Sample
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.log_parameters import changed_parameters
from middlewatch.tools.log_patterns import WILD
from middlewatch.tools.log_views import Evidence, LogViews, Pattern, is_severe
from middlewatch.tools.log_words import mechanism, named
from middlewatch.tools.onset import Split, find_split
from middlewatch.tools.slowness import Slowness
from middlewatch.tools.timeline import BUCKETS_PER_MINUTE, ONSET_BUCKETS, RECENT_BUCKETS, Timeline, active_minutes
from middlewatch.tools.wording import quantity, quoted

SERVICES_SHOWN = 5
"""Leading services that get evidence; the vote puts little more than these to hypotheses."""
FACTS_PER_SERVICE = 3
SAMPLES_SHOWN = 3
SHORTEST_FRAGMENT = 4
"""A shorter literal part of a pattern would find other patterns' lines too."""
PARAMETERS_PER_SERVICE = 1
PARAMETER_BUCKETS = 15 * BUCKETS_PER_MINUTE
"""How far before an onset the values in a pattern's variable parts are looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class LogExhibits:
    """What facts are made from."""

    views: LogViews
    timeline: Timeline
    sources: Sources
    patterns: Query
    """The query behind the number of lines."""
    requests: Query
    """The query behind the time between lines."""

    def anomalies(self, scores: Mapping[str, float]) -> tuple[Anomaly, ...]:
        """The strongest facts about the leading services.

        Args:
            scores: per service; only those above 0 lead.
        """
        question = self.timeline.question
        by_onset = {onset: self.views.scores_at(onset, question.end) for onset in question.onsets}
        found: dict[tuple[str, str, str], Anomaly] = {}  # each once: that one does not reach another is a fact about both
        for service in sorted((s for s in scores if scores[s] > 0), key=lambda s: (-scores[s], s))[:SERVICES_SHOWN]:
            onset = max(question.onsets, key=lambda i: by_onset[i].get(service, 0.0))
            facts = [*self._lines(service, onset), *self._steps(service, onset)]
            for _, make in sorted(facts, key=lambda fact: -fact[0])[:FACTS_PER_SERVICE]:
                anomaly = make()
                found.setdefault((anomaly.service, anomaly.peer, anomaly.subject), anomaly)
            for anomaly in self._parameters(service, onset):
                found.setdefault((anomaly.service, anomaly.peer, anomaly.subject), anomaly)
        return tuple(found.values())

    def _lines(self, service: str, onset: int) -> Iterator[tuple[float, Callable[[], Anomaly]]]:
        """The patterns of a service, and those of others that say it is not reached."""
        evidence, known = self.views.evidence(onset, self.timeline.question.end), self.views.known
        for i in np.flatnonzero(evidence.nats > 0).tolist():
            pattern = self.views.patterns[i]
            peer = pattern.unreachable(known) if evidence.rising[i] else ""
            if service in (pattern.service, peer):
                yield float(evidence.nats[i]), partial(self._line, i, peer, onset, evidence)

    def _steps(self, service: str, onset: int) -> Iterator[tuple[float, Callable[[], Anomaly]]]:
        """The steps from one line to the next that take longer, where no trace says so."""
        steps = self.views.steps
        if steps is not None:
            shift = steps.latencies.shift(onset, self.timeline.question.end)
            for key in np.flatnonzero(shift.bound > 0).tolist():
                place = steps.places[steps.place[key]]
                if service in (place.service, place.callee):
                    yield float(shift.bound[key]), partial(self._step, steps, key, service, onset)

    def _line(self, index: int, peer: str, onset: int, evidence: Evidence) -> Anomaly:
        timeline, pattern = self.timeline, self.views.patterns[index]
        key, rising = int(evidence.key[index]), bool(evidence.rising[index])
        before, after = self._rate(index, max(0, onset - RECENT_BUCKETS), onset), self._rate(index, onset, timeline.size)
        return Anomaly(
            kind=AnomalyKind.LOG_PATTERN,
            service=pattern.service,
            peer=peer,
            subject=pattern.text[:2000],
            family=Family.ERRORS if is_severe(pattern.severity) else Family.OTHER,
            unit="1/min",
            baseline=before,
            observed=after,
            factor=after / before if before > 0 else None,
            onset=timeline.onset(self._split(index, key), onset),
            strength=float(evidence.nats[index]),
            mechanism=(mechanism(pattern.text) or mechanism(pattern.sample)) if rising else None,
            window=timeline.span(onset, timeline.size),
            baseline_window=timeline.span(0, onset),
            summary=self._summary(pattern, before, after, self._within(key, index, evidence)),
            query=self.patterns,
            samples=self._samples(pattern, onset, rising=rising),
        )

    def _step(self, steps: Slowness, key: int, service: str, onset: int) -> Anomaly:
        timeline, place, name = self.timeline, steps.places[steps.place[key]], steps.operations[key]
        shift = steps.latencies.shift(onset, timeline.question.end)
        before, after = (max(0.0, float(np.exp(y[key]) - steps.floor_ms)) for y in (shift.before, shift.after))
        first = max(0, timeline.size - ONSET_BUCKETS)
        count, total = (np.diff(x[key, first:]) for x in (steps.latencies.count, steps.latencies.total))
        split = find_split(np.where(count > 0, total / np.maximum(count, 1), np.nan))
        ends = (place.service, place.callee) if place.callee else (place.service,)
        return Anomaly(
            kind=AnomalyKind.EDGE if place.callee else AnomalyKind.OPERATION,
            service=service,
            peer=next((end for end in ends if end != service), ""),
            subject=name,
            family=Family.LATENCY,
            unit="ms",
            baseline=before,
            observed=after,
            factor=after / before if before > 0 else None,
            onset=timeline.onset(split and split.shifted(first), onset),
            strength=float(shift.bound[key]),
            window=timeline.span(onset, timeline.size),
            baseline_window=timeline.span(0, onset),
            summary=f"the time from one line of a request to the next in {' and '.join(map(quoted, ends))} rose from "
            f"{quantity(before, 'ms')} to {quantity(after, 'ms')}: {quoted(name)}",
            query=self.requests,
        )

    def _parameters(self, service: str, onset: int) -> Iterator[Anomaly]:
        """Values in the variable parts of its patterns that are new, or more frequent than they were."""
        timeline = self.timeline
        window = timeline.span(max(0, onset - PARAMETER_BUCKETS), timeline.size)
        answer = self.sources.logs.examples(window, split=timeline.moment(onset), services=[service])
        columns = (cast("list[Any]", answer.table.column(name).to_pylist()) for name in ("service", "pattern", "after", "body"))
        lines = ((speaker, pattern, bool(after), body) for speaker, pattern, after, body in zip(*columns, strict=True))
        for parameter in changed_parameters(lines)[:PARAMETERS_PER_SERVICE]:
            before, after = parameter.before, parameter.after
            usual = f"{_percent(before)} before" if before > 0 else "never before"
            yield Anomaly(
                kind=AnomalyKind.LOG_PATTERN,
                service=service,
                peer=next((name for name in named(parameter.value, self.views.known) if name != service), ""),
                subject=f"{parameter.value} in part {parameter.part + 1} of {parameter.pattern}"[:2000],
                unit="1",
                baseline=before,
                observed=after,
                factor=after / before if before > 0 else None,
                onset=timeline.onset(None, onset),
                strength=parameter.bound,
                window=timeline.span(onset, timeline.size),
                baseline_window=timeline.span(max(0, onset - PARAMETER_BUCKETS), onset),
                summary=f"{quoted(service)} writes {quoted(parameter.value)} in {_percent(after)} of the lines "
                f"{quoted(parameter.pattern)}, {usual}",
                query=answer.query,
            )

    def _rate(self, index: int, first: int, last: int) -> float:
        """Lines a minute, over the minutes in which anything was logged at all."""
        minutes = active_minutes(np.diff(self.views.lines[:, first : last + 1].sum(axis=0)))
        return float(self.views.lines[index, last] - self.views.lines[index, first]) / max(minutes, 1 / BUCKETS_PER_MINUTE)

    def _split(self, index: int, key: int) -> Split | None:
        """When the pattern's share of its spans, or of all lines, changed."""
        views, first = self.views, max(0, self.timeline.size - ONSET_BUCKETS)
        whole = views.lines.sum(axis=0) if key < 0 else views.requests.all.units[key]
        part = views.lines[index] if key < 0 else views.requests.all.present[key]
        units, present = np.diff(whole[first:]), np.diff(part[first:])
        split = find_split(np.where(units > 0, present / np.maximum(units, 1), np.nan))
        return split and split.shifted(first)

    def _within(self, key: int, index: int, evidence: Evidence) -> str:
        if key < 0:
            return ""
        shares = f"in {_percent(evidence.after[index])} of the spans, {_percent(evidence.before[index])} before"
        operation = self.views.requests.runs[self.views.requests.key_run[key]].operation
        return f"; {shares}, of {quoted(operation)}" if operation else f"; {shares}"

    @staticmethod
    def _summary(pattern: Pattern, before: float, after: float, within: str) -> str:
        severity = f"{pattern.severity} " if is_severe(pattern.severity) else ""
        what = f"{quoted(pattern.service)} logs {severity}{quoted(pattern.text)}"
        if before == 0:
            return f"{what} {quantity(after)} times a minute, never before{within}"
        return f"{what} {quantity(after)} times a minute, {quantity(before)} before{within}"

    def _samples(self, pattern: Pattern, onset: int, *, rising: bool) -> tuple[Sample, ...]:
        """The first lines since the onset; of a pattern that went away, the first line there ever was."""
        start = self.timeline.moment(onset)
        fragment = max((piece.strip() for piece in pattern.text.split(WILD)), key=len)
        if rising and len(fragment) >= SHORTEST_FRAGMENT:
            window = self.timeline.span(onset, self.timeline.size)
            table = self.sources.logs.lines(window, services=[pattern.service], contains=fragment, limit=SAMPLES_SHOWN).table
            if table.num_rows:
                return tuple(
                    Sample(
                        time=cast("datetime", row["time"]),
                        text=str(row["body"])[:2000],
                        trace_id=str(row["trace_id"]),
                        span_id=str(row["span_id"]),
                    )
                    for row in table.to_pylist()
                )
        if rising and pattern.first < start:
            return ()
        return (Sample(time=pattern.first, text=pattern.sample[:2000], trace_id=pattern.trace_id, span_id=pattern.span_id),)


def _percent(share: float) -> str:
    return f"{quantity(100 * float(share))} %"
