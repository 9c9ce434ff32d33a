"""Which requests are put together where there are more spans than a question may cost.

Putting spans together is the dearest thing that is asked of a store: every span has to find its parent and its children. Whole
requests are left out, by the hash of their trace id, so what is read is read in its context; of older ones more than of recent
ones, since the recent are few and tell what is wrong now, and the older are many and tell what is usual.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from middlewatch.records import Window
from middlewatch.telemetry.clickhouse_reader import NANOSECONDS, nanoseconds

SLOTS: Final = 65_536
"""Requests fall into so many slots by the hash of their trace id: the upper 16 bits of a span's key. A sample is the first few."""
RECENT_SECONDS: Final = 3600
"""Half of the spans that may be read are of this time before the end of the window."""


@dataclass(frozen=True, slots=True)
class SpanSample:
    """The slots that are read."""

    window: Window
    recent: int
    """When the recent requests begin, in nanoseconds since 1970; a whole number of steps after the window's start."""
    kept_recent: int = SLOTS
    kept_older: int = SLOTS
    most: int = 0

    @classmethod
    def everything(cls, window: Window, step: int) -> Self:
        """All requests of a window that is asked about in steps of so many nanoseconds."""
        start, end = nanoseconds(window.start), nanoseconds(window.end)
        recent = start + max(0, -(-(end - RECENT_SECONDS * NANOSECONDS - start) // step)) * step
        return cls(window, recent)

    def of(self, older: int, recent: int, most: int) -> SpanSample:
        """What of it to read.

        Args:
            older: spans before `recent`.
            recent: spans from then on.
            most: spans that may be read, about.
        """
        if older + recent <= most:
            return self
        kept_recent = _slots(most // 2, recent)
        kept_older = min(kept_recent, _slots(most - min(recent, most // 2), older))
        return SpanSample(self.window, self.recent, kept_recent, kept_older, most)

    @property
    def parameters(self) -> dict[str, int]:
        """As the statements take it."""
        return {"recent": self.recent, "kept_recent": self.kept_recent, "kept_older": self.kept_older}

    @property
    def bound(self) -> str:
        """In words what was left out; empty where nothing was."""
        if not self.most:
            return ""
        begins = self.window.start + timedelta(microseconds=(self.recent - nanoseconds(self.window.start)) // 1000)
        parts = [f"{self.kept_older / SLOTS:.0%} of the requests before {begins:%H:%M} UTC"]
        if self.kept_recent < SLOTS:
            parts.append(f"{self.kept_recent / SLOTS:.0%} of those after it")
        return f"{' and '.join(parts)} were read and counted for all of them, to stay within {self.most:,} spans"


def _slots(wanted: int, there: int) -> int:
    return max(1, min(SLOTS, SLOTS * wanted // max(1, there)))
