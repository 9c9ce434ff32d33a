"""A request is sent again while that may help and the time allows for it; a hint is kept, and never by all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.agents.language_model.retrying import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MOST_ATTEMPTS,
    MOST_REFUSED,
    Tally,
    Trouble,
    pause,
    persist,
)
from middlewatch.records import CallOutcome

BUSY = Trouble("busy", CallOutcome.OVERLOADED, again=True)


@dataclass
class Clock:
    """Time that passes only where somebody waits."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def run(self, attempt: Callable[[float], Awaitable[str]], tally: Tally, *, seconds: float, draw: float = 0.5) -> str:
        work = persist(attempt, tally, seconds=seconds, draw=lambda: draw, wait=self.wait, clock=lambda: self.now)
        return asyncio.run(work)


def failing(*troubles: Trouble) -> Callable[[float], Awaitable[str]]:
    left: Iterator[Trouble] = iter(troubles)

    async def attempt(_: float) -> str:
        trouble = next(left, None)
        if trouble is not None:
            raise trouble
        return "answered"

    return attempt


def test_it_is_asked_again_after_longer_and_longer_pauses() -> None:
    clock, tally = Clock(), Tally()
    assert clock.run(failing(BUSY, BUSY, BUSY), tally, seconds=60) == "answered"
    assert (tally.sent, tally.doubtful) == (4, 0)
    assert clock.waits == [0.375, 0.75, 1.5]


def test_it_gives_up_after_so_many() -> None:
    clock, tally = Clock(), Tally()
    with pytest.raises(Trouble, match="busy"):
        clock.run(failing(*[BUSY] * 9), tally, seconds=600)
    assert tally.sent == MOST_ATTEMPTS


def test_where_nobody_listens_it_gives_up_sooner() -> None:
    clock, tally = Clock(), Tally()
    nobody = Trouble("could not be reached", CallOutcome.FAILED, again=True)
    nobody.most = MOST_REFUSED
    with pytest.raises(Trouble, match="reached"):
        clock.run(failing(*[nobody] * 9), tally, seconds=600)
    assert (tally.sent, sum(clock.waits) < 1) == (MOST_REFUSED, True)


def test_what_no_second_request_mends_is_not_asked_again() -> None:
    clock, tally = Clock(), Tally()
    with pytest.raises(Trouble):
        clock.run(failing(Trouble("no key", CallOutcome.FAILED)), tally, seconds=60)
    assert (tally.sent, clock.waits) == (1, [])


def test_nobody_waits_beyond_the_time() -> None:
    clock, tally = Clock(), Tally()
    with pytest.raises(Trouble):
        clock.run(failing(Trouble("busy", CallOutcome.OVERLOADED, again=True, hint=30)), tally, seconds=20)
    assert clock.waits == []


def test_what_may_have_been_billed_is_counted_and_not_sent_again_on_the_same_account() -> None:
    clock, tally = Clock(), Tally()
    with pytest.raises(Trouble, match="dropped"):
        clock.run(failing(BUSY, Trouble("dropped", CallOutcome.FAILED, again=True, billed=True)), tally, seconds=60)
    assert (tally.sent, tally.doubtful) == (2, 1)


def test_a_request_that_never_ended_is_doubtful() -> None:
    tally = Tally()

    async def attempt(_: float) -> str:
        await asyncio.sleep(60)
        return ""

    async def cut() -> None:
        async with asyncio.timeout(0.01):
            await persist(attempt, tally, seconds=60)

    with suppress(TimeoutError):
        asyncio.run(cut())
    assert (tally.sent, tally.doubtful) == (1, 1)


@given(st.integers(1, MOST_ATTEMPTS), st.none() | st.floats(0, 86_400), st.floats(0, 1, exclude_max=True))
def test_pauses(attempt: int, hint: float | None, draw: float) -> None:
    found, least = pause(attempt, hint, draw), pause(attempt, None, draw)
    assert FIRST_PAUSE / 2 <= least <= LONGEST_PAUSE
    assert found == least if hint is None else max(hint, least) <= found <= max(hint * 1.25, least)


def test_whoever_is_told_to_come_at_once_comes_a_little_later_and_not_with_all_others() -> None:
    assert {pause(attempt, 0.0, draw) > 0.2 for attempt in (1, 2, 3) for draw in (0.0, 0.5)} == {True}
    assert pause(1, 0.0, 0.1) != pause(1, 0.0, 0.9)
