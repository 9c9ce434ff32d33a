"""Invariant: a pool that is closed opens nothing more, and says whether anything still runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from middlewatch.records.errors import SourceUnavailable
from middlewatch.telemetry.clients import Client, Pool
from middlewatch.telemetry.limits import Limits


class FakeClient:
    def __init__(self, closed: list[FakeClient]) -> None:
        self._closed = closed

    def close(self) -> None:
        self._closed.append(self)


@contextmanager
def busy(concurrency: int = 2) -> Iterator[tuple[Pool, threading.Event, list[FakeClient]]]:
    """A pool with one idle client, and one in use until the event is set; and those that are closed."""
    closed: list[FakeClient] = []
    pool = Pool(lambda _: cast("Client", FakeClient(closed)), Limits(concurrency=concurrency), database="")
    begun, enough = threading.Event(), threading.Event()

    def use() -> None:
        with pool.client():
            begun.set()
            enough.wait(20)

    with pool.client():
        user = threading.Thread(target=use)
        user.start()
        assert begun.wait(20)
    try:
        yield pool, enough, closed
    finally:
        enough.set()
        user.join(20)


def test_closing_waits_for_what_is_in_use() -> None:
    with busy() as (pool, enough, closed):
        ended: list[bool] = []
        closing = threading.Thread(target=lambda: ended.append(pool.close(await_seconds=20)))
        closing.start()
        closing.join(0.05)
        assert closing.is_alive()
        assert closed == [], "nothing is closed beside what runs"
        enough.set()
        closing.join(20)
    assert ended == [True]
    assert len(closed) == 2


def test_what_does_not_end_is_said_and_closed_when_it_ends() -> None:
    with busy() as (pool, _, closed):
        assert not pool.close()
        assert len(closed) == 1, "the idle one"
    assert len(closed) == 2


@pytest.mark.parametrize("concurrency", [1, 2])
def test_nobody_gets_a_client_of_a_closed_one(concurrency: int) -> None:
    opened: list[str] = []

    def open_client(database: str) -> Client:
        opened.append(database)
        return cast("Client", FakeClient([]))

    pool = Pool(open_client, Limits(concurrency=concurrency), database="")
    assert pool.close()
    for _ in range(3):
        with pytest.raises(SourceUnavailable), pool.client():
            pass
    assert opened == []
