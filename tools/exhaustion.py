"""What fills steadily, and when it is full at this rate: disks, memory, pools of connections, file descriptors.

The slope is Theil's and Sen's, the median of the slopes between all pairs of points, with Sen's interval (P. K. Sen, Journal of the
American Statistical Association 63, 1968). Neighbouring samples are alike, so its variance is widened as if there were fewer of
them (K. H. Hamed and A. R. Rao, Journal of Hydrology 204, 1998, with the first lag alone).
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST_POINTS: Final = 20
"""Of which a slope is taken; chosen, as are all that follow without a source."""
FEWEST_FREE_POINTS: Final = 5.0
"""What the points must be worth where each is like the one before."""
Z: Final = 1.959964
"""The normal quantile of an interval of 95 %."""
LEAST_GROWTH: Final = 0.02
"""Of the limit, in the time looked at: less is no news, however certain."""
LONGEST_AHEAD: Final = 4.0
"""No further ahead than so many times what was seen."""
STEADY_SHARE: Final = 0.25
"""Each half must rise at this share of the whole rate at least: a jump is no trend."""
LEAST_SHARE_COVERED: Final = 0.75
"""Of the time looked at, from the first sample to the last."""
SAME_SHAPE: Final = 0.5
"""Where the day before rose by at least this share of it, and today stands no higher than by the rest, it is the hour's."""


class Filling(NamedTuple):
    """A share of a limit that rises steadily. Hours are from the last sample on."""

    share: float
    """By the line, at the last sample."""
    per_hour: float
    hours: float
    earliest_hours: float
    latest_hours: float


def filling(hours: Floats, shares: Floats, looked_at_hours: float, earlier: tuple[Floats, Floats] | None = None) -> Filling | None:
    """Whether a share of a limit rises steadily, and when it is full.

    Args:
        hours: of the samples, rising, shape (points,); any zero.
        shares: of the limit, shape (points,).
        looked_at_hours: the length of the time that the samples are from.
        earlier: the same of the same hours of the day before, by the same zero less a day; None where nobody has it.

    Returns:
        None where it is full; or does not rise, steadily and for certain; or too slowly to be said so far ahead; or as every day.
    """
    if len(hours) < FEWEST_POINTS or hours[-1] - hours[0] < LEAST_SHARE_COVERED * looked_at_hours:
        return None
    slope = _slopes(hours, shares)
    middle = float(np.median(slope))
    if middle <= 0.0 or middle * (hours[-1] - hours[0]) < LEAST_GROWTH:
        return None
    offsets = shares - middle * hours
    residuals = offsets - np.median(offsets)
    bounds = _interval(slope, shares, residuals)
    if bounds is None or bounds[0] <= 0.0 or not _is_steady(hours, shares, middle):
        return None
    share = _stands(hours, shares, middle)
    ahead, *interval = ((1.0 - _stands(hours, shares, rate)) / rate for rate in (middle, bounds[1], bounds[0]))
    if share >= 1.0 or ahead > LONGEST_AHEAD * looked_at_hours or _is_daily(share, middle * looked_at_hours, earlier):
        return None
    return Filling(share, middle, ahead, max(0.0, interval[0]), interval[1])


def _slopes(hours: Floats, shares: Floats) -> Floats:
    """Between all pairs of points, sorted, shape (pairs,)."""
    first, second = np.triu_indices(len(hours), k=1)
    apart = hours[second] - hours[first]
    found = (shares[second] - shares[first])[apart > 0.0] / apart[apart > 0.0]
    return np.sort(found)


def _interval(slopes: Floats, shares: Floats, residuals: Floats) -> tuple[float, float] | None:
    """Both ends of Sen's interval; None where the points are worth too little."""
    points = len(shares)
    spread = float(np.sum(residuals**2))
    alike = 0.0 if spread == 0.0 else float(np.sum(residuals[1:] * residuals[:-1])) / spread
    alike = min(0.99, max(0.0, alike))
    worth = points * (1.0 - alike) / (1.0 + alike)
    if worth < FEWEST_FREE_POINTS:
        return None
    _, ties = np.unique(shares, return_counts=True)
    variance = (points * (points - 1) * (2 * points + 5) - float(np.sum(ties * (ties - 1) * (2 * ties + 5)))) / 18.0
    reach = Z * math.sqrt(variance * points / worth)
    low, high = (len(slopes) - reach) / 2.0, (len(slopes) + reach) / 2.0
    if low < 0.0 or high > len(slopes) - 1:
        return None
    return float(slopes[math.floor(low)]), float(slopes[math.ceil(high)])


def _stands(hours: Floats, shares: Floats, rate: float) -> float:
    """Where the line of this rate stands at the last sample: a steeper one stands higher there, so it is full sooner twice over."""
    return float(np.median(shares - rate * hours) + rate * hours[-1])


def _is_steady(hours: Floats, shares: Floats, middle: float) -> bool:
    half = (hours[0] + hours[-1]) / 2.0
    return all(
        np.count_nonzero(part) >= FEWEST_POINTS // 2
        and float(np.median(_slopes(hours[part], shares[part]))) >= STEADY_SHARE * middle
        for part in (hours <= half, hours >= half)
    )


def _is_daily(share: float, growth: float, earlier: tuple[Floats, Floats] | None) -> bool:
    """Whether it rose like that the day before, and stood about as high in the end."""
    if earlier is None or len(earlier[0]) < FEWEST_POINTS:
        return False
    slope = float(np.median(_slopes(*earlier)))
    rose = slope * float(earlier[0][-1] - earlier[0][0])
    stood = _stands(*earlier, slope)
    return rose >= SAME_SHAPE * growth and share - stood <= SAME_SHAPE * growth
