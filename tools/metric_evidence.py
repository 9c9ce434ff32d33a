"""Metric deviations as facts that a person can check, and what could not be seen.

Constants without a source are chosen, not measured: they bound what is read and shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np

from middlewatch.records import Anomaly, AnomalyKind, Mechanism, Sample, Window
from middlewatch.tools.baseline import Floats, burst_steps
from middlewatch.tools.metric_deviations import CLEAR_DEVIATION, Deviations, for_the_worse, incident_steps, onset_split
from middlewatch.tools.metric_neighbours import neighbours
from middlewatch.tools.metric_phases import Habits
from middlewatch.tools.metric_scores import Unit
from middlewatch.tools.metric_series import SeriesMatrix
from middlewatch.tools.wording import clock, listed, quantity, quoted

SERVICES_SHOWN = 5
"""Leading services that get evidence; the vote puts little more than these to hypotheses."""
FACTS_PER_SERVICE = 6
"""Facts per leading service: as many as there are families."""
SAMPLES_SHOWN = 8
"""Values around the onset in an anomaly's sample."""
GAP_STEPS = 3
"""A series has stopped when this many of its usual intervals before the end of the window are missing; fewer are ordinary delay."""
CLEARED_SHOWN = 5
"""Deviations told of that are usual at this time: those that would have been the strongest."""
LEAST_HISTORY = 4
"""Samples without which nobody can say what a series' usual interval is."""


def anomalies(
    units: Sequence[Unit],
    nats: Floats,
    scores: Mapping[str, float],
    matrix: SeriesMatrix,
    deviations: Deviations,
    usual: Habits,
) -> tuple[Anomaly, ...]:
    """The strongest facts about the leading services.

    Args:
        units: what was ranked.
        nats: their evidence in the incident, shape (units,).
        scores: per service; only those above 0 lead.
        matrix: the series.
        deviations: their deviations, less what is usual at this time.
        usual: what is.
    """
    leading = sorted((s for s in scores if scores[s] > 0), key=lambda s: (-scores[s], s))[:SERVICES_SHOWN]
    strongest = [int(i) for i in np.argsort(-nats, kind="stable") if nats[i] > 0]
    chosen: dict[int, None] = {}  # in order, each once: an edge belongs to both of its ends
    for service in leading:
        about = [i for i in strongest if service in (units[i].service, units[i].peer)]
        # The strongest of each family before the second of any: three quantiles of a latency say less than one and the processor.
        # What a service does and what its calls do are told apart: being asked for more is not asking for more.
        foremost = {(units[i].family, units[i].peer != ""): i for i in reversed(about)}.values()
        about.sort(key=lambda i: i not in foremost)
        chosen.update(dict.fromkeys(about[:FACTS_PER_SERVICE]))
    others = neighbours(matrix, deviations)
    return tuple(_anomaly(units[i], float(nats[i]), matrix, deviations, usual, others) for i in chosen)


def cleared(units: Sequence[Unit], nats: Floats, matrix: SeriesMatrix, deviations: Deviations, usual: Habits) -> tuple[str, ...]:
    """In words, what deviates clearly, but no more than it usually does at this time.

    Args:
        units: what was ranked.
        nats: their evidence in the incident, shape (units,); what is left of a deviation is none.
        matrix: the series.
        deviations: their deviations, as compared with the hours before alone.
        usual: what is usual at this time.
    """
    now = deviations.tops[:, 0]
    worst = [max(unit.rows, key=lambda r: float(now[r])) for unit in units]
    innocent = [i for i, row in enumerate(worst) if usual.known[row] and now[row] >= CLEAR_DEVIATION and nats[i] == 0]
    found = sorted(innocent, key=lambda i: -now[worst[i]])
    shown = [
        f"{_summary(worst[i], units[i], matrix, deviations)}, as it usually does {usual.when(worst[i])}"
        for i in found[:CLEARED_SHOWN]
    ]
    if len(found) > len(shown):
        shown.append(f"{len(found) - len(shown)} more deviations of metrics are usual at this time")
    return tuple(shown)


def stopped(matrix: SeriesMatrix) -> tuple[str, ...]:
    """In words, whose metrics stop before the window ends; empty where all of them do, which the freshness already says."""
    axis = matrix.axis
    known = ~np.isnan(matrix.values)
    count = known.sum(axis=1)
    last = axis.steps - 1 - np.argmax(known[:, ::-1], axis=1)
    interval = (last - np.argmax(known, axis=1)) / np.maximum(count - 1, 1)
    silent = (count >= LEAST_HISTORY) & (axis.steps - 1 - last > GAP_STEPS * interval)
    metrics: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, label in enumerate(matrix.labels):
        metrics[label.service][label.metric].append(row)
    gone: dict[str, int] = {}
    partly: list[str] = []
    for service, rows_of in sorted(metrics.items()):
        ended = [rows for rows in rows_of.values() if silent[rows].all()]
        if ended and len(ended) == len(rows_of):
            gone[service] = max(int(last[rows].max()) for rows in ended)
        elif ended:
            partly.append(service)
    if len(gone) == len(metrics):
        return ()
    since = [f"no metrics of {quoted(s)} after {clock(axis.time(step + 1))}" for s, step in gone.items()]
    shown = since[:SERVICES_SHOWN]
    if len(since) > len(shown):
        shown.append(f"no metrics of {len(since) - len(shown)} more services until the end of the window")
    if partly:
        shown.append(f"some metrics stop before the end of the window: {listed(partly)}")
    return tuple(shown)


def _anomaly(
    unit: Unit, strength: float, matrix: SeriesMatrix, deviations: Deviations, usual: Habits, others: frozenset[int]
) -> Anomaly:
    axis = matrix.axis
    row = max(unit.rows, key=lambda r: float(deviations.tops[r, 0]))
    label = matrix.labels[row]
    baseline = float(deviations.baseline.centre[row])
    observed = _observed(row, unit, matrix, deviations)
    first = axis.steps - axis.incident_steps
    split = onset_split(row, axis, deviations)
    too = f"; it usually deviates {usual.when(row)}, too" if usual.known[row] else ""
    return Anomaly(
        kind=AnomalyKind.EDGE if unit.peer else AnomalyKind.METRIC,
        service=unit.service,
        instance=label.instance,
        peer=unit.peer,
        subject=label.subject[:2000],
        family=unit.family,
        unit=label.unit,
        baseline=baseline,
        observed=observed,
        factor=observed / baseline if baseline else None,
        onset=split.onset(axis.start, axis.step_seconds),
        strength=strength,
        window=Window(start=axis.time(first), end=axis.time(axis.steps)),
        baseline_window=Window(start=axis.start, end=axis.time(first)) if first else None,
        mechanism=Mechanism.NEIGHBOUR if row in others else None,
        summary=_summary(row, unit, matrix, deviations) + too + ("; it is others that use its processors" if row in others else ""),
        query=matrix.answer.query,
        samples=_samples(row, split.step, matrix),
    )


def _summary(row: int, unit: Unit, matrix: SeriesMatrix, deviations: Deviations) -> str:
    label = matrix.labels[row]
    of = f"{quoted(label.service)} towards {quoted(label.peer)}" if label.peer else quoted(label.service)
    if label.instance and any(other.service == label.service and other.instance != label.instance for other in matrix.labels):
        of += f" (instance {quoted(label.instance)})"
    baseline, observed = float(deviations.baseline.centre[row]), _observed(row, unit, matrix, deviations)
    verb = "rose" if observed > baseline else "fell"
    times = f" ({quantity(observed / baseline)}x)" if baseline else ""
    values = f"from {quantity(baseline, label.unit)} to {quantity(observed, label.unit)}"
    when = clock(matrix.axis.time(onset_split(row, matrix.axis, deviations).step))
    return f"{quoted(label.metric)} of {of} {verb} {values}{times} at {when}"


def _observed(row: int, unit: Unit, matrix: SeriesMatrix, deviations: Deviations) -> float:
    """The mean of the samples that the deviation was measured on, see `baseline.burst`."""
    steps = incident_steps(matrix.axis)
    worse = for_the_worse(deviations.signed[row : row + 1, steps], (unit.family,))[0]
    return float(matrix.values[row, steps[burst_steps(worse)]].mean())


def _samples(row: int, step: int, matrix: SeriesMatrix) -> tuple[Sample, ...]:
    """The values around the onset, as one line."""
    axis = matrix.axis
    present = np.flatnonzero(~np.isnan(matrix.values[row]))
    before = int(np.searchsorted(present, step))
    shown = present[max(0, before - SAMPLES_SHOWN // 2) : before + SAMPLES_SHOWN // 2]
    if shown.size == 0:
        return ()
    numbers = ", ".join(quantity(float(v)) for v in matrix.values[row, shown])
    every = timedelta(seconds=axis.step_seconds)
    return (Sample(time=axis.time(int(shown[0])), text=f"{numbers} (from {clock(axis.time(int(shown[0])))}, every {every})"),)
