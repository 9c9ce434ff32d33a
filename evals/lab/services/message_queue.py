"""The queue of accepted orders that wait for their mail: a Redis list, its oldest message first."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import redis
from opentelemetry import context, metrics, trace
from opentelemetry.propagate import extract, inject
from opentelemetry.trace import Link, SpanContext, SpanKind
from redis.backoff import NoBackoff
from redis.retry import Retry

from middlewatch.evals.lab.run_folder import MAILS
from middlewatch.evals.lab.services.correlation import correlation
from middlewatch.evals.lab.services.correlation import described as correlated

_CONVERSATION = "messaging.message.conversation_id"
"""The conventions' name of a message's correlation id."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """What waits in the queue."""

    raw: str
    body: Mapping[str, Any]
    sent_at: float
    """Seconds since the epoch."""
    headers: Mapping[str, str]
    """The sender's trace."""


class MessageQueue:
    """Sends messages, and lets one worker take them in order. A message stays until it is `done`."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, decode_responses=True, socket_timeout=2.0, retry=Retry(NoBackoff(), 0))
        self._tracer = trace.get_tracer(__name__)
        meter = metrics.get_meter(__name__)
        self._sending = meter.create_histogram("messaging.client.operation.duration", unit="s")
        self._processing = meter.create_histogram("messaging.process.duration", unit="s")

    def close(self) -> None:
        self._redis.close()

    def send(self, body: Mapping[str, Any]) -> None:
        """Append a message."""
        started = time.perf_counter()
        described = {**_message(), **correlated()}
        with self._tracer.start_as_current_span(f"send {MAILS}", kind=SpanKind.PRODUCER, attributes=described):
            headers: dict[str, str] = {}
            inject(headers)
            self._redis.rpush(MAILS, json.dumps({"body": body, "sent_at": time.time(), "headers": headers}))
        self._sending.record(time.perf_counter() - started, {"messaging.destination.name": MAILS})

    def oldest(self) -> Message | None:
        """The message whose turn it is; it stays in the queue."""
        raw = cast("str | None", self._redis.lindex(MAILS, 0))
        return None if raw is None else Message(raw, **json.loads(raw))

    def done(self, message: Message) -> None:
        """Remove a message: exactly this one, also where two workers overlap during a deploy."""
        self._redis.lrem(MAILS, 1, message.raw)

    def waiting(self) -> int:
        """How many messages there are."""
        return self._redis.llen(MAILS)

    @contextmanager
    def processing(self, message: Message) -> Iterator[SpanContext]:
        """A span in the sender's trace that also links to the message, and a measurement, around the work on it.

        Failures are logged in the span.
        """
        measured = {"messaging.destination.name": MAILS}
        sent = extract(message.headers)
        token = context.attach(sent)
        started = time.perf_counter()
        try:
            with self._tracer.start_as_current_span(
                f"process {MAILS}",
                kind=SpanKind.CONSUMER,
                attributes={**_message(), **correlated()},
                links=[Link(trace.get_current_span(sent).get_span_context())],
            ) as span:
                try:
                    yield span.get_span_context()
                except Exception:  # of whatever kind: it is logged while the span is open, and goes on
                    _logger.exception("message %s could not be processed and is tried again", json.dumps(message.body))
                    raise
        except Exception as error:  # likewise: its type is what the measurement says, and it goes on
            measured["error.type"] = type(error).__name__
            raise
        finally:
            context.detach(token)
            self._processing.record(time.perf_counter() - started, measured)

    @contextmanager
    def handing_over(self, processed: Sequence[SpanContext]) -> Iterator[None]:
        """A span of its own trace around a batch, with a link to the work on each of its messages."""
        links = [Link(each) for each in processed]
        described: dict[str, str | int] = {"messaging.destination.name": MAILS, "messaging.batch.message_count": len(links)}
        with self._tracer.start_as_current_span(f"settle {MAILS}", kind=SpanKind.CLIENT, attributes=described, links=links):
            yield


def _message() -> dict[str, str]:
    described = {"messaging.system": "redis", "messaging.destination.name": MAILS}
    return described | ({_CONVERSATION: found} if (found := correlation()) else {})
