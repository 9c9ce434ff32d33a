"""One request span by span: who waited for whom, whose own time it was, and what no span accounts for.

Spans of one service are placed by its own clock. Where another's clock puts a span outside of the one that waited for it, it is
moved into the middle of that with all below it, as `critical_path` does; the waterfall says so.

Constants without a source are chosen, not derived.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from middlewatch.records import Lost, Mechanism, Stretch, Waterfall, WaterfallSpan, Window
from middlewatch.telemetry.conventions import CONNECTION_SPANS, POOL_SPANS, calls_database
from middlewatch.telemetry.sources import Answer, Sources
from middlewatch.tools.critical_path import DEEPEST, ROUNDING_NS
from middlewatch.tools.handovers import relatives
from middlewatch.tools.wording import duration, listed, quoted

MOST_SPANS = 200
"""Lines of a waterfall; a person reads no more, and a page of them stays small."""
SPANS_READ = 5_000
"""Of one request. The slowest are read first, so what is missing of a larger one are trifles."""
LEAST_SHARE = 0.001
"""Own time of less than this share of the request is a hair's breadth on any screen and left out."""
CLOCKS_NAMED = 3

Row = Mapping[str, object]
"""Of `TraceSource.spans`."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Suspect:
    """What the fact is about that a request is shown for."""

    services: tuple[str, ...] = ()
    operation: str = ""
    span_id: str = ""
    mechanism: Mechanism | None = None

    def fits(self, service: str, operation: str, span_id: str) -> bool:
        """Whether the fact is about this span."""
        return (service in self.services and operation == self.operation) or (bool(span_id) and span_id == self.span_id)


NOBODY = Suspect()


def waterfall(sources: Sources, trace_id: str, window: Window, *, suspect: Suspect = NOBODY) -> Waterfall:
    """A request, or why there is none.

    Args:
        sources: what may be read.
        trace_id: which.
        window: in which its spans begin; not past the horizon.
        suspect: which spans to mark.

    Returns:
        At most `MOST_SPANS` spans: the marked ones, those that the request waited for, the failed and the longest, with all above
        them.
    """
    answer = sources.traces.spans(window, trace_ids=[trace_id], limit=SPANS_READ)
    spans = _spans(answer)
    if not spans:
        newest = answer.freshness.watermark
        gone = "" if newest is None else f"; the newest spans are of {newest:%Y-%m-%d %H:%M:%S} UTC"
        reason = f"There is no span of this request from {window.start:%Y-%m-%d %H:%M} to {window.end:%H:%M} UTC{gone}."
        return Waterfall(trace_id=trace_id, reason=reason, freshness=answer.freshness, query=answer.query)
    related = relatives(sources, trace_id, window)
    if related.traces:
        others = _spans(sources.traces.spans(window, trace_ids=related.traces, limit=SPANS_READ))
        spans += [span for span in others if span.id not in {own.id for own in spans}]
    tree = _Tree.of(spans, trace_id, related.sent_by)
    began = min(span.start_ns for span in spans)
    ended = max(span.end_ns for span in spans)
    marked = {span.id for span in spans if suspect.fits(span.service, span.operation, span.id)}
    shown = tree.chosen(marked, MOST_SPANS)
    look = _Look(began, ended - began, shown, marked, suspect.mechanism)
    lines = [look.line(span) for span in tree.order if span.id in shown]
    return Waterfall(
        trace_id=trace_id,
        start=_EPOCH + timedelta(microseconds=began // 1000),
        duration_ms=(ended - began) / 1e6,
        spans=tuple(lines),
        left_out=len(spans) - len(lines),
        services=tuple(sorted({span.service for span in spans})),
        notes=tuple(note for note in (related.note, *tree.notes(), answer.bound) if note),
        freshness=answer.freshness,
        query=answer.query,
    )


@dataclass(slots=True)
class _Span:
    """A span; its beginning is moved where the clocks demand it."""

    id: str
    parent: str
    trace: str
    service: str
    instance: str
    operation: str
    start_ns: int
    duration_ns: int
    failed: bool
    children: list[_Span] = field(default_factory=list)
    depth: int = 0
    critical: bool = False
    handed: bool = False
    """Whether it was handed over across traces: whoever sent it does not wait for it."""

    @property
    def end_ns(self) -> int:
        return self.start_ns + self.duration_ns

    def waits_for(self, child: _Span) -> bool:
        """Whether it is not over before the child is dealt with, whatever the clocks of the two say."""
        return not child.handed and (child.service == self.service or child.duration_ns <= self.duration_ns + ROUNDING_NS)

    @property
    def awaited(self) -> list[_Span]:
        """The children that belong to its own time."""
        return [child for child in self.children if not child.handed]


@dataclass(slots=True)
class _Tree:
    """The spans of a request with their children."""

    roots: list[_Span]
    order: list[_Span]
    """Parents before children, siblings in the order of their beginning."""
    moved_ns: dict[str, int]
    """By how much the clock of each service seemed to be ahead where it had to be corrected; the most."""
    orphans: int
    """Spans whose parent is not there, without the first of the request."""

    @classmethod
    def of(cls, spans: Sequence[_Span], trace_id: str, sent_by: Mapping[str, str]) -> _Tree:
        """The spans of a request, with those of others below what they were sent by."""
        by_id = {span.id: span for span in spans}
        over: dict[str, _Span] = {}
        roots = []
        for span in by_id.values():
            above = by_id.get(span.parent)
            if above is None and span.id in sent_by:
                above = by_id.get(sent_by[span.id])
                span.handed = above is not None
            if above is None or above is span:
                roots.append(span)
            else:
                over[span.id] = above
                above.children.append(span)
        seen = _reached(roots)
        for span in by_id.values():  # spans that are their own ancestors hang from nothing
            if span.id not in seen:
                above = over[span.id]
                above.children = [child for child in above.children if child is not span]
                roots.append(span)
                seen |= _reached([span])
        orphans = max(0, sum(root.trace == trace_id for root in roots) - 1) + sum(
            bool(r.parent) and r.trace != trace_id for r in roots
        )
        tree = cls(sorted(roots, key=_begin), [], {}, orphans)
        tree._place()
        tree._walk()
        for root in tree.roots:
            _mark_critical(root)
        return tree

    def _place(self) -> None:
        """Correct the clocks, from the roots down."""
        waiting = list(self.roots)
        while waiting:
            span = waiting.pop()
            for child in span.children:
                if child.service != span.service and (by := _ahead(span, child)):
                    _move(child, -by)
                    if abs(by) > abs(self.moved_ns.get(child.service, 0)):
                        self.moved_ns[child.service] = by
            span.children.sort(key=_begin)
            waiting += span.children

    def _walk(self) -> None:
        waiting = [(root, 0) for root in reversed(self.roots)]
        while waiting:
            span, depth = waiting.pop()
            span.depth = min(depth, DEEPEST)
            self.order.append(span)
            waiting += [(child, depth + 1) for child in reversed(span.children)]

    def chosen(self, marked: set[str], most: int) -> set[str]:
        """The ids of the spans that are shown, each with all above it."""
        above = {child.id: span for span in self.order for child in span.children}
        shown: set[str] = set()
        for span in sorted(self.order, key=lambda s: (s.id not in marked, not s.critical, not s.failed, -s.duration_ns, s.id)):
            path = [span]
            while path[-1].id in above and path[-1].id not in shown:
                path.append(above[path[-1].id])
            new = {each.id for each in path} - shown
            if len(shown) + len(new) <= most:
                shown |= new
        return shown

    def notes(self) -> list[str]:
        """What has to be known to read it."""
        notes = []
        if self.moved_ns:
            far = max(abs(by) for by in self.moved_ns.values()) / 1e9
            by = duration(timedelta(seconds=far)) if far >= 1 else f"{far * 1000:.3g} ms"
            names = listed(sorted(self.moved_ns), CLOCKS_NAMED)
            notes.append(f"clocks differ by up to {by}: calls of {names} are shown in the middle of what waited for them")
        if self.orphans:
            notes.append(f"{self.orphans} spans name a parent that is not there: parts of the request were not recorded")
        return notes


def _reached(roots: Sequence[_Span]) -> set[str]:
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        span = waiting.pop()
        if span.id not in seen:
            seen.add(span.id)
            waiting += span.children
    return seen


def _ahead(span: _Span, child: _Span) -> int:
    """By how many nanoseconds the child's clock is ahead of its caller's, so far as it must be; 0 where both can be right."""
    inside = child.start_ns >= span.start_ns - ROUNDING_NS and child.end_ns <= span.end_ns + ROUNDING_NS
    if inside:
        return 0
    if span.waits_for(child):
        return child.start_ns - (span.start_ns + (span.duration_ns - child.duration_ns) // 2)
    return min(0, child.start_ns - span.start_ns)  # handed over: it may be dealt with later, and never before


def _move(span: _Span, by: int) -> None:
    waiting = [span]
    while waiting:
        each = waiting.pop()
        each.start_ns += by
        waiting += each.children


def _mark_critical(root: _Span) -> None:
    """Mark what the root waited for: the child that ended last, before it the one that ended last before that began, and so on."""
    waiting = [root]
    while waiting:
        span = waiting.pop()
        span.critical = True
        until = span.end_ns
        for child in sorted(span.awaited, key=lambda c: (-c.end_ns, c.start_ns, c.id)):
            if child.start_ns >= span.start_ns - ROUNDING_NS and child.end_ns <= until + ROUNDING_NS:
                waiting.append(child)
                until = child.start_ns


@dataclass(frozen=True, slots=True)
class _Look:
    """How spans become lines."""

    began_ns: int
    whole_ns: int
    shown: set[str]
    marked: set[str]
    mechanism: Mechanism | None

    def line(self, span: _Span) -> WaterfallSpan:
        gaps = _gaps(span)
        own = [gap for gap in gaps if gap[1] - gap[0] >= LEAST_SHARE * self.whole_ns]
        longest = max(own, key=lambda gap: gap[1] - gap[0], default=None)
        culprit = span.id in self.marked
        return WaterfallSpan(
            span_id=span.id,
            parent_id=span.parent,
            depth=span.depth,
            service=span.service,
            instance=span.instance,
            operation=span.operation,
            start_ms=(span.start_ns - self.began_ns) / 1e6,
            duration_ms=span.duration_ns / 1e6,
            failed=span.failed,
            own=tuple(self._stretch(span, gap, _TOLD.get(self.mechanism) if culprit and gap == longest else None) for gap in own),
            own_ms=sum(end - start for start, end in gaps) / 1e6,
            critical=span.critical,
            culprit=culprit,
            below=len(_reached(span.children) - self.shown),
        )

    def _stretch(self, span: _Span, gap: tuple[int, int], told: tuple[Lost, str] | None) -> Stretch:
        kind, words = _lost(span)
        if kind is Lost.OWN and told is not None:
            kind, words = told
        start, end = gap
        return Stretch(start_ms=(start - self.began_ns) / 1e6, end_ms=(end - self.began_ns) / 1e6, kind=kind, words=words)


def _gaps(span: _Span) -> list[tuple[int, int]]:
    """The parts of a span that no child covers."""
    gaps, at = [], span.start_ns
    for child in span.awaited:  # in the order of their beginning
        start, end = max(child.start_ns, span.start_ns), min(child.end_ns, span.end_ns)
        if start > at:
            gaps.append((at, min(start, span.end_ns)))
        at = max(at, end)
    if at < span.end_ns:
        gaps.append((at, span.end_ns))
    return [(start, end) for start, end in gaps if end > start]


_TOLD: Mapping[Mechanism | None, tuple[Lost, str]] = {
    Mechanism.POOL_WAIT: (Lost.WAITING, "waiting for a connection"),
    Mechanism.CONNECTION_SETUP: (Lost.WAITING, "setting up connections"),
    Mechanism.UNINSTRUMENTED: (Lost.UNSEEN, "in something that no span looks into"),
    Mechanism.GARBAGE_COLLECTION: (Lost.OWN, "in pauses of the whole process"),
}
"""What the longest own time of a marked span is, where the analysis of many requests has found what it is lost in."""


def _lost(span: _Span) -> tuple[Lost, str]:
    """What own time of a span is, by its name and by whom it calls; as `missing_time` and `critical_path` have it."""
    if span.operation.startswith(POOL_SPANS):
        return Lost.WAITING, "waiting for a connection"
    if span.operation.startswith(CONNECTION_SPANS):
        return Lost.WAITING, "setting up connections"
    if calls_database(span.operation):
        return Lost.UNSEEN, "in a database that no span looks into"
    called = {child.service for child in span.awaited if child.start_ns < span.end_ns}
    if len(called) == 1 and span.service not in called:
        return Lost.BETWEEN, f"between {quoted(span.service)} and {quoted(next(iter(called)))}"
    return Lost.OWN, ""


def _spans(answer: Answer) -> list[_Span]:
    """Each span once."""
    return list({str(row["span_id"]): _span(row) for row in cast("list[Row]", answer.table.to_pylist())}.values())


def _span(row: Row) -> _Span:
    start = (cast("datetime", row["start"]) - _EPOCH) // timedelta(microseconds=1)
    return _Span(
        id=str(row["span_id"]),
        parent=str(row["parent_span_id"]),
        trace=str(row["trace_id"]),
        service=str(row["service"]),
        instance=str(row["instance"]),
        operation=str(row["operation"]),
        start_ns=start * 1000,
        duration_ns=max(0, cast("int", row["duration_ns"])),
        failed="error" in str(row["status"]).lower(),
    )


def _begin(span: _Span) -> tuple[int, int, str]:
    return span.start_ns, -span.duration_ns, span.id
