"""How bad an incident is, and how soon somebody has to be there."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class Severity(StrEnum):
    """From the worst on. What it follows from is said beside it, never the number alone."""

    SEV_1 = "SEV-1"
    SEV_2 = "SEV-2"
    SEV_3 = "SEV-3"
    SEV_4 = "SEV-4"

    @property
    def response(self) -> timedelta:
        """Within which somebody must have acknowledged it (the owner's figures)."""
        return _RESPONSE[self]

    @property
    def level(self) -> int:
        """1 is the worst."""
        return int(self.value[-1])

    @classmethod
    def of_level(cls, level: float) -> Severity:
        """The nearest one; levels beyond either end are the last one there."""
        return tuple(cls)[min(4, max(1, round(level))) - 1]


_RESPONSE = {
    Severity.SEV_1: timedelta(minutes=15),
    Severity.SEV_2: timedelta(minutes=30),
    Severity.SEV_3: timedelta(hours=4),
    Severity.SEV_4: timedelta(weeks=1),
}
