"""How much more or less often something is there than it was, as a lower bound in log odds.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from middlewatch.tools.baseline import STANDARD_ERRORS, Floats
from middlewatch.tools.timeline import RECENT_BUCKETS, STEP_SECONDS, cumulative

DRIFT_VARIANCE = 0.04
"""Log odds wander by .2 on a healthy system."""
HALF_LIFE_SECONDS = 120.0
OLD_WEIGHT = 0.15
"""The last minutes say most about what is usual now. What is older counts less, and yet it knows the rare things."""
LEAST_UNITS = 2
INDIFFERENT = 0.5
"""Of either outcome, what is counted beforehand where nothing is known of a share (Jeffreys 1946)."""
BOUND_PER_FACTOR = 0.15
"""Nats of a lower bound that a nat of a Bayes factor counts for: the largest of a quiet moment is about a nat, since many are
compared, and the largest bound about .15 nats (`usual_top` of the log agent). So both are as surprising."""
_BLOCK = RECENT_BUCKETS
"""Buckets whose fading sums are made at once: scales between them stay below 2^60, which floats take without loss."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What changed at one onset; every array has shape (keys,)."""

    log_odds: Floats
    """Of presence after the onset against before, in nats; above 0 where it became more frequent."""
    bound: Floats
    """Lower bound of its absolute value; 0 where it is negative or there is too little to compare."""
    before: Floats
    """Share of the units that had it, recent ones counting most."""
    after: Floats


@dataclass(frozen=True, eq=False)
class Presence:
    """Units per key, and how many of them have something; cumulative over the buckets, shape (keys, size + 1)."""

    units: Floats
    present: Floats
    effective: bool = False
    """Whether the weighted units before an onset count for as many as would have the same standard error without weights
    (effective sample size, Kish 1965), or for the sum of their weights."""
    alike: Floats | None = None
    """Of few units: in which share of theirs things like each key's are, shape (keys,). Then chance is larger than any drift, so
    all units before an onset count, and counts are compared by `few_compared`."""

    @classmethod
    def of(cls, units: Floats, present: Floats, *, effective: bool = False, alike: Floats | None = None) -> Self:
        """From counts per bucket.

        Args:
            units: shape (keys, size).
            present: the same shape; more than the units counts as all of them.
            effective: how many the weighted units before an onset count for.
            alike: of few units, in which share of theirs things like each key's are.
        """
        return cls(cumulative(units), cumulative(np.minimum(present, units)), effective, alike)

    def change(self, onset: int, end: int, *, first: int | None = None) -> Change:
        """Compare the buckets ``onset <= i < end`` with those before; `first` as in `against`."""
        return self.against(self, onset, end, first=first)

    def against(self, usual: Self, onset: int, end: int, *, first: int | None = None) -> Change:
        """Compare the buckets ``onset <= i < end`` with what is `usual` before.

        The log odds ratio with half a count added everywhere (Haldane 1956, Anscombe 1956). Counts that vary more between
        buckets than independent units would are divided by that over-dispersion first (effective counts, Rao and Scott 1992).

        Args:
            usual: counts of the same keys, of all units or of some of them.
            onset: the first bucket after.
            end: the bucket after the last.
            first: the earliest onset in question, where there are several: how much counts usually vary is seen before it.
        """
        k1, n1 = (x[:, end] - x[:, onset] for x in (self.present, self.units))
        k0, n0 = usual.before(slice(None), onset)
        log_odds, bound = log_odds_ratio(k0, n0, k1, n1)
        if usual.alike is None:
            likely = np.flatnonzero((bound > 0) & (n1 >= LEAST_UNITS) & (usual.units[:, onset] >= LEAST_UNITS))
        else:
            likely = np.flatnonzero(n1 > 0)
        bound = np.zeros_like(bound)
        log_odds[likely], bound[likely] = usual.compared(likely, onset, k1[likely], n1[likely], first=first)
        tiny = np.finfo(np.float64).tiny
        return Change(log_odds, np.maximum(bound, 0.0), k0 / np.maximum(n0, tiny), k1 / np.maximum(n1, tiny))

    def compared(
        self, keys: NDArray[np.intp], onset: int, present: Floats, units: Floats, *, first: int | None = None
    ) -> tuple[Floats, Floats]:
        """What some keys would show if after the onset `present` of `units` had it; arrays of the shape of `keys`.

        Returns:
            The log odds ratio, and the lower bound of its absolute value; below 0 where there is none.
        """
        share = 1 / self._dispersion(keys, onset if first is None else first)
        k0, n0, k1, n1 = (share * x for x in (*self.before(keys, onset), present, units))
        return log_odds_ratio(k0, n0, k1, n1) if self.alike is None else few_compared(k0, n0, k1, n1, self.alike[keys])

    def before(self, keys: NDArray[np.intp] | slice, onset: int) -> tuple[Floats, Floats]:
        """How many units before the onset have it, and how many there are; shape of `keys`. Recent ones count most, but of few."""
        if self.alike is not None:
            return self.present[keys, onset], self.units[keys, onset]
        present, units = (
            OLD_WEIGHT * sums[keys, onset] + faded[keys, onset]
            for sums, faded in ((self.present, self._faded_present), (self.units, self._faded_units))
        )
        if not self.effective:
            return present, units
        # The sum of (OLD_WEIGHT + w)^2 over the units, where w fades.
        squares = OLD_WEIGHT * (2 * units - OLD_WEIGHT * self.units[keys, onset]) + self._faded_squares[keys, onset]
        scale = units / np.maximum(squares, np.finfo(np.float64).tiny)
        return scale * present, scale * units

    # Kept, because the same is asked at more than a hundred onsets.

    @cached_property
    def _faded_units(self) -> Floats:
        return _faded(self.units, HALF_LIFE_SECONDS)

    @cached_property
    def _faded_present(self) -> Floats:
        return _faded(self.present, HALF_LIFE_SECONDS)

    @cached_property
    def _faded_squares(self) -> Floats:
        return _faded(self.units, HALF_LIFE_SECONDS / 2)

    def _dispersion(self, keys: NDArray[np.intp], onset: int) -> Floats:
        """Variance of the counts between the last hour's buckets over the binomial one, at least 1; shape of `keys`."""
        first = max(0, onset - RECENT_BUCKETS)
        units, present = (np.diff(x[keys, first : onset + 1], axis=1) for x in (self.units, self.present))
        share = ((present.sum(axis=1) + 0.5) / (units.sum(axis=1) + 1))[:, None]
        expected = np.maximum(units * share * (1 - share), np.finfo(np.float64).tiny)
        ratio = np.where(units > 0, (present - units * share) ** 2 / expected, 0.0)
        return np.asarray(np.maximum(1.0, ratio.sum(axis=1) / np.maximum((units > 0).sum(axis=1), 1)), dtype=np.float64)


def _faded(sums: Floats, half_life_seconds: float) -> Floats:
    """What was before each bucket, where each counts half as much for every half-life from its middle on.

    Args:
        sums: cumulative counts, shape (keys, size + 1).
        half_life_seconds: how fast they fade.

    Returns:
        The same shape.
    """
    keys, size = sums.shape[0], sums.shape[1] - 1
    blocks = -(-size // _BLOCK)
    flat = np.zeros((keys, blocks * _BLOCK))
    flat[:, :size] = np.diff(sums, axis=1)
    values = flat.reshape(keys, blocks, _BLOCK)
    step = STEP_SECONDS / half_life_seconds
    values *= 2 ** ((np.arange(_BLOCK) + 0.5) * step)
    np.cumsum(values, axis=2, out=values)
    fading = 2 ** -((np.arange(_BLOCK) + 1) * step)
    values *= fading
    for block in range(1, blocks):
        values[:, block] += values[:, block - 1, -1:] * fading
    return np.concatenate([np.zeros((keys, 1)), flat[:, :size]], axis=1)


def log_odds_ratio(k0: Floats, n0: Floats, k1: Floats, n1: Floats) -> tuple[Floats, Floats]:
    """The log odds ratio and the lower bound of its absolute value."""
    a0, b0, a1, b1 = k0 + 0.5, np.maximum(n0 - k0, 0.0) + 0.5, k1 + 0.5, np.maximum(n1 - k1, 0.0) + 0.5
    log_odds = np.log(a1 / b1) - np.log(a0 / b0)
    return log_odds, np.abs(log_odds) - STANDARD_ERRORS * np.sqrt(1 / a0 + 1 / b0 + 1 / a1 + 1 / b1 + DRIFT_VARIANCE)


def few_compared(k0: Floats, n0: Floats, k1: Floats, n1: Floats, alike: Floats) -> tuple[Floats, Floats]:
    """The log odds ratio of few units, and what it is worth in nats of a lower bound; below 0 where nothing speaks for a change.

    Normal approximations know nothing of one or two units, a Bayes factor does. Drift explains as much as it does of many units.

    Args:
        k0: units before that have it.
        n0: all units before; all arrays are of one shape.
        k1: units after that have it.
        n1: all units after.
        alike: share of units that things like it are present in, between 0 and 1.
    """
    b0, b1 = np.maximum(n0 - k0, 0.0), np.maximum(n1 - k1, 0.0)
    log_odds = np.log((k1 + alike) / (b1 + 1 - alike)) - np.log((k0 + alike) / (b0 + 1 - alike))
    worth = BOUND_PER_FACTOR * bayes_factor(k0, b0, k1, b1, alike)
    return log_odds, np.minimum(worth, np.abs(log_odds) - STANDARD_ERRORS * math.sqrt(DRIFT_VARIANCE))


def bayes_factor(k0: Floats, b0: Floats, k1: Floats, b1: Floats, alike: Floats) -> Floats:
    """How much likelier the units after are if their share is a new one, of which nothing is known, than if it is the usual one.

    Of the usual one is known what the units before show, and as much as one more unit would say: how often things like it are
    present (unit information, Kass and Wasserman 1995). Both are beta-binomial, so the factor is exact for any number of units.

    Args:
        k0: units before that have it.
        b0: units before that do not have it; all arrays are of one shape.
        k1: units after that have it.
        b1: units after that do not have it.
        alike: share of units that things like it are present in, between 0 and 1.

    Returns:
        Its logarithm, in nats.
    """
    indifferent = np.full_like(alike, INDIFFERENT)
    new = _log_beta(k1 + indifferent, b1 + indifferent) - _log_beta(indifferent, indifferent)
    usual = _log_beta(k0 + k1 + alike, b0 + b1 + 1 - alike) - _log_beta(k0 + alike, b0 + 1 - alike)
    return new - usual


def _log_beta(a: Floats, b: Floats) -> Floats:
    """The logarithm of the beta function."""
    pairs = zip(a.tolist(), b.tolist(), strict=True)
    return np.array([math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y) for x, y in pairs], dtype=np.float64)
