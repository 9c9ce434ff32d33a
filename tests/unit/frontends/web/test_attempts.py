"""Invariants: whoever fails too often waits, for a minute at most; others do not; what is remembered is bounded."""

from __future__ import annotations

import pytest
from fastapi import HTTPException, Request

from middlewatch.frontends.web import attempts
from middlewatch.frontends.web.attempts import FAILURES, WITHIN_SECONDS, Attempts


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def of(host: str) -> Request:
    return Request({"type": "http", "client": (host, 1)})


def waits(made: Attempts, host: str) -> int:
    """Seconds; 0 where it goes through."""
    try:
        made.check(of(host))
    except HTTPException as limited:
        return int((limited.headers or {})["Retry-After"])
    return 0


def test_one_more_after_each_that_is_a_minute_old() -> None:
    clock = Clock()
    made = Attempts(clock)
    for _ in range(FAILURES):
        assert waits(made, "10.0.0.1") == 0
        made.failed(of("10.0.0.1"))
        clock.now += 1
    assert waits(made, "10.0.0.1") == WITHIN_SECONDS - FAILURES
    clock.now += WITHIN_SECONDS - FAILURES
    assert waits(made, "10.0.0.1") == 0
    made.failed(of("10.0.0.1"))
    assert waits(made, "10.0.0.1") == 1
    clock.now += WITHIN_SECONDS
    assert waits(made, "10.0.0.1") == 0


@pytest.mark.parametrize(
    ("other", "waiting"),
    [("10.0.0.2", False), ("::ffff:10.0.0.1", False), ("testclient", False), ("", False), ("10.0.0.1", True)],
)
def test_it_is_that_address_alone(other: str, waiting: bool) -> None:  # noqa: FBT001  of a table
    made = Attempts(Clock())
    for _ in range(FAILURES):
        made.failed(of("10.0.0.1"))
    assert (waits(made, other) > 0) is waiting


def test_of_ipv6_it_is_the_customer() -> None:
    made = Attempts(Clock())
    for n in range(FAILURES):
        made.failed(of(f"2001:db8:0:1::{n}"))
    assert waits(made, "2001:db8:0:1:ffff::1") > 0
    assert waits(made, "2001:db8:0:2::1") == 0


def test_a_flood_of_addresses_takes_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "REMEMBERED", 10)
    made = Attempts(Clock())
    for n in range(100):
        made.failed(of(f"10.0.0.{n}"))
    assert len(made._failures) == 10


def test_no_address_is_one_as_well() -> None:
    made = Attempts(Clock())
    request = Request({"type": "http", "client": None})
    for _ in range(FAILURES):
        made.failed(request)
    with pytest.raises(HTTPException):
        made.check(request)
