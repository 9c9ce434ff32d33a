"""How sure a share is that was counted: its interval."""

from __future__ import annotations

import math
from typing import Final

from pydantic import Field

from middlewatch.records import Record

Z_95: Final = 1.96
"""Standard normal quantile of a two-sided 95 % interval."""


class Interval(Record):
    """A 95 % interval."""

    low: float
    high: float


class Share(Record):
    """How many of how many, and what that says of those that are still to come."""

    hits: int = Field(ge=0)
    of: int = Field(ge=0)
    interval: Interval = Field(description="Wilson's, 95 %; 0 to 1 where there is nothing to count")

    @classmethod
    def counted(cls, hits: int, of: int) -> Share:
        """A share with its interval."""
        return cls(hits=hits, of=of, interval=wilson(hits, of))

    @property
    def share(self) -> float | None:
        """Null where there is nothing to count."""
        return self.hits / self.of if self.of else None


def wilson(hits: int, n: int) -> Interval:
    """The 95 % score interval of a share (Wilson 1927); 0 to 1 where there is nothing to count."""
    if not n:
        return Interval(low=0.0, high=1.0)
    share, scale = hits / n, 1 + Z_95**2 / n
    middle = (share + Z_95**2 / (2 * n)) / scale
    half = Z_95 * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n * n)) / scale
    return Interval(low=max(0.0, middle - half) if hits else 0.0, high=min(1.0, middle + half) if hits < n else 1.0)
