"""One reader for all who watch the same; it ends with the last of them, and there are not more than the server bears."""

from __future__ import annotations

import threading

import pytest

from middlewatch.frontends.web import readers
from middlewatch.frontends.web.readers import Reader, Readers
from middlewatch.records.errors import Unavailable

SECONDS = 10.0


class Bell(Reader):
    """Has news whenever it is rung."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__(lambda: False)
        self.rung = threading.Semaphore(0)
        self.broken = broken

    def look(self) -> bool:
        if self.broken:
            raise Unavailable("The store does not answer.")
        return self.rung.acquire(timeout=0.01)


def test_all_are_woken_and_whoever_left_is_not() -> None:
    made, here, gone = Readers(lambda: False), threading.Event(), threading.Event()
    with made.watching("a", Bell, here.set) as bell:
        with made.watching("a", Bell, gone.set) as same:
            assert same is bell
        bell.rung.release()
        assert here.wait(SECONDS)
        assert not gone.is_set()
        assert len(made) == 1
    assert bell.ended
    assert len(made) == 0


def test_what_ended_wakes_everybody_and_is_begun_anew_by_whoever_comes_next() -> None:
    made, told = Readers(lambda: False), threading.Event()
    with made.watching("a", lambda: Bell(broken=True), told.set) as broken:
        assert told.wait(SECONDS)
        assert broken.ended
        with made.watching("a", Bell, told.set) as other:
            assert other is not broken
            assert not other.ended


def test_too_many_different_things_are_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MOST_READERS", 1)
    made = Readers(lambda: False)
    with (
        made.watching("a", Bell, lambda: None),
        made.watching("a", Bell, lambda: 1),
        pytest.raises(Unavailable, match="Too many"),
        made.watching("b", Bell, lambda: None),
    ):
        pass
    with made.watching("b", Bell, lambda: None):
        pass
