"""Quantiles of merged histograms.

An average of quantiles is not a quantile of anything. Bucket counts can be added, so histograms of instances and moments are
merged as counts and the quantile is taken once, from the sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Bucket:
    """So many observations, spread evenly over `lower` to `upper`; all at one value where the two are equal."""

    lower: float
    upper: float
    count: float


def explicit_buckets(bounds: Sequence[float], counts: Sequence[float]) -> list[Bucket]:
    """Buckets of an explicit-bounds histogram.

    As Prometheus' `histogram_quantile` has it: the lowest bucket begins at 0 where its bound is positive and lies at its bound
    otherwise, and what exceeds the highest bound lies at that bound, since nothing is known of it but that.

    Args:
        bounds: upper bounds, ascending, of all buckets but the last.
        counts: observations per bucket, one more than bounds.
    """
    if not bounds:
        return []
    edges = [0.0 if bounds[0] > 0 else bounds[0], *bounds, bounds[-1]]
    return [Bucket(lower, upper, count) for lower, upper, count in zip(edges[:-1], edges[1:], counts, strict=True) if count > 0]


def exponential_buckets(
    scale: int, zeros: float, positive: Sequence[tuple[int, float]], negative: Sequence[tuple[int, float]]
) -> list[Bucket]:
    """Buckets of a base-2 exponential histogram (OpenTelemetry metrics data model, "ExponentialHistogram").

    Args:
        scale: the base is 2 ** (2 ** -scale).
        zeros: observations that are 0.
        positive: index i and count of values in (base**i, base**(i+1)].
        negative: index i and count of values in [-base**(i+1), -base**i).
    """
    width = 2.0**-scale

    def edge(index: int) -> float:
        return float(2.0 ** min(max(index * width, -1074.0), 1023.0))

    buckets = [Bucket(edge(index), edge(index + 1), count) for index, count in positive if count > 0]
    buckets += [Bucket(-edge(index + 1), -edge(index), count) for index, count in negative if count > 0]
    return [*buckets, Bucket(0.0, 0.0, zeros)] if zeros > 0 else buckets


def quantiles(buckets: Sequence[Bucket], wanted: Sequence[float]) -> list[float]:
    """Quantiles of all buckets together; they may overlap and differ in width.

    Args:
        buckets: observations, of any number of histograms.
        wanted: probabilities in 0..1.

    Returns:
        One value per probability, NaN where there are no observations.
    """
    if not buckets:
        return [math.nan] * len(wanted)
    lower = np.array([bucket.lower for bucket in buckets])
    upper = np.array([bucket.upper for bucket in buckets])
    counts = np.array([bucket.count for bucket in buckets], float)
    edges = np.unique(np.concatenate([lower, upper]))
    below, upto = _cumulated(edges, lower, upper, counts)
    # Each edge twice: the count below it and the count up to it differ where observations lie exactly on it.
    values = np.repeat(edges, 2)
    cumulated = np.stack([below, upto], axis=1).ravel()
    total = float(counts.sum())
    return [_at(values, cumulated, probability * total) for probability in wanted]


def _cumulated(
    edges: npt.NDArray[np.float64], lower: npt.NDArray[np.float64], upper: npt.NDArray[np.float64], counts: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Observations strictly below, and up to, each edge. Shapes: edges (e,), the rest (b,); result two of (e,)."""
    width = upper - lower
    spread = width > 0
    share = np.clip((edges[:, None] - lower[spread]) / width[spread], 0.0, 1.0) @ counts[spread]
    points, weights = lower[~spread], counts[~spread]
    below = share + (points[None, :] < edges[:, None]) @ weights
    upto = share + (points[None, :] <= edges[:, None]) @ weights
    return below, upto


def _at(values: npt.NDArray[np.float64], cumulated: npt.NDArray[np.float64], rank: float) -> float:
    """The smallest value up to which `rank` observations lie, linear between edges."""
    index = int(np.searchsorted(cumulated, rank * (1 - 1e-12), side="left"))
    if index == 0:
        return float(values[0])
    index = min(index, len(values) - 1)
    low, high = cumulated[index - 1], cumulated[index]
    if high <= low:
        return float(values[index])
    between = values[index - 1] + (values[index] - values[index - 1]) * (rank - low) / (high - low)
    return float(min(between, values[index]))  # rounding may lead past the edge
