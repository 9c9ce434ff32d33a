"""The one time axis of a page: where a moment lies on it, in per cent, and where its ticks are.

Pictures are SVG with lengths in per cent, which a strict content security policy leaves alone and which need no script.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from middlewatch.records import Window

_STEPS = (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_MINUTE, _DAY = 60, 86400
_MOST_TICKS = 9
"""As many clock times as stand side by side on the narrowest chart without touching."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A clock time on the axis."""

    left: float
    words: str


@dataclass(frozen=True, slots=True)
class Axis:
    """A span of time, drawn from left to right."""

    window: Window

    def left(self, moment: datetime) -> float:
        """Where a moment lies, in per cent; at an edge where it lies beyond."""
        share = (moment - self.window.start) / (self.window.end - self.window.start)
        return round(100 * min(1.0, max(0.0, share)), 2)

    def holds(self, moment: datetime) -> bool:
        """Whether it lies on the axis."""
        return self.window.start <= moment <= self.window.end

    def ticks(self) -> tuple[Tick, ...]:
        """Round times, few enough to read."""
        seconds = self.window.seconds
        days = _STEPS[-1] * -(-int(seconds) // (_STEPS[-1] * _MOST_TICKS))
        step = next((size for size in _STEPS if seconds / size <= _MOST_TICKS), days)
        first = -(-int(self.window.start.timestamp()) // step) * step
        times = (datetime.fromtimestamp(at, tz=UTC) for at in range(first, int(self.window.end.timestamp()) + 1, step))
        form = "%H:%M:%S" if step < _MINUTE else "%H:%M" if seconds < _DAY else "%d %b %H:%M" if step < _DAY else "%d %b"
        return tuple(Tick(self.left(at), f"{at:{form}}") for at in times)


def around(moments: list[datetime], *, least_seconds: float = 300.0) -> Axis:
    """An axis that holds all moments, with an eighth of it free on the left and a little on the right."""
    first, last = min(moments), max(moments)
    length = max((last - first).total_seconds(), least_seconds)
    return Axis(Window(start=last - timedelta(seconds=length * 9 / 8), end=last + timedelta(seconds=length / 50)))
