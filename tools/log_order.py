"""Which deviation comes first in a request: what comes later, in another service, may follow from it.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from middlewatch.tools.baseline import Floats
from middlewatch.tools.log_requests import KeyChange, Requests
from middlewatch.tools.log_units import Indices, Micros
from middlewatch.tools.presence import LEAST_UNITS

MOST_DEVIATING = 200
"""Keys whose order is looked at, the most conspicuous ones."""
LEAST_LEFT = 1.0
"""With fewer units after the onset that are still sound, nothing is left to compare."""
SUREST = 1 - 1e-6
"""No deviation explains more than this of what follows it."""


def unexplained(requests: Requests, change: KeyChange, onset: int, end: int) -> Floats:
    """The evidence of each key that earlier deviations of other services in the same requests do not explain, in nats.

    A deviation is due to what changed with the attributable fraction among the exposed, (p1 - p0) / p1 where it is the presence
    and p0 and p1 its share before and after (Levin 1953), so a request is still sound at some point with the product of what the
    earlier ones leave. The share of each key among the requests, weighted by how sound they were when it came, or was missed, is
    compared with the usual one again. What only follows in requests that deviate already has its usual share among the others.

    Args:
        requests: the units.
        change: of their keys, at the same onset.
        onset: the first bucket after.
        end: the bucket after the last.

    Returns:
        Shape (keys,); at most the bound of the change, and 0 for keys that do not deviate.
    """
    bound = np.zeros_like(change.bound)
    keys = np.argsort(-change.bound, kind="stable")[:MOST_DEVIATING]
    keys = np.sort(keys[change.bound[keys] > 0])
    if not keys.size:
        return bound
    seen = _observed(requests, keys, onset, end)
    soundness = _soundness(requests, change, keys, seen)
    weight = requests.weight[seen.unit] * soundness
    units, present = (np.bincount(seen.key, w, keys.size).astype(np.float64) for w in (weight, weight * seen.present))
    found = np.where(units < LEAST_LEFT, 0.0, change.bound[keys])
    for usual, unasked in ((requests.all, change.among_sound[keys]), (requests.sound, False)):
        log_odds, lower = usual.compared(keys, onset, present, units)
        lower = np.where(np.sign(log_odds) == np.sign(change.log_odds[keys]), np.maximum(lower, 0.0), 0.0)
        found = np.where(unasked | (usual.units[keys, onset] < LEAST_UNITS), found, np.minimum(found, lower))
    bound[keys] = found
    return bound


@dataclass(frozen=True, slots=True, eq=False)
class _Observed:
    """Units after the onset, once for each key that they have or miss."""

    key: Indices
    """Its place among the keys that were asked for."""
    unit: Indices
    time: Micros
    """When the line was written, or missed."""
    present: Floats
    """1 or 0."""


def _observed(requests: Requests, keys: Indices, onset: int, end: int) -> _Observed:
    first, last = np.searchsorted(requests.bucket, [onset, end])
    by_run = np.argsort(requests.run[first:last], kind="stable") + first
    starts = np.searchsorted(requests.run[by_run], np.arange(len(requests.runs) + 1))
    parts = []
    for place, key in enumerate(keys.tolist()):
        run = requests.key_run[key]
        units = by_run[starts[run] : starts[run + 1]]
        lines = requests.lines_of(key)
        written, at = requests.unit[lines], requests.at[lines]
        after = (written >= first) & (written < last)
        missing = np.setdiff1d(units, written[after], assume_unique=True)
        parts.append((place, written[after], at[after], 1.0))
        parts.append((place, missing, requests.missed(key, missing), 0.0))
    return _Observed(
        key=np.concatenate([np.full(units.size, place, dtype=np.intp) for place, units, _, _ in parts]),
        unit=np.concatenate([units for _, units, _, _ in parts]),
        time=np.concatenate([times for _, _, times, _ in parts]),
        present=np.concatenate([np.full(units.size, present) for _, units, _, present in parts]),
    )


def _soundness(requests: Requests, change: KeyChange, keys: Indices, seen: _Observed) -> Floats:
    """The probability that nothing that changed in another service came before, for each observation."""
    p0, p1 = (np.clip(share, 0.0, 1.0)[keys] for share in (change.before, change.after))
    rising = change.log_odds[keys] > 0
    usual, now = np.where(rising, p0, 1 - p0), np.where(rising, p1, 1 - p1)
    attributable = np.clip(1 - usual / np.maximum(now, np.finfo(np.float64).tiny), 0.0, SUREST)
    deviates = seen.present == rising[seen.key]
    left = np.where(deviates, np.log1p(-attributable[seen.key]), 0.0)
    service = np.unique(np.array([run.service for run in requests.runs], dtype=object), return_inverse=True)[1]
    request = requests.request[seen.unit]
    own = request * (int(service.max()) + 1) + service[requests.key_run[keys][seen.key]]
    return np.asarray(np.exp(_before(request, seen.time, left) - _before(own, seen.time, left)), dtype=np.float64)


def _before(group: Indices, time: Micros, values: Floats) -> Floats:
    """The sum of the values of the same group at strictly earlier times."""
    order = np.lexsort((time, group))
    group, time = group[order], time[order]
    sums = np.concatenate([[0.0], np.cumsum(values[order])])
    new_group = np.append(True, np.diff(group) != 0)
    new_time = new_group | np.append(True, np.diff(time) != 0)
    places = np.arange(order.size)
    begins = np.maximum.accumulate(np.where(new_group, places, 0))
    ties = np.maximum.accumulate(np.where(new_time, places, 0))
    before = np.empty(order.size)
    before[order] = sums[ties] - sums[begins]
    return before
