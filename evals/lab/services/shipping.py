"""The shipping: a worker that packs one accepted order after the other, in the order in which they came."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

import redis
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation
from starlette.routing import BaseRoute

from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services.client import ServiceClient
from middlewatch.evals.lab.services.message_queue import Message, MessageQueue
from middlewatch.evals.lab.services.settings import WatchedSettings

_RETRY_SECONDS = 1.0
_POSTCODES_OF_A_REGION = 10_000

_logger = logging.getLogger(__name__)


class Shipping:
    """One instance of the service. An order that cannot be packed is tried again, and those behind it wait."""

    def __init__(self, folder: RunFolder, version: str) -> None:
        del version  # its versions do the same
        self._settings = WatchedSettings(folder.settings("shipping"))
        self._services = ServiceClient(folder)
        self._queue = MessageQueue(folder.address("queue").read_text(encoding="utf-8"))
        meter = metrics.get_meter(__name__)
        meter.create_observable_gauge("shop.shipping.backlog", callbacks=[self._backlog], unit="{order}")
        meter.create_observable_gauge("shop.shipping.oldest.age", callbacks=[self._age], unit="s")
        self._stop = threading.Event()
        self._worker = threading.Thread(target=self._work, name="shipping", daemon=True)
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
            try:
                message = self._queue.oldest()
            except redis.RedisError:
                _logger.exception("the queue does not answer")
                pause = _RETRY_SECONDS
                continue
            pause = self._settings["poll_ms"] / 1000 if message is None else self._pause_after(message)

    def _pause_after(self, message: Message) -> float:
        """Try to pack an order; the seconds until the next attempt at anything."""
        try:
            with self._queue.processing(message):
                self._pack(message)
                self._queue.done(message)
        except Exception:  # noqa: BLE001 -- logged already; whatever it was, the order is tried again
            return _RETRY_SECONDS
        return 0.0

    def _pack(self, message: Message) -> None:
        order, sku = message.body["order"], message.body["sku"]
        region = int(message.body["postcode"]) // _POSTCODES_OF_A_REGION
        stock = self._services.call("GET", "inventory", "/stock/{sku}", path={"sku": sku})["stock"]
        warehouse = max(stock, key=lambda name: stock[name], default="")
        _logger.info("order %d: %s packed in %s for region %d", order, sku, warehouse, region)

    def _backlog(self, options: CallbackOptions) -> Iterable[Observation]:
        del options
        yield Observation(self._queue.waiting())

    def _age(self, options: CallbackOptions) -> Iterable[Observation]:
        del options
        message = self._queue.oldest()
        yield Observation(0.0 if message is None else time.time() - message.sent_at)
