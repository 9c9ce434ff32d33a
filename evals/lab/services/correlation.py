"""One id for all that is done about one checkout, through calls, the queue and its batches: an entry of the baggage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import baggage, context, trace

CORRELATION_ID = "correlation.id"
"""The name of the entry, and of the attribute of spans and log records."""


@contextmanager
def correlated(identifier: str) -> Iterator[None]:
    """Everything in the block carries the id, the current span too."""
    trace.get_current_span().set_attribute(CORRELATION_ID, identifier)
    token = context.attach(baggage.set_baggage(CORRELATION_ID, identifier))
    try:
        yield
    finally:
        context.detach(token)


def correlation() -> str:
    """The current id; empty where there is none."""
    found = baggage.get_baggage(CORRELATION_ID)
    return found if isinstance(found, str) else ""


def described() -> dict[str, str]:
    """The current id as an attribute; nothing where there is none."""
    found = correlation()
    return {CORRELATION_ID: found} if found else {}
