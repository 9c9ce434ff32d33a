"""Spans of OTLP as rows of `otel_traces`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from middlewatch.frontends.otlp.columns import (
    SPAN_BYTES,
    TRACE_BYTES,
    Mask,
    all_set,
    identifiers,
    lists,
    maps,
    texts,
    times,
    words,
)
from middlewatch.frontends.otlp.correlation import correlation_ids
from middlewatch.frontends.otlp.decoded import Decoded, Ground, Rejected
from middlewatch.frontends.otlp.groups import Groups
from middlewatch.frontends.otlp.messages import Read

TABLE: Final = "otel_traces"
KINDS: Final = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
STATUSES: Final = ("Unset", "Ok", "Error")
"""As the Collector's ClickHouse exporter writes them."""


def decode_traces(request: Read, ground: Ground) -> Decoded:
    """The spans of a request that can be stored, and why others cannot."""
    groups, spans, scope_of = Groups(), list[Read](), list[int]()
    for resource in request.resource_spans:
        groups.add_resource(resource.resource, resource.schema_url)
        for scope in resource.scope_spans:
            number, before = groups.add_scope(scope), len(spans)
            spans.extend(scope.spans)
            scope_of += [number] * (len(spans) - before)
    rejected = Rejected()
    fit = _fit(spans, ground, rejected)
    if not fit.all():
        spans = [span for span, taken in zip(spans, fit, strict=True) if taken]
        scope_of = [number for number, taken in zip(scope_of, fit, strict=True) if taken]
    return Decoded({TABLE: _rows(spans, groups, scope_of, ground)} if spans else {}, rejected)


def _fit(spans: Sequence[Read], ground: Ground, rejected: Rejected) -> Mask:
    """Which spans can be stored."""
    starts = np.array([span.start_time_unix_nano for span in spans], dtype=np.uint64)
    ends = np.array([span.end_time_unix_nano for span in spans], dtype=np.uint64)
    fit = np.ones(len(spans), dtype=np.bool_)
    for reason, bad in (
        (f"with a trace id that is not {TRACE_BYTES} bytes, not all zero", _bad_ids([s.trace_id for s in spans], TRACE_BYTES)),
        (f"with a span id that is not {SPAN_BYTES} bytes, not all zero", _bad_ids([s.span_id for s in spans], SPAN_BYTES)),
        (f"with a parent's id that is not {SPAN_BYTES} bytes", _bad_parents([s.parent_span_id for s in spans])),
        ("that begin at a time of no use (not set, older than 400 days, or ahead by over a day)", _bad_times(starts, ground)),
        ("that end before they begin", ends < starts),
    ):
        rejected.add(reason, int((bad & fit).sum()))
        fit &= ~bad
    return fit


def _bad_ids(ids: Sequence[bytes], width: int) -> Mask:
    joined = b"".join(ids)
    if set(map(len, ids)) == {width}:
        return ~all_set(joined, width)
    return np.array([len(each) != width or not any(each) for each in ids], dtype=np.bool_)


def _bad_parents(ids: Sequence[bytes]) -> Mask:
    return np.array([len(each) not in {0, SPAN_BYTES} for each in ids], dtype=np.bool_)


def _bad_times(moments: np.ndarray[tuple[int], np.dtype[np.uint64]], ground: Ground) -> Mask:
    return (moments < np.uint64(ground.oldest_ns)) | (moments > np.uint64(ground.newest_ns))


def _rows(spans: Sequence[Read], groups: Groups, scope_of: Sequence[int], ground: Ground) -> pa.Table:
    starts = [span.start_time_unix_nano for span in spans]
    ends = np.array([span.end_time_unix_nano for span in spans], dtype=np.uint64)
    attributes = maps(span.attributes for span in spans)
    return ground.table(
        {
            "Timestamp": times(starts),
            "TraceId": identifiers([span.trace_id for span in spans], TRACE_BYTES),
            "SpanId": identifiers([span.span_id for span in spans], SPAN_BYTES),
            "ParentSpanId": identifiers([span.parent_span_id for span in spans], SPAN_BYTES),
            "TraceState": texts([span.trace_state for span in spans]),
            "SpanName": texts([span.name for span in spans]),
            "SpanKind": words([span.kind for span in spans], KINDS),
            **groups.columns(scope_of, whole=False),
            "SpanAttributes": attributes,
            "Duration": pa.array(ends - np.array(starts, dtype=np.uint64)),
            "StatusCode": words([span.status.code for span in spans], STATUSES),
            "StatusMessage": texts([span.status.message for span in spans]),
            "CorrelationId": correlation_ids(attributes, ground.correlation_keys),
            **_events(spans),
            **_links(spans),
        }
    )


def _events(spans: Iterable[Read]) -> dict[str, pa.Array]:
    sets = [span.events for span in spans]
    counts, events = [len(each) for each in sets], [event for each in sets for event in each]
    return {
        "Events.Timestamp": lists(counts, times([event.time_unix_nano for event in events])),
        "Events.Name": lists(counts, texts([event.name for event in events])),
        "Events.Attributes": lists(counts, maps(event.attributes for event in events)),
    }


def _links(spans: Iterable[Read]) -> dict[str, pa.Array]:
    sets = [span.links for span in spans]
    counts, links = [len(each) for each in sets], [link for each in sets for link in each]
    return {
        "Links.TraceId": lists(counts, identifiers([link.trace_id for link in links], TRACE_BYTES)),
        "Links.SpanId": lists(counts, identifiers([link.span_id for link in links], SPAN_BYTES)),
        "Links.TraceState": lists(counts, texts([link.trace_state for link in links])),
        "Links.Attributes": lists(counts, maps(link.attributes for link in links)),
    }
