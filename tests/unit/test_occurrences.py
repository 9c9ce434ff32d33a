"""Invariants: what many tell of one alert at once is kept, however often others are first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from middlewatch import occurrences
from middlewatch.context_store.occurrences import Change, OccurrenceStore, Part, Written
from middlewatch.context_store.script import Server
from middlewatch.occurrences import Occurrences
from middlewatch.records.errors import Conflict
from tests.alert_data import make_message


class Busy:
    """A store in which somebody else is first, so often."""

    def __init__(self, times: int) -> None:
        self.times = times

    def latest(self, alerts: Sequence[str]) -> tuple[datetime, tuple[None, ...]]:
        return datetime(2026, 3, 1, 12, tzinfo=UTC), tuple(None for _ in alerts)

    def write(self, changes: Sequence[Change], **_: Any) -> Written:
        self.times -= 1
        return Written(tuple(self.times < 0 for _ in changes), 0)


def told(times: int, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(occurrences, "_PAUSE_SECONDS", 0.0)
    kept = Occurrences(cast("Server", None), "default")
    kept.store = cast("OccurrenceStore", Busy(times))
    return len(kept.receive([make_message("fp", service="checkout")]))


def test_forty_others_may_be_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(40, monkeypatch) == 1


def test_there_is_an_end_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Conflict):
        told(10_000, monkeypatch)


def test_many_investigations_are_read_in_pieces_of_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[list[str]] = []

    class Store:
        def counts(self, names: Sequence[str]) -> tuple[int, ...]:
            return tuple({"a": 3, "b": 2, "e": 9}.get(name, 0) for name in names)

        def of_all(self, names: Sequence[str]) -> dict[str, Part]:
            pieces.append(list(names))
            return {name: Part((), 0) for name in names}

    monkeypatch.setattr(occurrences, "MOST_AT_ONCE", 5)
    kept = Occurrences(cast("Server", None), "default")
    kept.store = cast("OccurrenceStore", Store())
    assert kept.of_all(list("abcdef")) == dict.fromkeys("abcdef", ())
    assert pieces == [["a", "b", "c", "d"], ["e"], ["f"]], "one that shows more than is read at once alone"
    assert kept.of_all([]) == {}
