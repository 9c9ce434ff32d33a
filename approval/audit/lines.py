"""A line of the log: an event in its place, as RFC 8785 JSON, with the digest of the line before it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import rfc8785
from pydantic import JsonValue

from middlewatch.context_store.audit import Logged

VERSION = 1
FIELDS = frozenset({"v", "log", "seq", "ts", "tenant", "actor", "event", "obj", "digest", "data", "prev"})
FIRST_PREV = "0" * 64
"""What stands for the line before the first."""
LARGEST_EXACT = 2**53 - 1
"""The largest whole number that RFC 8785 can tell from its neighbours; JSON numbers are doubles there."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def line_of(logged: Logged, *, log: str, prev: str) -> bytes:
    """The line, without the newline that follows it in a file.

    Args:
        logged: the event with its place and time.
        log: the name of the log, the same in all its lines.
        prev: `digest_of_line` of the line before; `FIRST_PREV` for the first.
    """
    event = logged.event
    return rfc8785.dumps(
        {
            "v": VERSION,
            "log": log,
            "seq": logged.seq,
            "ts": timestamp(logged.time_ms),
            "tenant": event.tenant,
            "actor": event.actor,
            "event": event.event,
            "obj": event.obj,
            "digest": event.digest,
            "data": exact(event.data),
            "prev": prev,
        }
    )


def digest_of_line(line: bytes) -> str:
    """SHA-256 of the line's bytes, in hexadecimal."""
    return hashlib.sha256(line).hexdigest()


def timestamp(time_ms: int) -> str:
    """Milliseconds since 1970 in the one form that the log has: `2026-11-21T01:56:00.123Z`."""
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def exact(value: JsonValue) -> JsonValue:
    """The value with whole numbers that RFC 8785 refuses written as text (as RFC 7493 advises), so that every event has a line."""
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_EXACT:
        return str(value)
    return value
