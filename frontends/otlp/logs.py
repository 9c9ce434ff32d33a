"""Log records of OTLP as rows of `otel_logs`."""

from __future__ import annotations

from enum import IntEnum
from operator import attrgetter
from typing import Final

import numpy as np
import pyarrow as pa

from middlewatch.frontends.otlp.columns import (
    SPAN_BYTES,
    TRACE_BYTES,
    Mask,
    decoded_texts,
    identifiers,
    maps,
    numbers,
    times,
    value_texts,
)
from middlewatch.frontends.otlp.decoded import Decoded, Ground, Rejected
from middlewatch.frontends.otlp.groups import Groups
from middlewatch.frontends.otlp.messages import Read
from middlewatch.frontends.otlp.wire import Fields, Messages, Numbers, fixed32, fixed64, part, varint

TABLE: Final = "otel_logs"
_FLAGS: Final = 0xFF
"""The bits of a record's flags that are the trace's."""
_SEVEREST: Final = 24


class _Record(IntEnum):
    TIME = fixed64(1)
    SEVERITY_NUMBER = varint(2)
    SEVERITY_TEXT = part(3)
    BODY = part(5)
    ATTRIBUTES = part(6)
    FLAGS = fixed32(8)
    TRACE_ID = part(9)
    SPAN_ID = part(10)
    OBSERVED_TIME = fixed64(11)
    EVENT_NAME = part(12)


def decode_logs(request: Read, ground: Ground) -> Decoded:
    """The records of a request that can be stored, and why others cannot."""
    groups, records, scope_of = Groups(), list[bytes](), list[int]()
    for number, scope in groups.walk(request.resource_logs, attrgetter("scope_logs")):
        records += scope.log_records
        scope_of += [number] * (len(records) - len(scope_of))
    rejected = Rejected()
    if not records:
        return Decoded({}, rejected)
    fields = Messages.of(records).fields(frozenset(_Record))
    rows = _rows(fields, groups.columns(scope_of), ground)
    return Decoded.fitting(TABLE, rows, _fit(fields, ground, rejected), rejected)


def _fit(records: Fields, ground: Ground, rejected: Rejected) -> Mask:
    """Which records can be stored."""
    traces, spans = records.parts(_Record.TRACE_ID).lengths, records.parts(_Record.SPAN_ID).lengths
    moments = _moments(records)
    return rejected.fit(
        {
            f"with a trace id that is not {TRACE_BYTES} bytes": (traces != 0) & (traces != TRACE_BYTES),
            f"with a span id that is not {SPAN_BYTES} bytes": (spans != 0) & (spans != SPAN_BYTES),
            "with a time of no use (not set, older than 400 days, or ahead by over a day)": ground.have_no_use_for(moments),
        }
    )


def _moments(records: Fields) -> Numbers:
    """When each happened; where that is not known, when it was seen."""
    moments = records.fixed(_Record.TIME)
    return np.where(moments, moments, records.fixed(_Record.OBSERVED_TIME))


def _rows(records: Fields, groups: dict[str, pa.Array], ground: Ground) -> pa.Table:
    severities = records.varints(_Record.SEVERITY_NUMBER).astype(np.int64)
    return ground.table(
        {
            "Timestamp": times(_moments(records)),
            "TraceId": identifiers(records.parts(_Record.TRACE_ID), TRACE_BYTES),
            "SpanId": identifiers(records.parts(_Record.SPAN_ID), SPAN_BYTES),
            "TraceFlags": numbers(records.fixed(_Record.FLAGS) & np.uint64(_FLAGS), "uint8"),
            "SeverityText": decoded_texts(records.parts(_Record.SEVERITY_TEXT)),
            "SeverityNumber": numbers(np.clip(severities, 0, _SEVEREST), "uint8"),
            "Body": value_texts(records.parts(_Record.BODY)),
            **groups,
            "LogAttributes": maps(*records.several(_Record.ATTRIBUTES)),
            "EventName": decoded_texts(records.parts(_Record.EVENT_NAME)),
        }
    )
