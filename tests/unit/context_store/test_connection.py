"""A call is repeated when waiting can help, never when it cannot, and every refusal is one clear line with a remedy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from redis import Redis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,  # noqa: A004  # redis-py's own
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004  # redis-py's own
)

from middlewatch.context_store.connection import client_of, patiently
from middlewatch.records.errors import MiddlewatchError, Misconfigured, StoreFull, StoreUnavailable


@pytest.fixture
def redis() -> Iterator[Redis]:
    client = client_of("unix:///nowhere/redis.sock")
    yield client
    client.close()


def failing(*errors: RedisError) -> Callable[[], str]:
    left = list(errors)

    def operation() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return operation


PASSING = [
    ConnectionError("reset"),
    TimeoutError("slow"),
    BusyLoadingError("loading"),
    ReadOnlyError("a replica now"),
    ResponseError("Error running script: -READONLY You can't write against a read only replica."),
    ResponseError("BUSY Redis is busy running a script."),
]
LASTING: list[tuple[RedisError, type[MiddlewatchError], str]] = [
    (AuthenticationError("invalid password"), StoreUnavailable, "refuses this user"),
    (NoPermissionError("no permission"), StoreUnavailable, "refuses this user"),
    (OutOfMemoryError("command not allowed"), StoreFull, "maxmemory"),
    (ResponseError("Error running script: @user_script: 3: -OOM command not allowed"), StoreFull, "maxmemory"),
    (ResponseError("MISCONF Errors writing to the AOF file"), StoreUnavailable, "Free space"),
    (ResponseError("unknown command"), StoreUnavailable, "6.2 or newer"),
]


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_it_waits_for_what_passes(redis: Redis, error: RedisError) -> None:
    assert patiently(redis, failing(error, error)) == "done"


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_it_gives_up_in_the_end(redis: Redis, error: RedisError) -> None:
    with pytest.raises(StoreUnavailable, match=r"owns the data directory|6\.2 or newer"):
        patiently(redis, failing(*[error] * 1000), patience_seconds=0.05)


@pytest.mark.parametrize(("error", "expected", "words"), LASTING, ids=str)
def test_it_does_not_wait_for_what_stays(
    redis: Redis, error: RedisError, expected: type[MiddlewatchError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(_: float) -> None:
        raise AssertionError("it waited")

    # Not time.sleep itself: threads of this process that watch over servers sleep as well.
    monkeypatch.setattr("middlewatch.context_store.connection.time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    with pytest.raises(expected, match=words):
        patiently(redis, failing(error))


def test_the_client_itself_never_repeats_a_command(redis: Redis) -> None:
    retry = redis.get_retry()
    assert retry is not None
    assert retry._retries == 0


@pytest.mark.parametrize("url", ["", "x", "http://h", "redis://h:notaport/0"])
def test_a_url_that_cannot_be_is_a_setting_to_mend(url: str) -> None:
    with pytest.raises(Misconfigured, match="redis://host:6379/0"):
        client_of(url)
