"""Whether a change came before the trouble of its service, and how well its effect would have come when the trouble did.

Constants without a source are chosen, not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import numpy as np

from middlewatch.records import Onset, Window
from middlewatch.tools.baseline import Floats

PROMPT_SECONDS = 120.0
"""Mean time to the effect of a change that breaks with its first requests: a roll-out takes a minute or two to take them."""
SLOW_SECONDS = 900.0
"""Mean time to the effect of one that breaks later: leaks, caches, slow roll-outs. A release is commonly watched for a quarter of
an hour. That either kind is as common as the other is chosen, too."""
LATE_SECONDS = 30.0
LATE_SHARE = 0.25
"""So many changes are recorded so long after they took effect: when the roll-out is through, by another clock, in a batch."""
MOST_DENSE = (1 / PROMPT_SECONDS + 1 / SLOW_SECONDS) / 2
"""Per second: how likely an effect comes at once, which is when it is the likeliest."""
MOMENTS = 20
"""Moments that stand for one fact's interval."""


@dataclass(frozen=True, slots=True, eq=False)
class OnsetBelief:
    """When the trouble of one service began, from several facts that need not agree.

    A mixture rather than a compromise: a fact that moved for another reason keeps its share of the belief and no more.
    """

    epoch: datetime
    seconds: Floats
    """Possible onsets, rising, in seconds after the epoch; shape (moments,)."""
    weights: Floats
    """Their probabilities."""
    shown: bool
    """Whether any fact shows it, rather than that it was anywhere."""

    @classmethod
    def of(cls, facts: Sequence[tuple[float, Onset]], within: Window) -> Self:
        """From facts with their strengths.

        An interval with its best estimate is read as a triangular distribution, as is usual where no more is known (Johnson 1997,
        "The triangular distribution as a proxy for the beta distribution in risk analysis").

        Args:
            facts: strength and onset of each.
            within: where the onset is looked for. What lies outside of it is another story; where everything does, or where
                there are no facts, it is anywhere inside.
        """
        parts = [(strength, part) for strength, onset in facts if strength > 0 and (part := _clipped(onset, within)) is not None]
        quantiles = (np.arange(MOMENTS) + 0.5) / MOMENTS
        seconds = [_triangular(quantiles, *((m - within.start).total_seconds() for m in part)) for _, part in parts]
        strengths = [strength for strength, _ in parts]
        if not parts:
            seconds, strengths = [within.seconds * quantiles], [1.0]
        moments = np.concatenate(seconds)
        weights = np.repeat(np.array(strengths) / sum(strengths) / MOMENTS, MOMENTS)
        order = np.argsort(moments, kind="stable")
        return cls(within.start, moments[order], weights[order], bool(parts))

    @property
    def middle(self) -> datetime:
        """The median."""
        index = min(int(np.searchsorted(np.cumsum(self.weights), 0.5)), self.seconds.size - 1)
        return self.epoch + timedelta(seconds=float(self.seconds[index]))

    def precedes(self, change: datetime) -> float:
        """The probability that the trouble began after a change, had it been recorded as late as any."""
        return float(self.weights[self._delays(change, LATE_SECONDS) > 0].sum())

    def density(self, change: datetime) -> float:
        """How likely, per second, the effect of a change comes just when the trouble began; 0 where it cannot.

        The delay is exponential with a mean of 2 min or of 15 min, evenly likely, from the change or from a little before.
        """
        on_time, late = (float(self.weights @ _delay_density(self._delays(change, seconds))) for seconds in (0.0, LATE_SECONDS))
        return (1 - LATE_SHARE) * on_time + LATE_SHARE * late

    def _delays(self, change: datetime, late_seconds: float) -> Floats:
        return np.asarray(self.seconds - (change - self.epoch).total_seconds() + late_seconds, dtype=np.float64)


def _delay_density(seconds: Floats) -> Floats:
    after = np.maximum(seconds, 0.0)
    density = (np.exp(-after / PROMPT_SECONDS) / PROMPT_SECONDS + np.exp(-after / SLOW_SECONDS) / SLOW_SECONDS) / 2
    return np.where(seconds > 0, density, 0.0)


def _clipped(onset: Onset, within: Window) -> tuple[datetime, datetime, datetime] | None:
    """Earliest, likeliest and latest moment inside a window; None where the interval lies outside."""
    earliest, latest = max(onset.earliest, within.start), min(onset.latest, within.end)
    return (earliest, min(max(onset.at, earliest), latest), latest) if earliest < latest else None


def _triangular(quantiles: Floats, low: float, mode: float, high: float) -> Floats:
    share = (mode - low) / (high - low)
    rising = low + np.sqrt(quantiles * (high - low) * (mode - low))
    falling = high - np.sqrt((1 - quantiles) * (high - low) * (high - mode))
    return np.asarray(np.where(quantiles < share, rising, falling), dtype=np.float64)
