"""A real server for the session, an empty store for each test, and no process left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from tests.store_fixtures import long_pauses
from tests.store_fixtures import redis as server

__all__ = ["long_pauses", "no_process_is_left", "redis", "server", "store"]


@pytest.fixture
def redis(server: Redis) -> Redis:
    """An empty server."""
    server.flushall()
    return server


@pytest.fixture
def store(redis: Redis) -> ContextStore:
    """An empty store."""
    return ContextStore(redis, epoch=Epoch(), lease_seconds=30.0)


@pytest.fixture(autouse=True)
def no_process_is_left(server: Redis) -> Iterator[None]:
    """Fails the test that leaves a process running."""
    server.ping()
    before = children()
    yield
    assert children() - before == set()


def children() -> set[str]:
    """Our processes and theirs, as 'pid command'; multiprocessing's own helpers stay for the next test."""
    parents = {int(status.parent.name): _parent(status) for status in Path("/proc").glob("[0-9]*/stat")}
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    commands = {f"{pid} {_command(pid)}" for pid in ours}
    return {command for command in commands if "multiprocessing" not in command and len(command.split()) > 1}


def _parent(status: Path) -> int:
    try:
        return int(status.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
