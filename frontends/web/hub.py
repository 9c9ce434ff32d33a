"""One stream of an investigation, read once and shown to all who watch it.

The stream has two parts, the investigation's events and the audit log's, and a cursor is a place in each. Readers that began at
different places may see them interleaved differently, so what a viewer has seen is decided part by part, never by position: that
is why none is lost and none comes twice, whichever way a viewer got what it has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from middlewatch.frontends.web.readers import Reader
from middlewatch.live import Cursor, Update, order_of

KEPT = 512
"""Updates at hand; whoever is further behind reads the store. More than a whole investigation makes (some 60). Chosen."""
LOOK_SECONDS = 1.0
"""One look for news; so soon it ends after its last viewer, and when the server stops."""

End = Callable[[], Cursor]
Since = Callable[[Cursor, float], tuple[Sequence[Update], Cursor]]
"""(place, seconds to wait) -> what came after it, and the place after that: `Live.since` of one investigation."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One update, with what is sent of it to everybody."""

    update: Update
    part: str
    """`event`, or `seq` for one of the audit log."""
    place: Cursor
    """After it."""
    body: bytes


class Hub(Reader):
    """The newest updates, and whoever waits for the next one."""

    def __init__(self, end: End, since: Since, tell: Callable[[Update], bytes], stopping: Callable[[], bool]) -> None:
        """Nothing is read yet.

        Args:
            end: where the stream stands now.
            since: reads it.
            tell: what everybody is sent of an update.
            stopping: whether the server stops.
        """
        super().__init__(stopping)
        self._end = end
        self._since = since
        self._tell = tell
        self._base: Cursor | None = None  # before the oldest that is kept; None before the first look
        self._at = Cursor()
        self._kept: deque[Shown] = deque()
        self._first = 0  # how many were dropped

    def look(self) -> bool:
        if self._base is None:
            self._base = self._at = self._end()
            return True  # whoever read the store before this must look once more
        updates, at = self._since(self._at, LOOK_SECONDS)
        shown = self.shown(updates, self._at)
        with self._lock:
            self._kept.extend(shown)
            while len(self._kept) > KEPT:
                self._base = self._kept.popleft().place
                self._first += 1
        self._at = at
        return bool(shown)

    def caught_up(self, cursor: Cursor) -> tuple[Sequence[Update], Cursor]:
        """What the store has after a place: for whoever is further behind than what is kept."""
        return self._since(cursor, 0.0)

    def after(self, cursor: Cursor, looked: int) -> tuple[list[Shown], int] | None:
        """What is kept of what came after a place.

        Args:
            cursor: the place.
            looked: how far the viewer looked before, as this said then; 0 at first.

        Returns:
            What it has not seen, and how far it has looked now; None where it must ask the store.
        """
        with self._lock:
            base = self._base
            if base is None or not cursor.covers(base):
                return None
            start = max(0, looked - self._first)
            news = [self._kept[place] for place in range(start, len(self._kept))]
            return [one for one in news if _is_new(one, cursor)], self._first + len(self._kept)

    def shown(self, updates: Sequence[Update], before: Cursor) -> list[Shown]:
        """Updates as they are sent, those after a place."""
        found = []
        for update in updates:
            place = Cursor.parse(update.cursor)
            found.append(Shown(update, "event" if place.event != before.event else "seq", place, self._tell(update)))
            before = place
        return found


class Follower:
    """One viewer's way through the stream. `kept` while it can, `stored` where that says nothing."""

    def __init__(self, hub: Hub, cursor: Cursor) -> None:
        self._hub = hub
        self._cursor = cursor
        self._looked = 0
        self._behind = True  # only the store knows what a place stands for that somebody else wrote

    def kept(self) -> list[tuple[Cursor, Shown]] | None:
        """What is new of what the hub has, each with the place after it; None where the store must be asked."""
        found = None if self._behind else self._hub.after(self._cursor, self._looked)
        if found is None:
            return None
        news, self._looked = found
        places = []
        for one in news:
            self._cursor = _moved(self._cursor, one)
            places.append((self._cursor, one))
        return places

    def stored(self) -> list[tuple[Cursor, Shown]]:
        """What the store has after the place."""
        updates, end = self._hub.caught_up(self._cursor)
        shown = self._hub.shown(updates, self._cursor)
        self._cursor, self._looked, self._behind = end, 0, False
        return [(one.place, one) for one in shown]


def _is_new(one: Shown, cursor: Cursor) -> bool:
    """Whether whoever is at a place has not seen it."""
    return not _is_at(one.place.event, cursor.event) if one.part == "event" else one.place.seq > cursor.seq


def _moved(cursor: Cursor, one: Shown) -> Cursor:
    """The place of whoever was at one and has seen this too."""
    return Cursor(one.place.event, cursor.seq) if one.part == "event" else Cursor(cursor.event, one.place.seq)


def _is_at(event: str, other: str) -> bool:
    """Whether an event is another, or was before it."""
    return order_of(event) <= order_of(other)
