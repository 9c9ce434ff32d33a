"""Whether a change came before the trouble of its service, and how well its effect would have come when the trouble did.

Constants without a source are chosen, not measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import numpy as np

from middlewatch.records import Onset, Window
from middlewatch.tools.baseline import Floats

IMMEDIATE_SECONDS = 15.0
"""Mean time to the effect of a change that acts at once: a setting, a flag, a process that is replaced."""
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

    A mixture rather than a compromise: a fact that moved for another reason keeps its share of the belief and no more. But what is
    known in steps of a quarter of a minute says no more than what is known to the second, where the two agree.
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
        found = [(strength, onset) for strength, onset in facts if strength > 0]
        parts = [(share, part) for share, onset in _sharpened(found) if (part := _clipped(onset, within)) is not None]
        quantiles = (np.arange(MOMENTS) + 0.5) / MOMENTS
        seconds = [_triangular(quantiles, *((m - within.start).total_seconds() for m in part)) for _, part in parts]
        shares = [share for share, _ in parts]
        if not parts:
            seconds, shares = [within.seconds * quantiles], [1.0]
        moments = np.concatenate(seconds)
        weights = np.repeat(np.array(shares) / sum(shares) / MOMENTS, MOMENTS)
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
        return self._density(change, (PROMPT_SECONDS, SLOW_SECONDS))

    def sharp_density(self, change: datetime) -> float:
        """The same of changes whose effects are spread over all scales, evenly from 15 s over 2 min to 15 min.

        It tells changes of one service apart, where what is common to all of them is of no account.
        """
        return self._density(change, (IMMEDIATE_SECONDS, PROMPT_SECONDS, SLOW_SECONDS))

    def _density(self, change: datetime, means: Sequence[float]) -> float:
        on_time, late = (
            float(self.weights @ _delay_density(self._delays(change, seconds), means)) for seconds in (0.0, LATE_SECONDS)
        )
        return (1 - LATE_SHARE) * on_time + LATE_SHARE * late

    def _delays(self, change: datetime, late_seconds: float) -> Floats:
        return np.asarray(self.seconds - (change - self.epoch).total_seconds() + late_seconds, dtype=np.float64)


def _delay_density(seconds: Floats, means: Sequence[float]) -> Floats:
    """Of an even mixture of exponential distributions."""
    after = np.maximum(seconds, 0.0)
    density = np.mean([np.exp(-after / mean) / mean for mean in means], axis=0)
    return np.where(seconds > 0, density, 0.0)


def _clipped(onset: Onset, within: Window) -> tuple[datetime, datetime, datetime] | None:
    """Earliest, likeliest and latest moment inside a window; None where the interval lies outside."""
    earliest, latest = max(onset.earliest, within.start), min(onset.latest, within.end)
    return (earliest, min(max(onset.at, earliest), latest), latest) if earliest < latest else None


def _sharpened(facts: Sequence[tuple[float, Onset]]) -> list[tuple[float, Onset]]:
    """The shares of the belief, in nats, where facts that are known more finely stand in for those that they lie within.

    What a fact of s nats shows is no chance with probability ``1 - exp(-s)``; so a coarse fact keeps ``exp(-S)`` of its strength, S
    being the strengths of all narrower facts inside it, and they get the rest in proportion to theirs.
    """
    by_length = sorted(facts, key=lambda fact: fact[1].latest - fact[1].earliest)
    shares = np.zeros((len(facts), len(facts)))  # of each fact's strength (rows), what each interval gets
    for row, (_, onset) in enumerate(by_length):
        inside = np.array([strength if _narrower(one, onset) else 0.0 for strength, one in by_length[:row]])
        total = float(inside.sum())
        if total > 0:
            shares[row] = -math.expm1(-total) * (inside / total) @ shares[:row]
        shares[row, row] = math.exp(-total)
    weights = np.array([strength for strength, _ in by_length]) @ shares
    return [(float(weight), onset) for weight, (_, onset) in zip(weights, by_length, strict=True)]


def _narrower(one: Onset, other: Onset) -> bool:
    """Whether an interval lies inside another one and is not the same."""
    return (
        other.earliest <= one.earliest
        and one.latest <= other.latest
        and (one.earliest, one.latest) != (other.earliest, other.latest)
    )


def _triangular(quantiles: Floats, low: float, mode: float, high: float) -> Floats:
    share = (mode - low) / (high - low)
    rising = low + np.sqrt(quantiles * (high - low) * (mode - low))
    falling = high - np.sqrt((1 - quantiles) * (high - low) * (high - mode))
    return np.asarray(np.where(quantiles < share, rising, falling), dtype=np.float64)
