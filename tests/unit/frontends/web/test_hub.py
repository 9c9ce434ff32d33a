"""Each viewer sees every update once, in the order of its part: late, slow, cut off and back, from the hub or from the store."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.frontends.web import hub as hub_module
from middlewatch.frontends.web.hub import Follower, Hub
from middlewatch.live import Cursor, Update

AT = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
KEPT = 4
"""Few, so that viewers fall behind."""


class Stream:
    """What `Live.since` reads: two parts, each in order; between them the order depends on when somebody looked."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.log: list[bool] = []
        """Whether each row of the log is about this investigation."""

    def end(self) -> Cursor:
        return Cursor(self.events[-1] if self.events else "", len(self.log))

    def since(self, cursor: Cursor, _seconds: float) -> tuple[tuple[Update, ...], Cursor]:
        seq = min(cursor.seq, len(self.log))
        updates, at = [], Cursor(cursor.event, seq)
        for row in range(seq, len(self.log)):
            if self.log[row]:
                at = Cursor(at.event, row + 1)
                updates.append(self._update(at))
        if not updates:
            at = Cursor(at.event, len(self.log))
        place = self.events.index(cursor.event) + 1 if cursor.event else 0
        for event in self.events[place:]:
            at = Cursor(event, at.seq)
            updates.append(self._update(at))
        return tuple(updates), at

    def _update(self, at: Cursor) -> Update:
        return Update(cursor=str(at), at=AT, kind="happened")


class Viewer:
    """Does what a connection does, a step at a time, and forgets everything but the last id when it is cut off."""

    def __init__(self, hub: Hub, at: Cursor) -> None:
        self.hub, self.first = hub, at
        self.events: list[str] = []
        self.rows: list[int] = []
        self.return_at(at)

    def return_at(self, cursor: Cursor) -> None:
        self.kept, self.follower = cursor, Follower(self.hub, cursor)

    def step(self) -> bool:
        """Whether anything came."""
        news = self.follower.kept()
        asked = news is None
        for place, one in self.follower.stored() if news is None else news:
            self.see(one.part, place)
        return asked or bool(news)

    def see(self, part: str, place: Cursor) -> None:
        self.kept = place  # the id of what a browser saw last
        if part == "event":
            self.events.append(place.event)
        else:
            self.rows.append(place.seq - 1)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("event")),
        st.tuples(st.just("log"), st.booleans()),
        st.tuples(st.just("hub")),
        st.tuples(st.just("burst"), st.booleans()),
        st.tuples(st.just("join")),
        st.tuples(st.just("look"), st.integers(0, 4)),
        st.tuples(st.just("cut"), st.integers(0, 4)),
        st.tuples(st.just("first"), st.booleans()),
    ),
    max_size=60,
)


@pytest.fixture(autouse=True, scope="module")
def _few() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub_module, "KEPT", KEPT)
        yield


@given(STEPS)
def test_each_viewer_sees_every_update_once_and_in_order(steps: list[tuple[object, ...]]) -> None:  # noqa: C901, PLR0912  a case for each step
    stream, viewers = Stream(), list[Viewer]()
    hub = Hub(stream.end, stream.since, lambda update: update.cursor.encode(), lambda: False)
    for step in steps:
        match step:
            case ("event",):
                stream.events.append(f"{len(stream.events) + 9}-0")
            case ("log", bool(about)):
                stream.log.append(about)
            case ("burst", bool(followed)):
                for _ in range(KEPT + 2):
                    stream.events.append(f"{len(stream.events) + 9}-0")
                    hub.look()
                    moves = [viewer.step() for viewer in viewers if followed]
                    assert all(moves)
            case ("hub",):
                hub.look()
            case ("join",):
                viewers.append(Viewer(hub, stream.end()))
            case ("first", bool()):
                viewers.append(Viewer(hub, Cursor()))
            case ("look", int(which)) if viewers:
                viewers[which % len(viewers)].step()
            case ("cut", int(which)) if viewers:
                viewer = viewers[which % len(viewers)]
                viewer.return_at(viewer.kept)
    for _ in range(3):
        hub.look()
    for viewer in viewers:
        for _ in range(3):
            viewer.step()
        assert not viewer.step(), "the hub has everything now"
        begun = stream.events.index(viewer.first.event) + 1 if viewer.first.event else 0
        assert viewer.events == stream.events[begun:]
        assert viewer.rows == [row for row, about in enumerate(stream.log) if about and row >= viewer.first.seq]


def test_a_place_beyond_the_log_stands_for_its_end() -> None:
    stream = Stream()
    hub = Hub(stream.end, stream.since, lambda _: b"", lambda: False)
    viewer = Viewer(hub, Cursor("", 10**9))
    hub.look()
    viewer.step()
    stream.log.append(True)
    hub.look()
    viewer.step()
    assert viewer.rows == [0]


def test_what_everybody_sees_is_read_and_told_once() -> None:
    stream, told = Stream(), list[str]()

    def tell(update: Update) -> bytes:
        told.append(update.cursor)
        return b""

    hub = Hub(stream.end, stream.since, tell, lambda: False)
    viewers = [Viewer(hub, Cursor()) for _ in range(5)]
    hub.look()
    for viewer in viewers:
        viewer.step()
    stream.events.append("9-0")
    hub.look()
    for viewer in viewers:
        viewer.step()
    assert told == ["9-0.0"]
    assert [viewer.events for viewer in viewers] == [["9-0"]] * 5
