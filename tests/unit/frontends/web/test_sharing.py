"""Invariants: what all see alike is made once for a place, and never shown to whoever asked after something else happened."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier, Event

import pytest

from middlewatch.frontends.web.sharing import LIFE_SECONDS, Shared
from middlewatch.live import Cursor

ONE, TWO = Cursor("1-0", 5), Cursor("2-0", 5)


@pytest.fixture
def numbers() -> Iterator[int]:
    return count()


def test_it_is_made_once_for_all_who_ask_at_a_place_also_while_it_is_made(numbers: Iterator[int]) -> None:
    shared, viewers = Shared[int](), 8
    together, go = Barrier(viewers), Event()

    def make() -> int:
        assert go.wait(5)
        return next(numbers)

    def ask() -> int:
        if together.wait(5) == 0:
            go.set()
        return shared.get("chart", ONE, make)

    with ThreadPoolExecutor(viewers) as pool:
        assert {task.result() for task in [pool.submit(ask) for _ in range(viewers)]} == {0}
    assert shared.get("chart", ONE, make) == 0
    assert shared.get("map", ONE, make) == 1


@pytest.mark.parametrize("later", [TWO, Cursor("1-0", 6), Cursor("1-1", 5), Cursor("10-0", 5)])
def test_after_something_happened_it_is_made_anew(numbers: Iterator[int], later: Cursor) -> None:
    shared = Shared[int]()
    assert shared.get("chart", ONE, lambda: next(numbers)) == 0
    assert shared.get("chart", later, lambda: next(numbers)) == 1
    assert shared.get("chart", ONE, lambda: next(numbers)) == 1, "whoever knows less may see more"
    assert shared.place("chart") == later


def test_places_of_which_neither_is_before_the_other_share_nothing(numbers: Iterator[int]) -> None:
    shared = Shared[int]()
    assert [shared.get("chart", place, lambda: next(numbers)) for place in (Cursor("1-0", 6), Cursor("2-0", 5))] == [0, 1]


def test_it_goes_after_a_while_though_nothing_happened(numbers: Iterator[int]) -> None:
    now = [100.0]
    shared = Shared[int](lambda: now[0])
    shared.get("chart", ONE, lambda: next(numbers))
    now[0] += LIFE_SECONDS
    assert shared.place("chart") is None
    assert shared.get("chart", ONE, lambda: next(numbers)) == 1


def test_what_takes_long_is_waited_for_and_its_life_begins_when_it_is_made(numbers: Iterator[int]) -> None:
    now, begun, go = [100.0], Event(), Event()
    shared = Shared[int](lambda: now[0])

    def make() -> int:
        begun.set()
        assert go.wait(5)
        return next(numbers)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(shared.get, "chart", ONE, make)
        assert begun.wait(5)
        assert shared.get("map", ONE, lambda: -1) == -1
        now[0] += 2 * LIFE_SECONDS
        assert shared.place("map") is None, "what is old goes, though something that was begun before it is not made yet"
        assert shared.place("chart") == ONE, "nobody makes again what is being made"
        go.set()
        assert first.result(5) == 0
    now[0] += LIFE_SECONDS / 2
    assert shared.get("chart", ONE, lambda: next(numbers)) == 0
    now[0] += LIFE_SECONDS / 2
    assert shared.get("chart", ONE, lambda: next(numbers)) == 1


def test_what_cannot_be_made_is_told_and_tried_again(numbers: Iterator[int]) -> None:
    shared = Shared[int]()

    def fail() -> int:
        raise OSError(5, "no telemetry")

    with pytest.raises(OSError, match="no telemetry"):
        shared.get("chart", ONE, fail)
    assert shared.get("chart", ONE, lambda: next(numbers)) == 0
