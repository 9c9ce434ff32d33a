"""What a slow request waited for: the way through its spans on which every delay delays the whole.

Spans of one service are placed by its own clock. A span of another service is taken to lie in the middle of the one that called it,
since clocks of different services may differ by more than a request takes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

DEEPEST = 100
ROUNDING_NS = 2_000
"""A child may seem to begin or end outside of its parent by as much: recordings hold microseconds."""


@dataclass(frozen=True, slots=True)
class PathSpan:
    """A span, as far as its place on the way matters; times in nanoseconds."""

    id: str
    parent: str
    service: str
    operation: str
    start_ns: int
    duration_ns: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Own time of a span on the critical path."""

    service: str
    operation: str
    callee: str
    """Where the span waits for another service, that one: the time is lost between the two."""
    milliseconds: float


def critical_path(spans: Iterable[PathSpan]) -> tuple[Stretch, ...]:
    """The stretches of one request's critical path, longest first; they add up to the request's duration.

    From the end of a span backwards: the child that ended last was waited for, before it the one that ended last before that one
    began, and so on.
    """
    by_id = {span.id: span for span in spans}
    children: dict[str, list[PathSpan]] = defaultdict(list)
    for span in by_id.values():
        children[span.parent].append(span)
    roots = [span for span in by_id.values() if span.parent not in by_id]
    if not roots:
        return ()
    found: list[Stretch] = []
    waiting = [(max(roots, key=lambda span: (span.duration_ns, span.id)), 0)]
    while waiting:
        span, depth = waiting.pop()
        waited_for = _waited_for(span, children) if depth < DEEPEST else []
        callee = next((child.service for child in waited_for if child.service != span.service), "")
        own = max(0, span.duration_ns - sum(child.duration_ns for child in waited_for))
        found.append(Stretch(span.service, span.operation, callee, own / 1e6))
        waiting += [(child, depth + 1) for child in waited_for]
    return tuple(sorted(found, key=lambda stretch: -stretch.milliseconds))


def _waited_for(span: PathSpan, children: Mapping[str, Sequence[PathSpan]]) -> list[PathSpan]:
    placed = []
    for child in children.get(span.id, ()):
        inside = child.start_ns - span.start_ns if child.service == span.service else (span.duration_ns - child.duration_ns) // 2
        placed.append((inside + child.duration_ns, inside, child))
    chosen: list[PathSpan] = []
    until = span.duration_ns
    for end, start, child in sorted(placed, key=lambda item: (-item[0], item[1], item[2].id)):
        if start >= -ROUNDING_NS and end <= until + ROUNDING_NS:
            chosen.append(child)
            until = start
    return chosen
