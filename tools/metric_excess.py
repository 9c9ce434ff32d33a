"""Whose excess is a consequence: waiting and failing are conserved along calls.

A service that waits a second longer for a callee is itself a second slower, and a request that fails in the callee fails in the
caller, if it is not repeated. So excess is compared in amounts, seconds of waiting or failed requests of all that happened in a
step, and not in scales of noise: a proxy in front of a sick service deviates as much as the service itself, but cannot explain more
seconds than pass through it.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from middlewatch.records import Edge, Family
from middlewatch.tools.baseline import Floats, robust_baseline
from middlewatch.tools.metric_deviations import CLEAR_DEVIATION, LEAST_RELATIVE_SCALE, Deviations
from middlewatch.tools.metric_scores import Unit, Voice, voice_values
from middlewatch.tools.metric_series import BYTE_UNITS, TIME_UNITS, Group, SeriesMatrix
from middlewatch.tools.service_map import callees, reachable

MEASURED_UNITS = BYTE_UNITS | TIME_UNITS | {"%", "percent"}
"""Units of what is measured and not counted."""
FEWEST_COMMON_SAMPLES = 4
"""Samples that two courses need in common to be compared."""
LONGEST_GAP = 2
"""Missing samples in a row that are bridged."""
SAME_SERVICES = 0.5
"""A quantity counts the requests of another one if at least this share of the services that have either have both."""


def excess(units: Sequence[Unit], matrix: SeriesMatrix, deviations: Deviations) -> Floats:
    """What each unit has beyond its usual, per step: seconds of waiting, or failures.

    A mean latency, or a share of failures, is multiplied by the requests that it is the mean of: a histogram's own observations, or
    the traffic of the same service. Rates of failures are amounts already.

    Returns:
        Shape (units, steps); NaN throughout where it cannot be counted, and for units of voices that do not spread.
    """
    amounts = np.full((len(units), matrix.axis.steps), np.nan)
    counting = _counting(units, matrix)
    for index, unit in enumerate(units):
        voice = Voice.of(unit.family)
        if unit.peer or not voice.spreads:
            continue
        rows = list(unit.rows)
        beyond = (matrix.values[rows] - deviations.baseline.centre[rows, None]) * (-1 if unit.family is Family.SUCCESS else 1)
        if unit.family is Family.ERRORS and unit.group[1].endswith("/s"):
            amounts[index] = _sum(beyond)
            continue
        requests = _requests(unit, matrix, counting.get(unit.group, {}).get((unit.service, unit.peer), ()))
        if requests is not None:
            amounts[index] = _sum(np.where(requests == 0, 0.0, beyond * requests))  # no requests, no excess
    return amounts


def consequence_shares(
    units: Sequence[Unit], nats: Floats, amounts: Floats, recent: NDArray[np.int64], edges: Iterable[Edge]
) -> Floats:
    """How much of each unit's deviation the services behind it explain, in the incident and in every earlier window.

    Where the same quantity is counted at a service that this one depends on, by `explained_share`: the best of them. Else by the
    evidence: the share that the worst direct callee has of the service's own.

    Args:
        units: what was ranked.
        nats: their evidence, shape (units, windows).
        amounts: their excess, as from `excess`.
        recent: the steps up to the end of each window, shape (windows, samples), see `Deviations.recent`.
        edges: the service map.

    Returns:
        Shape (units, windows), from 0 to 1; 0 for voices that do not spread and for units about edges.
    """
    edges = tuple(edges)
    called = callees(edges)
    shares = np.zeros_like(nats)
    raw = {voice: voice_values(units, nats, voice) for voice in Voice if voice.spreads}
    known = counted(amounts)
    same: dict[Group, dict[str, int]] = defaultdict(dict)
    for index, unit in enumerate(units):
        if known[index]:
            same[unit.group][unit.service] = index
    behind = {service: reachable(edges, service).keys() - {service} for service in called}
    for index, unit in enumerate(units):
        voice = Voice.of(unit.family)
        if unit.peer or not voice.spreads or unit.service not in called:
            continue
        windows = np.flatnonzero(nats[index] > 0)
        counterparts = [same[unit.group][s] for s in behind[unit.service] if s in same[unit.group]] if known[index] else []
        if counterparts and windows.size:
            own = at_steps(amounts[[index]], recent[windows])
            by = at_steps(amounts[counterparts], recent[windows])
            shares[index, windows] = explained_share(own, by).max(axis=0)
        elif windows.size:
            worst = np.max([raw[voice][c] for c in called[unit.service] if c in raw[voice]] or [np.zeros(nats.shape[1])], axis=0)
            shares[index, windows] = np.minimum(1.0, worst[windows] / raw[voice][unit.service][windows])
    return shares


def load_shares(units: Sequence[Unit], matrix: SeriesMatrix, deviations: Deviations) -> Floats:
    """How much of each latency more requests than usual explain, in the incident and in every earlier window.

    Of who is asked g times as often as usual and takes f times as long, min(1, (g - 1) / (f - 1)) is explained, where it is clear
    that more requests came: waiting in proportion to the work is no defect of whoever does it, and who is slower than that is short
    of something. That more is asked of a service is not explained away, so where the load came in still stands out.

    Args:
        units: what was ranked.
        matrix: the series.
        deviations: their deviations.

    Returns:
        Shape (units, windows), from 0 to 1; 0 for what is no latency, and where nobody counts the requests.
    """
    windows = deviations.recent(matrix.axis, matrix.axis.incident_steps)
    shares = np.zeros((len(units), len(windows)))
    counting = _counting(units, matrix)
    for index, unit in enumerate(units):
        if unit.family is not Family.LATENCY:
            continue
        rows = list(unit.rows)
        requests = _requests(unit, matrix, counting.get(unit.group, {}).get((unit.service, unit.peer), ()))
        if requests is None:
            continue
        usual, latency = robust_baseline(requests[:, deviations.clean]), deviations.baseline.centre[rows, None]
        more = _mean(requests, windows) - usual.centre[:, None]
        slower = _mean(matrix.values[rows], windows) - latency
        noise = np.maximum(usual.scale, LEAST_RELATIVE_SCALE * usual.centre)[:, None]
        explained = np.zeros_like(more)
        clear = (more > CLEAR_DEVIATION * noise) & (slower > 0) & (usual.centre[:, None] > 0)
        np.divide(more * latency, slower * usual.centre[:, None], out=explained, where=clear)
        worst = np.argmax(deviations.tops[rows], axis=0)
        shares[index] = np.clip(explained[worst, np.arange(len(windows))], 0.0, 1.0)
    return shares


def explained_share(target: Floats, by: Floats, *, at_most_once: bool = True) -> Floats:
    """How much of the variance of one course another one explains: 1 - min over b of Var(target - b by) / Var(target).

    With b between 0 and 1: what one adds arrives at the other once at most, so something small cannot explain something large
    however well it moves with it. Without that limit (only b >= 0) this is the squared correlation, or 0 where that is negative.

    Args:
        target: shape (..., samples), NaN where there is no sample.
        by: the same shape, or one that broadcasts to it.
        at_most_once: whether b is at most 1.

    Returns:
        Shape (...); 0 where fewer than four samples are common or nothing varies.
    """
    both = ~np.isnan(target) & ~np.isnan(by)
    count = np.count_nonzero(both, axis=-1)
    x, y = (_centred(values, both, count) for values in (target, by))
    xx, yy, xy = (x * x).sum(axis=-1), (y * y).sum(axis=-1), (x * y).sum(axis=-1)
    tiny = np.finfo(np.float64).tiny
    slope = np.clip(xy / np.maximum(yy, tiny), 0.0, 1.0 if at_most_once else np.inf)
    share = slope * (2 * xy - slope * yy) / np.maximum(xx, tiny)
    return np.where((count >= FEWEST_COMMON_SAMPLES) & (xx > tiny) & (yy > tiny), np.clip(share, 0.0, 1.0), 0.0)


def counted(amounts: Floats) -> NDArray[np.bool_]:
    """Which units' excess is known, shape (units,)."""
    return np.asarray(~np.isnan(amounts).all(axis=1), dtype=np.bool_)


def at_steps(courses: Floats, steps: NDArray[np.int64]) -> Floats:
    """The values of each course at some steps; NaN where a step is below 0.

    Short gaps are bridged by straight lines: where some samples of either course are lost, what both have left would be too little.

    Args:
        courses: shape (courses, steps).
        steps: shape (..., samples), in order.

    Returns:
        Shape (courses, *steps.shape).
    """
    return _bridged(np.where(steps >= 0, courses[..., np.maximum(steps, 0)], np.nan))


def _bridged(courses: Floats) -> Floats:
    """Fill gaps of up to `LONGEST_GAP` samples by straight lines."""
    size = courses.shape[-1]
    here = np.arange(size)
    known = ~np.isnan(courses)
    before = np.maximum.accumulate(np.where(known, here, -1), axis=-1)
    after = np.minimum.accumulate(np.where(known, here, size)[..., ::-1], axis=-1)[..., ::-1]
    left = np.take_along_axis(courses, np.maximum(before, 0), axis=-1)
    right = np.take_along_axis(courses, np.minimum(after, size - 1), axis=-1)
    line = left + (right - left) * (here - before) / np.maximum(after - before, 1)
    inside = (before >= 0) & (after < size)
    return np.where(~known & inside & (after - before - 1 <= LONGEST_GAP), line, courses)


def _centred(values: Floats, both: NDArray[np.bool_], count: NDArray[np.int64]) -> Floats:
    """Deviations from the mean of the common samples; 0 elsewhere."""
    common = np.where(both, values, 0.0)
    mean = common.sum(axis=-1, keepdims=True) / np.maximum(count, 1)[..., None]
    return np.where(both, common - mean, 0.0)


def _mean(courses: Floats, windows: NDArray[np.int64]) -> Floats:
    """The mean of each course in each window, shape (courses, windows); NaN where it has no sample."""
    values = np.where(windows >= 0, courses[:, np.maximum(windows, 0)], np.nan)
    known = np.count_nonzero(~np.isnan(values), axis=2)
    return np.where(known > 0, np.nansum(values, axis=2) / np.maximum(known, 1), np.nan)


def _counting(units: Sequence[Unit], matrix: SeriesMatrix) -> dict[Group, dict[tuple[str, str], tuple[int, ...]]]:
    """For every quantity that spreads, the series that count the requests that it is a mean of, by service and peer.

    Which quantity that is follows from unit and behaviour: a rate that is neither of bytes nor of time, else whole numbers. Of
    several, the one that exists for the same services, or between the same.
    """
    rates: dict[Group, dict[tuple[str, str], tuple[int, ...]]] = defaultdict(dict)
    whole: dict[Group, dict[tuple[str, str], tuple[int, ...]]] = defaultdict(dict)
    for unit in units:
        if not (Voice.of(unit.family).spreads or unit.group[1].removesuffix("/s") in MEASURED_UNITS):
            (rates if unit.family is Family.TRAFFIC else whole)[unit.group][unit.service, unit.peer] = unit.rows
    whole = {group: rows for group, rows in whole.items() if _counts(matrix, [r for rs in rows.values() for r in rs])}
    found: dict[Group, dict[tuple[str, str], tuple[int, ...]]] = {}
    for group in {unit.group for unit in units if Voice.of(unit.family).spreads}:
        services = {(unit.service, unit.peer) for unit in units if unit.group == group}
        for candidates in (rates, whole):
            likeness = {g: len(services & rows.keys()) / len(services | rows.keys()) for g, rows in candidates.items()}
            best = max(sorted(likeness), key=lambda g: likeness[g], default=None)
            if best is not None and likeness[best] >= SAME_SERVICES:
                found[group] = candidates[best]
                break
    return found


def _counts(matrix: SeriesMatrix, rows: Sequence[int]) -> bool:
    """Whether these series count something: whole numbers, not all below two."""
    values = matrix.values[list(rows)]
    values = values[~np.isnan(values)]
    return bool(values.size and (values >= 0).all() and (values == np.round(values)).all() and values.max() > 1)


def _requests(unit: Unit, matrix: SeriesMatrix, counting: Sequence[int]) -> Floats | None:
    """Requests per step of each of the unit's series, shape (series, steps); None where nobody counts them.

    Where a count is missing, it is taken to be the usual one.
    """
    rows = list(unit.rows)
    if not np.isnan(matrix.counts[rows]).all():
        return np.nan_to_num(matrix.counts[rows])
    if not counting:
        return None
    known = matrix.values[list(counting)]
    counts = np.where(np.isnan(known), robust_baseline(known).centre[:, None], known)
    if len(rows) == 1 == len(counting):
        return counts
    by_instance: dict[str, Floats] = defaultdict(lambda: np.zeros(matrix.axis.steps))
    for row, count in zip(counting, counts, strict=True):
        by_instance[matrix.labels[row].instance] = by_instance[matrix.labels[row].instance] + count
    share = Counter(matrix.labels[row].instance for row in rows)
    return np.array([by_instance[matrix.labels[r].instance] / share[matrix.labels[r].instance] for r in rows])


def _sum(values: Floats) -> Floats:
    """The sum of the series at each step; NaN where none has a sample."""
    return np.where(np.isnan(values).all(axis=0), np.nan, np.nansum(values, axis=0))
