"""Invariant: nothing that goes wrong with one look keeps the next from being taken, and the same trouble is told of once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from middlewatch import rounds
from middlewatch.records.errors import MiddlewatchError, StaleEpoch, Unavailable
from middlewatch.rounds import go_round


def looks(*events: Exception | None, stop: threading.Event) -> Callable[[], None]:
    """Steps that go so, one after the other; the last one is the end."""
    left = list(events)

    def step() -> None:
        event = left.pop(0)
        if not left:
            stop.set()
        if event is not None:
            raise event

    return step


def went(caplog: pytest.LogCaptureFixture, *events: Exception | None) -> list[str]:
    """What was told of them."""
    stop = threading.Event()
    with caplog.at_level(logging.WARNING):
        go_round(stop, looks(*events, stop=stop), lambda: 0.0, "nothing is looked at")
    assert stop.is_set(), "every step was taken"
    return [record.getMessage() for record in caplog.records]


def test_a_fault_with_one_look_is_no_reason_for_there_to_be_none_after_it(caplog: pytest.LogCaptureFixture) -> None:
    told = went(caplog, ZeroDivisionError(), Unavailable("The store does not answer."), None)
    assert told == ["nothing is looked at", "nothing is looked at: The store does not answer."]


def test_the_same_trouble_is_told_of_once_until_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    one, other = MiddlewatchError("One."), MiddlewatchError("Other.")
    assert [text[-4:] for text in went(caplog, one, one, other, one, None, one)] == ["One.", "her.", "One.", "One."]


def test_nobody_goes_on_at_an_older_epoch_than_the_store(caplog: pytest.LogCaptureFixture) -> None:
    stop = threading.Event()
    go_round(stop, looks(StaleEpoch("Newer."), None, stop=stop), lambda: 0.0, "nothing is looked at")
    assert not stop.is_set(), "no step was taken after it"
    assert caplog.records == []


def test_who_is_told_to_stop_before_it_began_does_nothing() -> None:
    stop = threading.Event()
    stop.set()
    go_round(stop, looks(ZeroDivisionError(), stop=stop), lambda: 0.0, "nothing is looked at")


def test_a_fault_of_the_time_between_looks_ends_nothing_either(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "AFTER_FAULT_SECONDS", 0.0)
    stop = threading.Event()

    def seconds() -> float:
        raise ZeroDivisionError

    go_round(stop, looks(None, None, stop=stop), seconds, "nothing is looked at")
    assert stop.is_set(), "every step was taken"
    assert [record.getMessage() for record in caplog.records] == ["nothing is looked at"] * 2
