"""Stretches of the history that stand out as an incident does: faults that nobody reported, which belong to no baseline.

What once went wrong is not usual, though it was seen before. A stretch is left out of the history where something in it was
clearly more or less frequent than both before and after it: a fault that is over. What changed for good is usual from then on.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from middlewatch.tools.baseline import Floats
from middlewatch.tools.presence import LEAST_UNITS, Presence, log_odds_ratio
from middlewatch.tools.surprise import surprise
from middlewatch.tools.timeline import BUCKETS_PER_MINUTE, Timeline, cumulative

MOST_HIDDEN = 0.5
"""Share of what was seen before that may be left out: of more, nobody could say which part is the usual one."""
LONGEST_SHARE = 1 / 3
"""Of the history, one fault."""
LEAST_NATS = math.log(10)
"""What stands out multiplies some odds by ten or more. A weaker fault does the baselines little harm."""
CHANCE_NATS = 3.0
"""Something is left out of a healthy history with a chance of e^-3, one in twenty."""
USUAL_TOP = 0.15
"""Nats by which something stands out in a healthy stretch, before anything of the system is known."""
PERIODS = 60
"""The history is looked at in at most so many periods of whole minutes: what is shorter than one hardly weighs in it."""
LENGTH_STEP = math.sqrt(2)
"""Stretches are of so many times as many periods as the next shorter ones."""

Counts = tuple[Floats, Floats]
"""How many units had something, and how many there were; shape (keys, periods)."""


def unreported(views: Iterable[Presence], timeline: Timeline, volume: Floats) -> NDArray[np.bool_]:
    """The buckets of faults that nobody reported.

    The stretch that stands out most is taken first, and the rest is looked at again without it: faults hide each other.

    Args:
        views: how often what was there, on this timeline.
        timeline: the buckets; those from the first onset in question on are not looked at.
        volume: how much was seen per bucket, shape (size,).

    Returns:
        Shape (size,).
    """
    hidden = np.zeros(timeline.size, dtype=bool)
    minutes = min(timeline.question.onsets) // BUCKETS_PER_MINUTE
    seen = _per_minute(cumulative(volume[None, :]), minutes)[0]
    active = np.flatnonzero(seen > 0)
    periods = np.array_split(active, min(PERIODS, len(active))) if len(active) else []
    counts = [(_per_period(view.present, periods, minutes), _per_period(view.units, periods, minutes)) for view in views]
    left, allowed = np.arange(len(periods)), MOST_HIDDEN * float(seen.sum())
    while (found := _most_unusual([(present[:, left], units[:, left]) for present, units in counts])) is not None:
        stretch = np.concatenate([periods[i] for i in left[found].tolist()])
        allowed -= float(seen[stretch].sum())
        if allowed < 0:
            break
        hidden[(stretch[:, None] * BUCKETS_PER_MINUTE + np.arange(BUCKETS_PER_MINUTE)).ravel()] = True
        left = np.delete(left, found)
    return hidden


def left_out(signal: str, hidden: NDArray[np.bool_], timeline: Timeline) -> tuple[str, ...]:
    """Which stretches were left out, in words; at most one note.

    Args:
        signal: in which they stand out.
        hidden: shape (size,).
        timeline: the buckets.
    """
    edges = np.flatnonzero(np.diff(hidden.astype(np.int8), prepend=0, append=0)).tolist()
    if not edges:
        return ()
    spans = (timeline.span(first, last) for first, last in zip(edges[::2], edges[1::2], strict=True))
    told = ", ".join(f"{span.start:%H:%M} to {span.end:%H:%M}" for span in spans)
    return (f"{signal}: {told} UTC stood out as faults do that nobody reported, and was not taken as usual",)


def _per_minute(sums: Floats, minutes: int) -> Floats:
    """Counts per minute, from cumulative ones per bucket."""
    return np.diff(sums[:, : minutes * BUCKETS_PER_MINUTE + 1 : BUCKETS_PER_MINUTE], axis=1)


def _per_period(sums: Floats, periods: Sequence[NDArray[np.intp]], minutes: int) -> Floats:
    if not periods:
        return np.zeros((sums.shape[0], 0))
    return np.add.reduceat(_per_minute(sums, minutes)[:, np.concatenate(periods)], _firsts(periods), axis=1)


def _firsts(periods: Sequence[NDArray[np.intp]]) -> NDArray[np.intp]:
    """Where each period begins, once they are put together."""
    return np.cumsum([0, *(len(period) for period in periods[:-1])])


def _most_unusual(counts: Sequence[Counts]) -> slice | None:
    """The stretch of periods that stands out most, where one stands out more than chance allows.

    Args:
        counts: of each view.
    """
    size = counts[0][0].shape[1] if counts else 0
    sums = [(cumulative(present), cumulative(units)) for present, units in counts]
    best, found, tried, length = 0.0, None, 0, 1
    while size > 1 and length <= max(1, LONGEST_SHARE * size):
        starts = np.arange(0, size - length, max(1, length // 2))
        tops = np.max([_apart(*pair, starts, starts + length).max(axis=0, initial=0.0) for pair in sums], axis=0)
        tried += starts.size
        top = int(np.argmax(tops))
        others = tops[np.abs(starts - starts[top]) >= length]
        nats = surprise(float(tops[top]), others.tolist(), USUAL_TOP)
        if tops[top] > LEAST_NATS and nats > best:
            best, found = nats, slice(int(starts[top]), int(starts[top]) + length)
        length = max(length + 1, round(LENGTH_STEP * length))
    return found if best > CHANCE_NATS + math.log(max(1, tried)) else None


def _apart(present: Floats, units: Floats, starts: NDArray[np.intp], ends: NDArray[np.intp]) -> Floats:
    """How much more, or less, often than both before and after a stretch each key is there, as a lower bound in log odds.

    What was not there before the stretch is compared with what came after alone.

    Args:
        present: cumulative counts, shape (keys, periods + 1).
        units: the same shape.
        starts: the first period of each stretch.
        ends: the one after its last, before the end of the history.

    Returns:
        Shape (keys, stretches).
    """
    k, n = (x[:, ends] - x[:, starts] for x in (present, units))
    before, compared = _against(present[:, starts], units[:, starts], k, n)
    after, _ = _against(present[:, -1:] - present[:, ends], units[:, -1:] - units[:, ends], k, n)
    both = np.where(before * after > 0, np.minimum(np.abs(before), np.abs(after)), 0.0)
    return np.where(compared, both, np.abs(after))


def _against(k0: Floats, n0: Floats, k1: Floats, n1: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The lower bound with the sign of the log odds ratio, and where there is anything to compare."""
    log_odds, bound = log_odds_ratio(k0, n0, k1, n1)
    compared = (n0 >= LEAST_UNITS) & (n1 >= LEAST_UNITS)
    return np.where(compared, np.sign(log_odds) * np.maximum(bound, 0.0), 0.0), compared
