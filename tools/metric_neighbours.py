"""Whose processor others use: what runs beside a service and takes its time from it.

Two facts show it, by the names of the conventions: processors are stolen from the machine that an instance runs on, or what it runs
in uses more of them while its own process does not. What is known only of a host, and not of the instances on it, is not seen: a
series has an instance and no host.

Constants without a source are chosen, not derived, and not measured.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from middlewatch.telemetry.conventions import AROUND_CPU, OWN_CPU, is_steal
from middlewatch.tools.baseline import burst_steps
from middlewatch.tools.metric_deviations import CLEAR_DEVIATION, Deviations, for_the_worse, incident_steps
from middlewatch.tools.metric_series import SeriesMatrix

OWN_SHARE = 0.5
"""Of the growth around them, what an instance's own processes may have grown by for others to be the reason."""


def neighbours(matrix: SeriesMatrix, deviations: Deviations) -> frozenset[int]:
    """The series that show that others use an instance's processors, by row.

    Its steal time rises clearly, or what its container or pod uses of the processors does, and what its own process uses grows by
    less than half as much of what is usual. Where nothing is known of its own process, nobody can tell.

    Args:
        matrix: the series.
        deviations: their deviations.
    """
    own: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, label in enumerate(matrix.labels):
        if label.metric in OWN_CPU | AROUND_CPU:
            own[label.service, label.instance][label.metric].append(row)
    found = set()
    for row in (int(r) for r in np.flatnonzero(deviations.tops[:, 0] >= CLEAR_DEVIATION)):
        label = matrix.labels[row]
        if is_steal(label.metric, label.attributes) and _growth([row], row, matrix, deviations) > 0:
            found.add(row)
        elif label.metric in AROUND_CPU:
            here = own[label.service, label.instance]
            grown = {metric: _growth(rows, row, matrix, deviations) for metric, rows in here.items()}
            itself = [growth for metric, growth in grown.items() if metric in OWN_CPU and not np.isnan(growth)]
            if itself and grown[label.metric] > 0 and max(itself) < OWN_SHARE * grown[label.metric]:
                found.add(row)
    return frozenset(found)


def _growth(rows: Sequence[int], where: int, matrix: SeriesMatrix, deviations: Deviations) -> float:
    """By how much of their usual sum some series grow while another one deviates most: 1 where it doubles.

    Args:
        rows: the series, such as the modes of one metric.
        where: the one that deviates.
        matrix: the series.
        deviations: their deviations.

    Returns:
        NaN where they have no sample then, or no baseline.
    """
    own, steps = np.array(rows), incident_steps(matrix.axis)
    worse = for_the_worse(deviations.signed[where : where + 1, steps], (deviations.families[where],))[0]
    centre = deviations.baseline.centre[own]
    beyond = matrix.values[np.ix_(own, steps[burst_steps(worse)])] - centre[:, None]
    known = (~np.isnan(beyond)).any(axis=1) & (deviations.baseline.count[own] > 0)
    usual = float(centre[known].sum())
    grown = float(np.nanmean(beyond[known], axis=1).sum()) if known.any() else np.nan
    return grown / usual if usual > 0 else (np.inf if grown > 0 else grown)
