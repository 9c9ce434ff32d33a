"""The notifications: a worker that writes a mail for one accepted order after the other, in the order in which they came."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

import redis
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.trace import SpanContext
from starlette.routing import BaseRoute

from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services.client import ServiceClient
from middlewatch.evals.lab.services.message_queue import Message, MessageQueue
from middlewatch.evals.lab.services.settings import WatchedSettings
from middlewatch.evals.lab.services.volume import Volume

_RETRY_SECONDS = 1.0
_POSTCODES_OF_A_REGION = 10_000
_BATCH_SECONDS = 2.0
"""How often the written mails are handed over together."""

_logger = logging.getLogger(__name__)


class Notifications:
    """One instance of the service. A mail that cannot be written is tried again, and those behind it wait."""

    def __init__(self, folder: RunFolder, version: str) -> None:
        del version  # its versions do the same
        self._settings = WatchedSettings(folder.settings("notifications"))
        self._services = ServiceClient(folder)
        self._queue = MessageQueue(folder.address("queue").read_text(encoding="utf-8"))
        self._spool = Volume(folder.volume("notifications"))
        self._written: list[SpanContext] = []
        self._handed_over = time.monotonic()
        meter = metrics.get_meter(__name__)
        meter.create_observable_gauge("shop.mails.backlog", callbacks=[self._backlog], unit="{mail}")
        meter.create_observable_gauge("shop.mails.oldest.age", callbacks=[self._age], unit="s")
        self._stop = threading.Event()
        self._worker = threading.Thread(target=self._work, name="notifications", daemon=True)
        self._worker.start()

    def close(self) -> None:
        self._stop.set()
        self._worker.join()
        self._services.close()
        self._queue.close()

    def routes(self) -> list[BaseRoute]:
        return []

    def _work(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            self._hand_over()
            try:
                message = self._queue.oldest()
            except redis.RedisError:
                _logger.exception("the queue does not answer")
                pause = _RETRY_SECONDS
                continue
            pause = self._settings["poll_ms"] / 1000 if message is None else self._pause_after(message)

    def _pause_after(self, message: Message) -> float:
        """Try to write a mail; the seconds until the next attempt at anything."""
        try:
            with self._queue.processing(message) as span:
                self._write(message)
                self._queue.done(message)
        except Exception:  # noqa: BLE001 -- logged already; whatever it was, the mail is tried again
            return _RETRY_SECONDS
        self._written.append(span)
        return 0.0

    def _write(self, message: Message) -> None:
        order, sku = message.body["order"], message.body["sku"]
        region = int(message.body["postcode"]) // _POSTCODES_OF_A_REGION
        name = self._services.call("GET", "catalogue", "/products/{sku}", path={"sku": sku})["name"]
        self._spool.append(f"order {order}: {name} is on its way to region {region}")
        _logger.info("order %d: mail about %s written for region %d", order, sku, region)

    def _hand_over(self) -> None:
        if self._written and time.monotonic() - self._handed_over > _BATCH_SECONDS:
            with self._queue.handing_over(self._written):
                _logger.info("handed %d mails over", len(self._written))
            self._written, self._handed_over = [], time.monotonic()

    def _backlog(self, options: CallbackOptions) -> Iterable[Observation]:
        del options
        yield Observation(self._queue.waiting())

    def _age(self, options: CallbackOptions) -> Iterable[Observation]:
        del options
        message = self._queue.oldest()
        yield Observation(0.0 if message is None else time.time() - message.sent_at)
