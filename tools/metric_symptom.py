"""The alarming metric, where the alert names one: what moves with it, and how unusual it is itself.

Constants without a source are chosen, not derived, and not measured one by one. Whole configurations were compared on development
recordings, so what is reached there does not confirm them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from middlewatch.records import Brief, Edge, Family, Onset, Symptom
from middlewatch.telemetry.conventions import resource_of
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.baseline import Floats, burst, tail_rank
from middlewatch.tools.metric_deviations import CLEAR_DEVIATION, Deviations, for_the_worse, measure, onset_split
from middlewatch.tools.metric_excess import at_steps, counted, explained_share
from middlewatch.tools.metric_scores import USUAL_DEVIATION, Unit, Voice, units_of
from middlewatch.tools.metric_series import Axis, SeriesMatrix, load_series

FULL_NATS = 4.0
"""What a service is given whose metric moves exactly as the symptom does: odds of 55 to 1, about the most that one metric earns by
its rank."""
FULL_CORRELATION = 0.995
"""Counted as exact: a dozen samples cannot tell more (the Fisher transform, atanh, diverges at 1)."""
OWN_SHARE = 0.25
"""What the symptom's own service keeps of its evidence: that it is ill is known, and no reason to take it for the cause."""
FEWEST_SAMPLES_LOOKED_AT = 6
"""Samples that the correlation is taken over, at least."""
LOOK_WINDOWS = 2
"""The correlation is taken over this many windows: the incident's, and one before it that shows the change."""
OTHER_VOICE = 0.3
"""What metrics of another voice than the symptom's still count."""
UNRELATED_SHARE = 0.3
"""What is kept of a service's score that the symptom's does not depend on, as far as the service map knows, and of the latency and
failures of one that no request passes through. Chosen, not measured; `deploys` has a weight of its own for changes."""


def felt_shares(units: Sequence[Unit], edges: Iterable[Edge]) -> Floats:
    """What is kept of each unit's evidence: who is slow or fails where no request passes is felt by nobody.

    Latency and failures of a service that the service map does not know keep `UNRELATED_SHARE`. Everything else, and everything
    where there is no map, is kept whole: a host or a database that no span names can still be what runs out.

    Returns:
        Shape (units, 1).
    """
    known = {end for edge in edges for end in (edge.caller, edge.callee)}
    unfelt = [bool(known) and not u.peer and Voice.of(u.family).spreads and u.service not in known for u in units]
    return np.where(unfelt, UNRELATED_SHARE, 1.0)[:, None]


def look(axis: Axis) -> int:
    """Samples that courses are compared over."""
    return max(FEWEST_SAMPLES_LOOKED_AT, LOOK_WINDOWS * axis.incident_steps)


def co_moving(
    units: Sequence[Unit], nats: Floats, amounts: Floats, matrix: SeriesMatrix, deviations: Deviations, symptom: Symptom
) -> tuple[Floats, Mapping[Voice, float]] | None:
    """Weigh the evidence of the incident by how much of the symptom each unit explains.

    With r the square root of the share that a unit explains of the symptom's course (`explained_share`), units of the symptom's
    voice get nats = 4 min(1, nats) atanh(r) / atanh(0.995). Where the alarming metric is counted at a service, what explains is its
    excess there, which can arrive at the symptom once at most; else it is the unit's course in scales, and r the correlation. Units
    of other voices keep nats r, with r the correlation (either way, for what does not spread); where the symptom's voice does not
    spread, such as that of a queue that grows, they keep all, since trouble elsewhere need not have its course. Units of the
    symptom's own service keep a quarter of theirs, and those about calls that speak with the symptom's voice all. Where a resource
    such as memory alarms, its own service is treated as any other: what runs out does so where it is measured.

    Args:
        units: what was ranked.
        nats: their evidence in the incident, shape (units,).
        amounts: their excess, as from `excess`.
        matrix: the series.
        deviations: their deviations.
        symptom: the alarming service and metric.

    Returns:
        The weighed evidence, and the weights of the other voices, none where the symptom's does not spread; None where the alarming
        metric is not known here.
    """
    alarming = _alarming(units, symptom)
    if alarming is None:
        return None
    voice = Voice.of(alarming.family)
    own_resource = not voice.spreads and bool(resource_of(alarming.group[0]))
    recent = deviations.recent(matrix.axis, look(matrix.axis))[0]
    course = at_steps(np.array([_course(unit, deviations) for unit in units]), recent)
    ill = units.index(alarming)
    explained = explained_share(course[ill], course, at_most_once=False)
    explained_falling = explained_share(course[ill], -course, at_most_once=False)
    by_amount = explained_share(at_steps(amounts[ill], recent), at_steps(amounts, recent))
    known = counted(amounts)
    of_metric = {
        unit.service: float(by_amount[i] if known[ill] and known[i] else explained[i])
        for i, unit in enumerate(units)
        if unit.group == alarming.group and not unit.peer
    }
    weighed = nats.copy()
    for i, unit in enumerate(units):
        if unit.service == symptom.service and not unit.peer and not own_resource:
            weighed[i] *= OWN_SHARE
        elif Voice.of(unit.family) is not voice:
            both = max(explained[i], explained_falling[i])
            weighed[i] *= math.sqrt(explained[i] if Voice.of(unit.family).spreads else both) if voice.spreads else 1.0
        elif not unit.peer:
            r = min(FULL_CORRELATION, math.sqrt(of_metric.get(unit.service, float(explained[i]))))
            weighed[i] = FULL_NATS * min(1.0, nats[i]) * math.atanh(r) / math.atanh(FULL_CORRELATION)
    others = {v: OTHER_VOICE for v in Voice if v is not voice} if voice.spreads else {}
    return weighed, others


def symptom_rarity(units: Sequence[Unit], matrix: SeriesMatrix, deviations: Deviations, symptom: Symptom | None) -> float | None:
    """The rank of the alarming metric's window among all earlier ones of the same length; None where there is too little history.

    Windows slide by one step over the clean part of the baseline. Fewer than four times the window's samples are too few.
    """
    alarming = _alarming(units, symptom) if symptom is not None else None
    if alarming is None:
        return None
    worse = for_the_worse(deviations.signed[[_worst(alarming, deviations)]], (alarming.family,))[0]
    length = matrix.axis.incident_steps
    now, past = worse[-length:], worse[deviations.clean]
    if np.isnan(now).all() or np.count_nonzero(~np.isnan(past)) < 4 * np.count_nonzero(~np.isnan(now)):
        return None
    observed = deviations.tops[_worst(alarming, deviations), 0]  # less what is usual at this time
    earlier = burst(np.lib.stride_tricks.sliding_window_view(past, length))
    return float(tail_rank(observed, np.append(earlier, observed)))


def symptom_as_usual(units: Sequence[Unit], matrix: SeriesMatrix, deviations: Deviations, symptom: Symptom | None) -> bool:
    """Whether the alarming metric is known, and no further from its baseline than in any quiet window."""
    alarming = _alarming(units, symptom) if symptom is not None else None
    if alarming is None:
        return False
    now = deviations.signed[list(alarming.rows), -matrix.axis.incident_steps :]
    return not np.isnan(now).all() and bool(deviations.tops[list(alarming.rows), 0].max() < USUAL_DEVIATION)


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


def _course(unit: Unit, deviations: Deviations) -> Floats:
    """The unit's course in scales, larger is worse: that of its only series, or of the one that deviates most in the incident."""
    course: Floats = deviations.signed[_worst(unit, deviations)]
    return -course if unit.family is Family.SUCCESS else course


def _worst(unit: Unit, deviations: Deviations) -> int:
    return max(unit.rows, key=lambda row: float(deviations.tops[row, 0]))
