"""Invariants: whoever waits for work is told when it ended, and why, whatever ended it; nothing keeps a process from ending."""

from __future__ import annotations

import threading

import pytest

from middlewatch import working
from middlewatch.records.errors import StaleEpoch, Unavailable
from middlewatch.working import at_work


def dies(problem: BaseException) -> working.Loop:
    def work(_stop: threading.Event) -> None:
        raise problem

    return work


def after(ended: threading.Event, problem: BaseException) -> None:
    assert ended.wait(20)
    raise problem


def waits(stop: threading.Event) -> None:
    stop.wait()


@pytest.mark.parametrize("problem", [StaleEpoch("Newer."), ZeroDivisionError("a mistake"), MemoryError()], ids=repr)
def test_what_ends_the_work_is_seen_and_raised(problem: BaseException) -> None:
    with pytest.raises(type(problem)) as raised, at_work(dies(problem), "test", {"beside": waits}) as ended:
        assert ended.wait(20)
    assert raised.value is problem


def test_it_is_the_reason_of_what_whoever_waited_came_to() -> None:
    waited = Unavailable("Nobody works on it any more.")
    with pytest.raises(StaleEpoch) as raised, at_work(dies(StaleEpoch("Newer.")), "test", {}) as ended:
        after(ended, waited)
    assert raised.value.__cause__ is waited


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), SystemExit(3), ZeroDivisionError()], ids=repr)
def test_what_is_raised_beside_work_that_goes_on_stays(problem: BaseException) -> None:
    with pytest.raises(type(problem)) as raised, at_work(waits, "test", {}):
        raise problem
    assert raised.value is problem


def test_whoever_interrupts_is_told_nothing_else() -> None:
    with pytest.raises(KeyboardInterrupt), at_work(dies(StaleEpoch("Newer.")), "test", {}) as ended:
        after(ended, KeyboardInterrupt())


def test_what_does_not_look_whether_it_is_to_stop_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "ENDING_SECONDS", 0.05)
    enough = threading.Event()
    before = set(threading.enumerate())
    with at_work(waits, "test", {name: lambda _stop: enough.wait(20) for name in ("deaf", "too")}):
        pass
    left = set(threading.enumerate()) - before
    assert {one.name for one in left} == {"middlewatch-deaf", "middlewatch-too"}
    assert all(one.daemon for one in left), "the interpreter does not wait for them either"
    enough.set()
    for one in left:
        one.join(20)
