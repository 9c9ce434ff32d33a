"""Freezes and maintenance: when forward changes of a target may not begin, exact through changes of daylight saving time.

A window is written in the local time of a named zone. Where a clock shows a time twice, or never, the reading that freezes longer
holds: a freeze begins with the first instant that is at or past its beginning and ends with the last one before its end; for a
maintenance window, which lets changes run in a freeze, it is the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from middlewatch.records import Record, UtcDatetime

HORIZONS_DAYS = (9, 70, 800)
"""How far a beginning or an end is looked for, nearest first: a week and its ends; then past maintenance of a month; then past two
windows of the longest kind. Chosen, not derived."""
LONGEST_DAYS = 366
"""Of a window with dates: a longer one is a mistake in a year."""
_DAY = timedelta(days=1)

Span = tuple[datetime, datetime]
"""Half-open, in UTC."""


class Freeze(Record):
    """A freeze that is on for a target."""

    name: str
    reason: str
    ends_at: UtcDatetime
    """When no freeze is on for the target any more, whichever window ends then; at most `HORIZONS_DAYS` ahead."""


@dataclass(frozen=True, slots=True)
class Window:
    """One freeze or maintenance window of the policy file."""

    name: str
    reason: str
    zone: ZoneInfo
    targets: frozenset[str] | None
    """By their exact names; None for every target."""
    begins: datetime | time
    ends: datetime | time
    """In the zone's local time. Times of the day are for weekly windows; an end that is not after the beginning is a day later."""
    days: frozenset[int] = frozenset()
    """On which weekly ones begin; 0 is Monday."""

    def binds(self, target: str) -> bool:
        return self.targets is None or target in self.targets

    def spans(self, since: datetime, until: datetime, *, wide: bool) -> Iterator[Span]:
        """Every time that it is on, as far as it can touch the time asked for.

        Args:
            since: in UTC.
            until: in UTC.
            wide: whether the longer reading holds where a clock shows a time twice or never.
        """
        for begin, end in self._walls(since, until):
            first, last = instants(begin, self.zone), instants(end, self.zone)
            span = (first[0], last[1]) if wide else (first[1], last[0])
            if span[0] < span[1]:
                yield span

    def _walls(self, since: datetime, until: datetime) -> Iterator[Span]:
        if isinstance(self.begins, datetime) and isinstance(self.ends, datetime):
            yield self.begins, self.ends
            return
        assert isinstance(self.begins, time)  # noqa: S101  the loader lets nothing else through
        assert isinstance(self.ends, time)  # noqa: S101  likewise
        overnight = _DAY if self.ends <= self.begins else timedelta()
        for day in _days(since.astimezone(self.zone).date() - 2 * _DAY, until.astimezone(self.zone).date() + 2 * _DAY):
            if day.weekday() in self.days:
                yield datetime.combine(day, self.begins), datetime.combine(day + overnight, self.ends)


@dataclass(frozen=True, slots=True)
class Calendar:
    """All windows of a policy."""

    freezes: Sequence[Window] = ()
    maintenance: Sequence[Window] = ()

    def on(self, target: str, at: datetime) -> Window | None:
        """The freeze that is on for a target, the first of the file where there are several; none in a maintenance window of it."""
        if any(_on(window, at, wide=False) for window in self.maintenance if window.binds(target)):
            return None
        return next((window for window in self.freezes if window.binds(target) and _on(window, at, wide=True)), None)

    def freeze(self, target: str, at: datetime) -> Freeze | None:
        """The freeze that is on for a target, and when it ends."""
        if (window := self.on(target, at)) is None:
            return None
        ends_at = self._turn(target, at, frozen=False) or at + timedelta(days=HORIZONS_DAYS[-1])
        return Freeze(name=window.name, reason=window.reason, ends_at=ends_at)

    def next_freeze(self, target: str, after: datetime) -> datetime | None:
        """The first instant from `after` on at which a freeze is on for a target: `after` itself where one is on then.

        The end of a maintenance window counts where a freeze is on by then.
        """
        return after if self.on(target, after) else self._turn(target, after, frozen=True)

    def _turn(self, target: str, at: datetime, *, frozen: bool) -> datetime | None:
        """The first instant after `at` at which the target is frozen, or not; None where there is none within `HORIZONS_DAYS`."""
        freezes = [window for window in self.freezes if window.binds(target)]
        maintenance = [window for window in self.maintenance if window.binds(target)]
        if not freezes:
            return None
        for days in HORIZONS_DAYS:
            until = at + timedelta(days=days)
            on = [span for window in freezes for span in window.spans(at, until, wide=True)]
            let = [span for window in maintenance for span in window.spans(at, until, wide=False)]
            for moment in sorted({moment for span in (*on, *let) for moment in span if at < moment <= until}):
                if (_inside(on, moment) and not _inside(let, moment)) is frozen:
                    return moment
        return None


def instants(wall: datetime, zone: ZoneInfo) -> Span:
    """The first instant at which clocks show a local time or a later one, and the last before which they show an earlier one.

    They differ where clocks are put back and show the time twice. Where they are put forward past it, both are the moment of that.

    Args:
        wall: a local time, without a zone.
        zone: the zone.

    Returns:
        Two instants in UTC.
    """
    first, last = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if _wall(first, zone) == wall:
        return first, last
    before, after = int(first.timestamp()), int(last.timestamp()) + 1
    while after - before > 1:  # the clocks jump in between, at a whole second
        middle = (before + after) // 2
        if _wall(datetime.fromtimestamp(middle, UTC), zone) < wall:
            before = middle
        else:
            after = middle
    jump = datetime.fromtimestamp(after, UTC)
    return jump, jump


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _on(window: Window, at: datetime, *, wide: bool) -> bool:
    return _inside(list(window.spans(at, at, wide=wide)), at)


def _inside(spans: Sequence[Span], moment: datetime) -> bool:
    return any(begin <= moment < end for begin, end in spans)
