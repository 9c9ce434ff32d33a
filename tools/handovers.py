"""Requests that belong together though no trace connects them: sent over a queue or in a batch, and handled elsewhere.

Constants without a source are chosen, not derived.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from middlewatch.records import Window
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.wording import listed

MOST_TRACES = 10
"""Others that are shown with a request; a batch may have been sent by thousands."""
ROWS_READ = 1_000
PRODUCER, CONSUMER = "Producer", "Consumer"
NAMED = 3

Row = Mapping[str, object]
"""Of `TraceSource.relatives`."""


@dataclass(frozen=True, slots=True)
class Relatives:
    """What belongs to a request beside its own trace."""

    traces: tuple[str, ...] = ()
    """Nearest first by when they were handed over."""
    sent_by: Mapping[str, str] = field(default_factory=dict)
    """By the id of a span that handles something, the id of the one that sent it."""
    note: str = ""
    """In words; empty where there are none."""


def relatives(sources: Sources, trace_id: str, window: Window) -> Relatives:
    """What is linked to a request, or has a correlation id in common with it.

    Args:
        sources: what may be read.
        trace_id: of the request.
        window: in which its relatives begin; not past the horizon.
    """
    answer = sources.traces.relatives(window, trace_id=trace_id, limit=ROWS_READ)
    rows = cast("list[Row]", answer.table.to_pylist())
    sent_by = {str(row["span_id"]): str(row["sender_span_id"]) for row in reversed(rows) if row["sender_span_id"]}
    sent_by = {**_by_correlation(rows), **sent_by}
    found = {str(row[name]): None for row in rows for name in ("trace_id", "sender_trace_id") if row[name]}
    others = [trace for trace in found if trace != trace_id]
    if not others:
        return Relatives()
    ids = sorted({str(row["correlation_id"]) for row in rows if row["correlation_id"]})
    how = "by links" if not ids else f"by the correlation id {listed(ids, NAMED)}"
    more = "" if len(others) <= MOST_TRACES and not answer.bound else f", of which {MOST_TRACES} are shown"
    count = f"{len(others)} other requests belong" if len(others) > 1 else "another request belongs"
    return Relatives(tuple(others[:MOST_TRACES]), sent_by, f"{count} to this one {how}{more}")


def _by_correlation(rows: Sequence[Row]) -> dict[str, str]:
    """Who handles something was sent it by the last one with the same id, in another trace, before that."""
    spans = sorted((row for row in rows if row["correlation_id"]), key=lambda row: cast("datetime", row["start"]))
    last: dict[str, Row] = {}
    sent_by = {}
    for row in spans:
        correlation = str(row["correlation_id"])
        if row["kind"] == PRODUCER:
            last[correlation] = row
        elif row["kind"] == CONSUMER and correlation in last and last[correlation]["trace_id"] != row["trace_id"]:
            sent_by[str(row["span_id"])] = str(last[correlation]["span_id"])
    return sent_by
