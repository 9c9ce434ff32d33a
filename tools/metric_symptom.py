"""The alarming metric, where the alert names one: what moves with it, and how unusual it is itself.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from middlewatch.records import Brief, Onset, Symptom
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.baseline import Floats, tail_rank, top_mean
from middlewatch.tools.metric_deviations import Deviations, for_the_worse, measure, onset_split
from middlewatch.tools.metric_scores import Unit, Voice, units_of
from middlewatch.tools.metric_series import SeriesMatrix, load_series

FULL_NATS = 4.0
"""What a service is given whose metric moves exactly as the symptom does: odds of 55 to 1, about the most that one metric earns by
its rank."""
FULL_CORRELATION = 0.995
"""Counted as exact: six samples cannot tell more (the Fisher transform, atanh, diverges at 1)."""
OWN_CORRELATION = 0.6
"""The symptom's own service correlates with itself by definition; it gets what a moderately similar service gets."""
FEWEST_SAMPLES = 6
"""Samples that the correlation is taken over, at least; fewer than four in common give none."""
FEWEST_COMMON = 4
CLEAR_DEVIATION = 4.0
"""Scales: twice what quiet windows commonly reach; below it the time of a change is a guess."""
OTHER_VOICE = 0.3
"""What metrics of another voice than the symptom's still count."""
UNRELATED_SHARE = 0.3
"""Share of its score that a service keeps that the symptom's does not depend on, as far as the service map knows. Chosen, not
measured; `deploys` has a weight of its own for changes."""


def co_moving(
    units: Sequence[Unit], nats: Floats, matrix: SeriesMatrix, deviations: Deviations, symptom: Symptom
) -> tuple[Floats, Mapping[Voice, float]] | None:
    """Weigh the evidence of the incident by how much each unit moves with the symptom.

    For units of the symptom's voice, nats = 4 min(1, nats) atanh(rho) / atanh(0.995), with rho Pearson's correlation (at least 0)
    over the last samples; that of the service's own series of the alarming metric where it has one.

    Args:
        units: what was ranked.
        nats: their evidence in the incident, shape (units,).
        matrix: the series.
        deviations: their deviations.
        symptom: the alarming service and metric.

    Returns:
        The weighed evidence, and the weights of the voices; None where the alarming metric is not known here.
    """
    alarming = _alarming(units, symptom)
    if alarming is None:
        return None
    voice = Voice.of(alarming.family)
    look = max(FEWEST_SAMPLES, matrix.axis.incident_steps)
    same = [i for i, u in enumerate(units) if Voice.of(u.family) is voice and not u.peer]
    course = np.array([_course(matrix, u, deviations) for u in [alarming, *(units[i] for i in same)]])
    rho = _correlations(course[1:], course[0], look)
    of_metric = {units[i].service: r for i, r in zip(same, rho, strict=True) if units[i].group[0] == symptom.metric}
    weighed = nats.copy()
    for i, own in zip(same, rho, strict=True):
        r = of_metric.get(units[i].service, own)
        r = min(r, OWN_CORRELATION if units[i].service == symptom.service else FULL_CORRELATION)
        weighed[i] = FULL_NATS * min(1.0, nats[i]) * np.arctanh(r) / np.arctanh(FULL_CORRELATION)
    others = {v: OTHER_VOICE for v in Voice if v is not voice} if voice.spreads else {}
    return weighed, others


def symptom_rarity(units: Sequence[Unit], matrix: SeriesMatrix, deviations: Deviations, symptom: Symptom | None) -> float | None:
    """The rank of the alarming metric's window among all earlier ones of the same length; None where there is too little history.

    Windows slide by one step over the clean part of the baseline. Fewer than four times the window's samples are too few.
    """
    alarming = _alarming(units, symptom) if symptom is not None else None
    if alarming is None:
        return None
    worse = for_the_worse(_course(matrix, alarming, deviations)[None, :], (alarming.family,))[0]
    length = matrix.axis.incident_steps
    now, past = worse[-length:], worse[deviations.clean]
    if np.isnan(now).all() or np.count_nonzero(~np.isnan(past)) < 4 * np.count_nonzero(~np.isnan(now)):
        return None
    observed = top_mean(now)
    earlier = top_mean(np.lib.stride_tricks.sliding_window_view(past, length))
    return float(tail_rank(observed, np.append(earlier, observed)))


def symptom_onset(sources: Sources, brief: Brief) -> Onset | None:
    """When the alarming metric changed its level.

    Args:
        sources: what may be read; only the metrics of the symptom's service are.
        brief: the incident, and the symptom.

    Returns:
        None where no metric is named or known, or where it is not clear that it changed.
    """
    symptom = brief.alert.symptom
    if symptom is None or symptom.metric is None:
        return None
    matrix = load_series(sources, brief.model_copy(update={"services": (symptom.service,)}))
    if not isinstance(matrix, SeriesMatrix):
        return None
    deviations = measure(matrix, brief)
    alarming = _alarming(units_of(matrix.labels, deviations.families), symptom)
    if alarming is None:
        return None
    row = _worst(alarming, deviations)
    if deviations.tops[row, 0] < CLEAR_DEVIATION:
        return None
    return onset_split(row, matrix.axis, deviations).onset(matrix.axis.start, matrix.axis.step_seconds)


def _alarming(units: Sequence[Unit], symptom: Symptom) -> Unit | None:
    return next((u for u in units if (u.service, u.group[0]) == (symptom.service, symptom.metric) and not u.peer), None)


def _course(matrix: SeriesMatrix, unit: Unit, deviations: Deviations) -> Floats:
    """The unit's course over time, in scales: that of its only series, or of the one that deviates most in the incident."""
    return np.asarray(deviations.signed[_worst(unit, deviations), : matrix.axis.steps], dtype=np.float64)


def _worst(unit: Unit, deviations: Deviations) -> int:
    return max(unit.rows, key=lambda row: float(deviations.tops[row, 0]))


def _correlations(courses: Floats, symptom: Floats, look: int) -> Floats:
    """Pearson's correlation of each course with the symptom's over its last `look` samples, at least 0."""
    rho = np.zeros(len(courses))
    for i, course in enumerate(courses):
        last = np.flatnonzero(~np.isnan(course))[-look:]
        common = last[~np.isnan(symptom[last])]
        x, y = course[common], symptom[common]
        if common.size >= FEWEST_COMMON and np.ptp(x) > 0 and np.ptp(y) > 0:
            rho[i] = max(0.0, float(np.corrcoef(x, y)[0, 1]))
    return rho
