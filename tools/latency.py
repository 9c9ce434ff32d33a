"""How much slower operations became, as a lower bound that noise alone seldom reaches.

Latencies multiply, so they are compared as y = ln(self time + floor): a shift of 0.7 nats is a doubling.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from middlewatch.tools.baseline import MAD_TO_SD, STANDARD_ERRORS, Floats
from middlewatch.tools.timeline import BUCKETS_PER_MINUTE, RECENT_BUCKETS, Timeline, cumulative

DRIFT_VARIANCE = 0.01
"""Shifts by a tenth come and go on a healthy system."""
DENSE_SPANS = 4
"""From this many spans a minute on, minutes are compared with one another; below, spans are pooled over the whole baseline."""
POOLED_WEIGHT = 3
"""Spans that the variance of all sparse keys together counts for in that of each."""
LEAST_BEFORE = 2
LEAST_AFTER = 2
"""Requests after the onset: one that is slow comes and goes, a second one is no chance."""
LEAST_KEYS = 5
"""Fewer keys do not show how much keys differ."""
TINY_VARIANCE = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """What changed at one onset; every array has shape (keys,) and is in nats."""

    before: Floats
    after: Floats
    bound: Floats
    """Lower bound of ``after - before``; 0 where it is negative or there is too little to compare."""
    sampling: Floats
    """Variance of ``after - before`` from the number of spans alone."""
    drift: Floats
    """Variance between the baseline's minutes."""
    spans: Floats
    """Spans after the onset."""
    requests: Floats
    """Requests after the onset; spans of one request are no independent observations."""
    comparable: NDArray[np.bool_]
    """Whether there were spans after the onset, and something to compare them with."""

    @property
    def effect(self) -> Floats:
        """``after - before``."""
        return self.after - self.before


@dataclass(frozen=True, slots=True, eq=False)
class Latencies:
    """Counts and sums of y and its square per key, cumulative over the buckets; shape (keys, size + 1)."""

    count: Floats
    total: Floats
    square: Floats
    requests: Floats
    """In how many requests the spans are; the same as `count` where that is not known."""
    alike: NDArray[np.bool_]
    """Keys that measure the same kind of thing, so that one never seen before can be compared with the others; shape (keys,)."""

    @classmethod
    def of(cls, behaviours: pa.Table, timeline: Timeline, key: NDArray[np.intp], alike: NDArray[np.bool_]) -> Latencies:
        """From the rows of `TraceSource.behaviours`, added up by key.

        Args:
            behaviours: the rows.
            timeline: the buckets.
            key: the key of each row.
            alike: of each key.
        """
        columns = ("count", "log_self", "log_self_squared", "requests")
        count, total, square, requests = (cumulative(timeline.spread(behaviours, column, key)) for column in columns)
        return cls(count, total, square, requests, alike)

    def shift(self, onset: int, end: int) -> Shift:
        """Compare the buckets ``onset <= i < end`` with those before.

        bound = effect - 2 sqrt((v1 + v0) / n1 + v0 / n0 + drift), n in requests. The baseline of a busy key is the median of its
        minutes' means, and the drift their squared MAD, so that a minority of bad minutes does not matter; a sparse key is pooled
        over the baseline, with its variance drawn towards that of all sparse keys.
        """
        before, drift, within, known = self._baseline(onset)
        before, uncertain = self._drawn(before, within, known)
        spans, after, variance = _moments(*(x[:, end] - x[:, onset] for x in (self.count, self.total, self.square)))
        requests = self.requests[:, end] - self.requests[:, onset]
        variance = (variance * np.maximum(spans - 1, 0) + 2 * within) / (spans + 1)
        comparable = (spans > 0) & np.isfinite(uncertain)
        sampling = np.where(comparable, (variance + within) / np.maximum(requests, 1) + uncertain, 0.0)
        drift = drift + DRIFT_VARIANCE
        lower = np.maximum(0.0, after - before - STANDARD_ERRORS * np.sqrt(sampling + drift))
        bound = np.where(comparable & (requests >= LEAST_AFTER), lower, 0.0)
        return Shift(before, after, bound, sampling, drift, spans, requests, comparable)

    def _drawn(self, mean: Floats, within: Floats, known: Floats) -> tuple[Floats, Floats]:
        """The level of each key and its variance, infinite where nothing is known of it.

        Levels of keys that are alike are taken as normal, m ~ N(M, t^2), so that one seen in n requests with the variance v is
        (m n / v + M / t^2) / (n / v + 1 / t^2), and M where it was never seen (empirical Bayes, Efron and Morris 1975).
        """
        seen = known >= LEAST_BEFORE
        uncertain = np.where(seen, within / np.maximum(known, 1), np.inf)
        alike = self.alike & seen
        if alike.sum() < LEAST_KEYS:
            return mean, uncertain
        centre = float(mean[alike].mean())
        between = max(float(mean[alike].var(ddof=1) - uncertain[alike].mean()), TINY_VARIANCE)
        weight = known / np.maximum(within, TINY_VARIANCE)
        drawn = (weight * mean + centre / between) / (weight + 1 / between)
        return np.where(self.alike, drawn, mean), np.where(self.alike, 1 / (weight + 1 / between), uncertain)

    def _baseline(self, onset: int) -> tuple[Floats, Floats, Floats, Floats]:
        """Centre, variance between minutes, variance within them, and requests."""
        starts, ends = self._minutes(onset)
        n, mean, variance = _moments(*(x[:, ends] - x[:, starts] for x in (self.count, self.total, self.square)))
        enough = n >= 2  # noqa: PLR2004  a variance needs two
        centre = masked_median(mean, enough)
        between = (MAD_TO_SD * masked_median(np.abs(mean - centre[:, None]), enough)) ** 2
        within = masked_median(variance, enough)

        spans, pooled_mean, pooled_variance = _moments(*(x[:, onset] for x in (self.count, self.total, self.square)))
        dense = masked_median(n, n > 0) >= DENSE_SPANS
        freedom = np.maximum(spans - 1, 0)
        sparse = np.where(dense, 0.0, freedom)
        common = float((pooled_variance * sparse).sum() / max(1.0, sparse.sum()))
        shrunk = (pooled_variance * freedom + POOLED_WEIGHT * common) / (spans + POOLED_WEIGHT - 1)
        return (
            np.where(dense, centre, pooled_mean),
            np.where(dense, between, 0.0),
            np.where(dense, within, shrunk),
            self.requests[:, onset],
        )

    def _minutes(self, onset: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where the minutes of the last hour with data begin and end; the last may be shorter than a minute."""
        starts = np.arange(0, onset, BUCKETS_PER_MINUTE)
        ends = np.minimum(starts + BUCKETS_PER_MINUTE, onset)
        volume = self.count.sum(axis=0)
        filled = np.flatnonzero(volume[ends] > volume[starts])[-RECENT_BUCKETS // BUCKETS_PER_MINUTE :]
        return starts[filled], ends[filled]


def masked_median(values: Floats, mask: NDArray[np.bool_]) -> Floats:
    """The median of each row's masked values; 0 where there are none.

    Args:
        values: shape (rows, columns).
        mask: the same shape.
    """
    if values.shape[1] == 0:
        return np.zeros(values.shape[0])
    ordered = np.sort(np.where(mask, values, np.inf), axis=1)
    count = mask.sum(axis=1)
    middle = np.stack([np.maximum(count - 1, 0) // 2, np.minimum(count // 2, values.shape[1] - 1)], axis=1)
    halves = np.take_along_axis(ordered, middle, axis=1)
    return np.where(count > 0, np.where(count[:, None] > 0, halves, 0.0).mean(axis=1), 0.0)


def _moments(count: Floats, total: Floats, square: Floats) -> tuple[Floats, Floats, Floats]:
    """Count, mean and sample variance."""
    n = np.maximum(count, 1)
    mean = total / n
    return count, mean, np.maximum(square / n - mean * mean, 0.0) * n / np.maximum(n - 1, 1)
