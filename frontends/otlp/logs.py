"""Log records of OTLP as rows of `otel_logs`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from middlewatch.frontends.otlp.attributes import value_text
from middlewatch.frontends.otlp.columns import SPAN_BYTES, TRACE_BYTES, identifiers, maps, numbers, texts, times
from middlewatch.frontends.otlp.decoded import Decoded, Ground, Rejected
from middlewatch.frontends.otlp.groups import Groups
from middlewatch.frontends.otlp.messages import Read

TABLE: Final = "otel_logs"
_FLAGS: Final = 0xFF
"""The bits of a record's flags that are the trace's."""
_SEVEREST: Final = 24


def decode_logs(request: Read, ground: Ground) -> Decoded:
    """The records of a request that can be stored, and why others cannot."""
    groups, records, scope_of, rejected = Groups(), list[Read](), list[int](), Rejected()
    for resource in request.resource_logs:
        groups.add_resource(resource.resource, resource.schema_url)
        for scope in resource.scope_logs:
            number = groups.add_scope(scope)
            for record in scope.log_records:
                if reason := _unfit(record, ground):
                    rejected.add(reason)
                else:
                    records.append(record)
                    scope_of.append(number)
    return Decoded({TABLE: _rows(records, groups, scope_of, ground)} if records else {}, rejected)


def _unfit(record: Read, ground: Ground) -> str:
    """Why a record cannot be stored; empty where it can."""
    if len(record.trace_id) not in {0, TRACE_BYTES}:
        return f"with a trace id that is not {TRACE_BYTES} bytes"
    if len(record.span_id) not in {0, SPAN_BYTES}:
        return f"with a span id that is not {SPAN_BYTES} bytes"
    if not ground.has_use_for(_moment(record)):
        return "with a time of no use (not set, older than 400 days, or ahead by over a day)"
    return ""


def _moment(record: Read) -> int:
    """When it happened; where that is not known, when it was seen."""
    return int(record.time_unix_nano or record.observed_time_unix_nano)


def _rows(records: Sequence[Read], groups: Groups, scope_of: Sequence[int], ground: Ground) -> pa.Table:
    return ground.table(
        {
            "Timestamp": times([_moment(record) for record in records]),
            "TraceId": identifiers([record.trace_id for record in records], TRACE_BYTES),
            "SpanId": identifiers([record.span_id for record in records], SPAN_BYTES),
            "TraceFlags": numbers([record.flags & _FLAGS for record in records], "uint8"),
            "SeverityText": texts([record.severity_text for record in records]),
            "SeverityNumber": numbers([min(max(record.severity_number, 0), _SEVEREST) for record in records], "uint8"),
            "Body": texts([value_text(record.body) for record in records]),
            **groups.columns(scope_of),
            "LogAttributes": maps(record.attributes for record in records),
            "EventName": texts([record.event_name for record in records]),
        }
    )
