"""How often the onset that a finding states holds the moment when the fault was really done."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from pydantic import Field

from middlewatch.evals.scoring import Interval, wilson
from middlewatch.records import Onset, Record, UtcDatetime

ROUNDING_SECONDS = 1.0
"""Labels tell whole seconds."""


class Onsets(Record):
    """How well the onsets of right answers agree with the labelled beginnings of the faults."""

    system: str = Field(description="'' for all")
    answers: int = Field(description="right ones about faults whose beginning is known")
    told: int = Field(description="of them, those that state an onset")
    inside: int = Field(description="of them, those whose interval holds the beginning")
    interval: Interval = Field(description="Wilson interval of that share")
    width: float = Field(description="median width of the intervals, in seconds")
    away: float = Field(description="median distance of the best estimate from the beginning, in seconds")
    worst: float = Field(description="how many seconds the worst interval misses by")


def score_onsets(system: str, answers: Sequence[tuple[Onset | None, UtcDatetime]]) -> Onsets | None:
    """Hold onsets against the moments when the faults were really done; None where no answer states one.

    Args:
        system: whose answers they are.
        answers: the stated onset of each, and the labelled beginning.
    """
    told = [(onset, began) for onset, began in answers if onset is not None]
    if not told:
        return None
    inside = sum(_misses_by(onset, began) == 0 for onset, began in told)
    return Onsets(
        system=system,
        answers=len(answers),
        told=len(told),
        inside=inside,
        interval=wilson(inside, len(told)),
        width=statistics.median((onset.latest - onset.earliest).total_seconds() for onset, _ in told),
        away=statistics.median(abs((onset.at - began).total_seconds()) for onset, began in told),
        worst=max(_misses_by(onset, began) for onset, began in told),
    )


def _misses_by(onset: Onset, began: UtcDatetime) -> float:
    """Seconds between the interval and the moment, 0 inside of it."""
    early, late = (onset.earliest - began).total_seconds(), (began - onset.latest).total_seconds()
    return max(0.0, early - ROUNDING_SECONDS, late - ROUNDING_SECONDS)
