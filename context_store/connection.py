"""The way to Redis: how to connect, when to try again, and what to say when it refuses.

redis-py retries ten times by default, with a new request each time; that doubled claims (measured), so its own retries are
off. Here a call is repeated only on a lost connection or a server that is still starting, and always with the same arguments:
every script knows a request that it has seen and gives the same answer again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from middlewatch.records.errors import Misconfigured, StoreFull, StoreUnavailable

T = TypeVar("T")

PATIENCE_SECONDS = 10.0
"""How long a call waits for a server that restarts or fails over; Sentinel's failover takes a few seconds."""

SOCKET_TIMEOUT_SECONDS = 5.0
PROBLEM_FILE = "problem"
"""Beside the socket of an embedded server: one line of why it does not run, written by whoever supervises it."""

_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5
_CODES = re.compile(r"(?:^|-)(OOM|MISCONF|READONLY|BUSY)\b")
_PASSING = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,  # a master that became a replica; the next connection finds the new one
    MasterDownError,
    ClusterDownError,
    TryAgainError,
)


def connect(url: str) -> Redis:
    """A client for a server by URL: ``redis://``, ``rediss://`` (TLS) or ``unix://``. The server is asked for a sign of life.

    Raises:
        Misconfigured: when the URL cannot be understood.
        StoreUnavailable: when no server answers there now, or it refuses.
    """
    redis = client_of(url)
    try:
        patiently(redis, redis.ping, patience_seconds=0.0)
    except BaseException:  # an interrupt too: nobody else would close it
        redis.close()
        raise
    return redis


def client_of(url: str, *, timeout_seconds: float = SOCKET_TIMEOUT_SECONDS) -> Redis:
    """A client for a server that need not run yet. Nothing is sent.

    Raises:
        Misconfigured: when the URL cannot be understood.
    """
    try:
        return Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:  # its text may repeat the password
        raise Misconfigured(
            "The Redis URL cannot be used.", remedy="Write it as redis://host:6379/0, rediss://host:6379/0 or unix:///path."
        ) from None


def patiently(redis: Redis, operation: Callable[[], T], *, patience_seconds: float = PATIENCE_SECONDS) -> T:
    """Run an operation that may be repeated; wait for a server that is away for a moment.

    Raises:
        StoreUnavailable: when the server stays away, or refuses.
        StoreFull: when the server is out of memory.
    """
    deadline = time.monotonic() + patience_seconds
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return operation()
        except RedisError as error:
            if not _passes(error) or time.monotonic() + pause > deadline:
                raise _explained(redis, error) from error
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _passes(error: RedisError) -> bool:
    # AuthenticationError is a ConnectionError in redis-py, and waiting does not mend it.
    return (isinstance(error, _PASSING) and not isinstance(error, AuthenticationError)) or _code(error) in {"READONLY", "BUSY"}


def _code(error: RedisError) -> str:
    """What Redis refuses for; version 6 wraps the code of a command in a script in a sentence."""
    match = _CODES.search(str(error)) if isinstance(error, ResponseError) else None
    return match[1] if match else ""


def _explained(redis: Redis, error: RedisError) -> StoreUnavailable | StoreFull:
    """One clear line for what Redis answered."""
    if isinstance(error, OutOfMemoryError) or _code(error) == "OOM":
        return StoreFull(remedy="Raise Redis' maxmemory, or archive closed investigations sooner.")
    if isinstance(error, AuthenticationError | NoPermissionError):
        return StoreUnavailable(f"Redis refuses this user: {error}.", remedy="Mend the user and password in the Redis URL.")
    if _code(error) == "MISCONF":
        return StoreUnavailable(
            "Redis cannot write to its disk and refuses writes.", remedy="Free space on Redis' disk; work goes on by itself then."
        )
    if _passes(error):
        return StoreUnavailable(f"The context store does not answer: {error}.", remedy=_remedy(redis))
    return StoreUnavailable(f"Redis refuses: {error}.", remedy="middlewatch needs Redis 6.2 or newer, with Lua scripts allowed.")


def _remedy(redis: Redis) -> str:
    pool = getattr(redis, "connection_pool", None)  # a cluster client has none
    path = pool.connection_kwargs.get("path") if pool else None
    if path is None:
        return "Check that Redis runs and that its URL is right."
    try:
        problem = Path(path).with_name(PROBLEM_FILE).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        problem = ""
    return problem or "The process that owns the data directory may have ended; start it again."
