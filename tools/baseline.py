"""Robust baselines: what is usual for many time series at once, how far each deviates, and how rare that is.

Arrays are ``(series, steps)`` of float64; NaN marks a step without a sample and never counts.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAD_TO_SD = 1.4826
"""1 / the 0.75 quantile of the normal distribution: makes the median absolute deviation comparable with a standard deviation."""
DECILES_TO_SD = 2.563
"""Distance between the 10 % and 90 % quantiles of the normal distribution, in standard deviations."""
STANDARD_ERRORS = 2.0
"""Between an estimate and its lower bound, where evidence is what is left of an effect."""
SPIKE_SHARE = 0.3
"""Share of the plain standard deviation that always counts: a series that is flat but spikes now and then has no MAD and no
distance between its deciles, and yet a spike is nothing new to it."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is usual for each series."""

    centre: Floats
    """Median, shape (series,); 0 where there is no sample."""
    scale: Floats
    """Robust spread, shape (series,): the largest of three estimates, since each is blind to something."""
    count: NDArray[np.int64]
    """Samples it rests on, shape (series,)."""


def robust_baseline(values: Floats) -> Baseline:
    """The median and spread of each row.

    scale = max(1.48 MAD, (q90 - q10) / 2.56, 0.3 standard deviations).

    Args:
        values: shape (series, steps).
    """
    ordered = np.sort(values, axis=1)  # NaN last
    count = np.count_nonzero(~np.isnan(values), axis=1)
    centre = _quantile(ordered, count, 0.5)
    deviation = np.sort(np.abs(values - centre[:, None]), axis=1)
    spread = np.stack(
        [
            MAD_TO_SD * _quantile(deviation, count, 0.5),
            (_quantile(ordered, count, 0.9) - _quantile(ordered, count, 0.1)) / DECILES_TO_SD,
            SPIKE_SHARE * _standard_deviation(values, count),
        ]
    )
    return Baseline(centre=centre, scale=spread.max(axis=0), count=count)


def burst(deviations: Floats, window: int | None = None) -> Floats:
    """How high each window is for a third of its samples in a row: the highest mean of ln(1 + deviation) over such a run, undone.

    A fault lasts, though it may cover only a part of the window; noise comes and goes. The logarithm keeps one wild sample from
    passing for a run. A run has at least two samples; of a window of one or two samples, the highest counts.

    Args:
        deviations: shape (..., steps), signed so that larger is worse.
        window: samples of a window, where there are more of them: the highest of all windows inside counts.

    Returns:
        Shape (...); at least 0, and 0 for a window without samples.
    """
    means, _ = _runs(deviations, window)
    return np.asarray(np.expm1(means.max(axis=-1, initial=0.0)), dtype=np.float64)


def burst_steps(deviations: Floats) -> NDArray[np.int64]:
    """The steps of the run that `burst` measures, of one window.

    Args:
        deviations: shape (steps,).
    """
    if not deviations.size or np.isnan(deviations).all():
        return np.zeros(0, dtype=np.int64)
    means, length = _runs(deviations)
    first = int(np.argmax(means))
    return np.flatnonzero(~np.isnan(deviations))[first : first + int(length)]


def _runs(deviations: Floats, window: int | None = None) -> tuple[Floats, NDArray[np.int64]]:
    """The mean of ln(1 + deviation) over every run, by its first sample, -inf where none begins; and how long runs are."""
    steps = deviations.shape[-1]
    missing = np.isnan(deviations)
    packed = np.take_along_axis(deviations, np.argsort(missing, axis=-1, kind="stable"), axis=-1)  # the samples first, in order
    count = steps - np.count_nonzero(missing, axis=-1)
    size = count if window is None else np.minimum(count, window)
    length = np.where(size < 3, 1, np.maximum(2, size // 3))  # noqa: PLR2004  a third of fewer than three samples is none
    sums = np.zeros((*deviations.shape[:-1], steps + 1))
    np.cumsum(np.log1p(np.maximum(np.nan_to_num(packed), 0.0)), axis=-1, out=sums[..., 1:])
    ends = np.arange(steps) + length[..., None]
    total = np.take_along_axis(sums, np.minimum(ends, steps), axis=-1) - sums[..., :-1]
    return np.where(ends <= count[..., None], total / length[..., None], -np.inf), length


def tail_rank(values: Floats, pool: Floats) -> Floats:
    """How rare each value is: the share of the pool that is at least as large.

    With the observed values inside the pool this is the p-value of a permutation test (Davison and Hinkley 1997, section 4.2):
    never 0, and valid for any distribution.

    Args:
        values: any shape; each must be in the pool.
        pool: what to compare with, any shape.
    """
    ordered = np.sort(pool, axis=None)
    ties = 1e-12 * np.abs(values)
    return np.asarray((ordered.size - np.searchsorted(ordered, values - ties, side="left")) / ordered.size, dtype=np.float64)


def _quantile(ordered: Floats, count: NDArray[np.int64], share: float) -> Floats:
    """Linear quantile of the first `count` entries of each sorted row; 0 for an empty one."""
    if ordered.shape[1] == 0:
        return np.zeros(ordered.shape[0])
    position = share * np.maximum(count - 1, 0)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    at = np.take_along_axis(ordered, np.stack([low, high], axis=1), axis=1)
    value = at[:, 0] + (position - low) * (at[:, 1] - at[:, 0])
    return np.asarray(np.where(count > 0, value, 0.0), dtype=np.float64)


def _standard_deviation(values: Floats, count: NDArray[np.int64]) -> Floats:
    known = ~np.isnan(values)
    n = np.maximum(count, 1)
    mean = np.where(known, values, 0.0).sum(axis=1) / n
    return np.asarray(np.sqrt(np.where(known, (values - mean[:, None]) ** 2, 0.0).sum(axis=1) / n), dtype=np.float64)
