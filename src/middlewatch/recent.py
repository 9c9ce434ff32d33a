"""Ids that a shell offers to complete: read from a store that answers now. Nothing is started, owned, made or waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

from redis.exceptions import RedisError

from middlewatch.approval.policy import examine_policy
from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.context_store.connection import client_of
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.keys import tenant_keys
from middlewatch.context_store.occurrences import OccurrenceStore
from middlewatch.context_store.redis_server import RedisServer
from middlewatch.context_store.script import Server
from middlewatch.context_store.scripts import directory
from middlewatch.records.errors import MiddlewatchError
from middlewatch.settings import Settings

TIMEOUT_SECONDS = 0.5
"""A shell that hangs at a tab is worse than one that offers nothing (chosen, not derived)."""
OFFERED = 50
T = TypeVar("T")


def recent_investigations(settings: Settings) -> tuple[str, ...]:
    """The newest ids; none where no store answers."""
    return _seen(settings, lambda server: tuple(directory(server, tenant_keys(settings.tenant), limit=OFFERED)[1]))


def recent_requests(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Ids of requests, the newest and whatever else waits, each with its state; none where no store answers."""

    def look(server: Server) -> tuple[tuple[str, str], ...]:
        store = ApprovalStore(server)
        found = (*store.list(settings.tenant, limit=OFFERED), *store.waiting(settings.tenant)[:OFFERED])
        return tuple({kept.request.id: kept.request.state.value for kept in found}.items())

    return _seen(settings, look)


def recent_alerts(settings: Settings) -> tuple[str, ...]:
    """The newest ids; none where no store answers."""
    return _seen(
        settings,
        lambda server: tuple(row.occurrence.id for row in OccurrenceStore(server, settings.tenant).list(limit=OFFERED).rows),
    )


def known_people(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The principals of the policy, each with their role; none where there is no policy that can be used."""
    try:
        policy, _ = examine_policy(settings.policy_path, actions=None, targets=None)
    except (MiddlewatchError, OSError):
        return ()
    return tuple((one.id, str(one.role)) for one in policy.principals.values() if one.active) if policy else ()


def _seen(settings: Settings, look: Callable[[Server], tuple[T, ...]]) -> tuple[T, ...]:
    """What is seen in the store; nothing where none answers."""
    try:
        with _server(settings) as server:
            return look(server) if server else ()
    except (MiddlewatchError, RedisError, OSError):
        return ()


@contextmanager
def _server(settings: Settings) -> Iterator[Server | None]:
    if settings.redis_url is not None:
        url = str(settings.redis_url)
    elif (settings.data_dir / "redis").is_dir() and RedisServer.socket_in(settings.data_dir / "redis").exists():
        url = RedisServer(settings.data_dir / "redis").url
    else:
        url = ""
    if not url or not settings.epoch_path.exists():
        yield None
        return
    with closing(client_of(url, timeout_seconds=TIMEOUT_SECONDS)) as redis:
        yield Server(redis, Epoch.read(settings.epoch_path))
