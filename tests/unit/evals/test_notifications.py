"""Invariant: mails are written in the order of their orders; one that cannot be is never lost, and those behind it wait."""

from __future__ import annotations

import json
import logging
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from middlewatch.evals.lab.changes import FIRST_SETTINGS, FIRST_VERSIONS
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.services import notifications
from middlewatch.evals.lab.services.client import ServiceClient
from middlewatch.evals.lab.services.message_queue import MessageQueue
from middlewatch.evals.lab.services.notifications import Notifications

PATIENCE_SECONDS = 30.0


class Lists:
    """The few commands of Redis that the queue needs, in memory."""

    def __init__(self) -> None:
        self.items: list[str] = []

    def rpush(self, name: str, item: str) -> None:
        del name
        self.items.append(item)

    def lindex(self, name: str, place: int) -> str | None:
        del name
        return self.items[place] if self.items else None

    def lrem(self, name: str, count: int, item: str) -> None:
        del name, count
        self.items.remove(item)

    def llen(self, name: str) -> int:
        del name
        return len(self.items)

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MessageQueue]:
    """A queue in memory, and a catalogue that has one product."""
    lists = Lists()
    monkeypatch.setattr(redis.Redis, "from_url", lambda *_, **__: lists)
    monkeypatch.setattr(ServiceClient, "call", lambda *_, **__: {"name": "a lamp"})
    monkeypatch.setattr(notifications, "_RETRY_SECONDS", 0.01)
    folder = RunFolder(tmp_path)
    folder.create()
    folder.replace(folder.settings("notifications"), json.dumps(FIRST_SETTINGS["notifications"]))
    folder.replace(folder.address("queue"), "redis://nowhere")
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)  # the tests' own files may become large
    with closing(Notifications(folder, FIRST_VERSIONS["notifications"])):
        yield MessageQueue("redis://nowhere")


def order(number: int, postcode: object) -> dict[str, Any]:
    return {"order": number, "sku": "SKU-00001", "postcode": postcode}


def holds(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def test_mails_are_written_in_order(queue: MessageQueue, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for number in range(5):
        queue.send(order(number, "20095"))
    assert holds(lambda: queue.waiting() == 0)
    written = [record.getMessage() for record in caplog.records if "written" in record.getMessage()]
    assert written == [f"order {number}: mail about SKU-00001 written for region 2" for number in range(5)]
    spool = (tmp_path / "volumes" / "notifications").read_text(encoding="utf-8").splitlines()
    assert spool == [f"order {number}: a lamp is on its way to region 2" for number in range(5)]


def test_a_poisoned_order_holds_up_those_behind_it_until_it_is_removed(
    queue: MessageQueue, caplog: pytest.LogCaptureFixture
) -> None:
    queue.send(order(1, "SW1A 1AA"))
    queue.send(order(2, "20095"))
    assert holds(lambda: caplog.text.count("could not be processed and is tried again") >= 3)
    assert "ValueError" in caplog.text
    assert queue.waiting() == 2
    poisoned = queue.oldest()
    assert poisoned is not None
    assert poisoned.body["order"] == 1
    queue.done(poisoned)
    assert holds(lambda: queue.waiting() == 0)
