"""Spans of OTLP as rows of `otel_traces`."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from operator import attrgetter
from typing import Final

import pyarrow as pa

from middlewatch.frontends.otlp.columns import (
    SPAN_BYTES,
    TRACE_BYTES,
    Counts,
    Mask,
    all_zero,
    decoded_texts,
    identifiers,
    maps,
    nested,
    times,
    words,
)
from middlewatch.frontends.otlp.correlation import correlation_ids
from middlewatch.frontends.otlp.decoded import Decoded, Ground, Rejected
from middlewatch.frontends.otlp.groups import Groups
from middlewatch.frontends.otlp.messages import Read
from middlewatch.frontends.otlp.wire import Fields, Messages, fixed64, part, varint

Columns = dict[str, pa.Array]

TABLE: Final = "otel_traces"
KINDS: Final = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
STATUSES: Final = ("Unset", "Ok", "Error")
"""As the Collector's ClickHouse exporter writes them."""


class _Span(IntEnum):
    TRACE_ID = part(1)
    SPAN_ID = part(2)
    TRACE_STATE = part(3)
    PARENT_ID = part(4)
    NAME = part(5)
    KIND = varint(6)
    START = fixed64(7)
    END = fixed64(8)
    ATTRIBUTES = part(9)
    EVENTS = part(11)
    LINKS = part(13)
    STATUS = part(15)


class _Event(IntEnum):
    TIME = fixed64(1)
    NAME = part(2)
    ATTRIBUTES = part(3)


class _Link(IntEnum):
    TRACE_ID = part(1)
    SPAN_ID = part(2)
    TRACE_STATE = part(3)
    ATTRIBUTES = part(4)


class _Status(IntEnum):
    MESSAGE = part(2)
    CODE = varint(3)


def decode_traces(request: Read, ground: Ground) -> Decoded:
    """The spans of a request that can be stored, and why others cannot."""
    groups, spans, scope_of = Groups(), list[bytes](), list[int]()
    for number, scope in groups.walk(request.resource_spans, attrgetter("scope_spans")):
        spans += scope.spans
        scope_of += [number] * (len(spans) - len(scope_of))
    rejected = Rejected()
    if not spans:
        return Decoded({}, rejected)
    fields = Messages.of(spans).fields(frozenset(_Span))
    rows = _rows(fields, groups.columns(scope_of, whole=False), ground)
    return Decoded.fitting(TABLE, rows, _fit(fields, ground, rejected), rejected)


def _fit(spans: Fields, ground: Ground, rejected: Rejected) -> Mask:
    """Which spans can be stored."""
    starts, parents = spans.fixed(_Span.START), spans.parts(_Span.PARENT_ID).lengths
    return rejected.fit(
        {
            f"with a trace id that is not {TRACE_BYTES} bytes, not all zero": _bad_ids(spans.parts(_Span.TRACE_ID), TRACE_BYTES),
            f"with a span id that is not {SPAN_BYTES} bytes, not all zero": _bad_ids(spans.parts(_Span.SPAN_ID), SPAN_BYTES),
            f"with a parent's id that is not {SPAN_BYTES} bytes": (parents != 0) & (parents != SPAN_BYTES),
            "that begin at a time of no use (not set, older than 400 days, or ahead by over a day)": ground.have_no_use_for(starts),
            "that end before they begin": spans.fixed(_Span.END) < starts,
        }
    )


def _bad_ids(ids: Messages, width: int) -> Mask:
    bad: Mask = (ids.lengths != width) | all_zero(ids.array(), width)
    return bad


def _rows(spans: Fields, groups: Columns, ground: Ground) -> pa.Table:
    starts = spans.fixed(_Span.START)
    attributes = maps(*spans.several(_Span.ATTRIBUTES))
    status = spans.parts(_Span.STATUS).fields(frozenset(_Status))
    return ground.table(
        {
            "Timestamp": times(starts),
            "TraceId": identifiers(spans.parts(_Span.TRACE_ID), TRACE_BYTES),
            "SpanId": identifiers(spans.parts(_Span.SPAN_ID), SPAN_BYTES),
            "ParentSpanId": identifiers(spans.parts(_Span.PARENT_ID), SPAN_BYTES),
            "TraceState": decoded_texts(spans.parts(_Span.TRACE_STATE)),
            "SpanName": decoded_texts(spans.parts(_Span.NAME)),
            "SpanKind": words(spans.varints(_Span.KIND), KINDS),
            **groups,
            "SpanAttributes": attributes,
            "Duration": pa.array(spans.fixed(_Span.END) - starts),
            "StatusCode": words(status.varints(_Status.CODE), STATUSES),
            "StatusMessage": decoded_texts(status.parts(_Status.MESSAGE)),
            "CorrelationId": correlation_ids(attributes, ground.correlation_keys),
            **_nested("Events", spans.several(_Span.EVENTS), _events, _NO_EVENTS),
            **_nested("Links", spans.several(_Span.LINKS), _links, _NO_LINKS),
        }
    )


def _nested(name: str, several: tuple[Counts, Messages], read: Callable[[Messages], Columns], nothing: Columns) -> Columns:
    counts, messages = several
    return nested(name, counts, read(messages) if len(messages) else nothing)


def _events(messages: Messages) -> Columns:
    events = messages.fields(frozenset(_Event))
    return {
        "Timestamp": times(events.fixed(_Event.TIME)),
        "Name": decoded_texts(events.parts(_Event.NAME)),
        "Attributes": maps(*events.several(_Event.ATTRIBUTES)),
    }


def _links(messages: Messages) -> Columns:
    links = messages.fields(frozenset(_Link))
    return {
        "TraceId": identifiers(links.parts(_Link.TRACE_ID), TRACE_BYTES),
        "SpanId": identifiers(links.parts(_Link.SPAN_ID), SPAN_BYTES),
        "TraceState": decoded_texts(links.parts(_Link.TRACE_STATE)),
        "Attributes": maps(*links.several(_Link.ATTRIBUTES)),
    }


_NO_EVENTS, _NO_LINKS = _events(Messages.of(())), _links(Messages.of(()))
"""Made once: most spans have none, and most requests are small."""
