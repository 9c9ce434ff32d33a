"""The metrics of a changed service around its changes: did its earlier changes do the same, and do its older instances fare better?

Constants without a source are chosen, not measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np

from middlewatch.records import Brief
from middlewatch.telemetry.sources import Sources
from middlewatch.tools.baseline import Floats, burst
from middlewatch.tools.change_records import Change
from middlewatch.tools.change_timing import LATE_SECONDS
from middlewatch.tools.metric_deviations import CLEAR_DEVIATION, for_the_worse, measure
from middlewatch.tools.metric_scores import Unit, units_of
from middlewatch.tools.metric_series import Axis, Labels, SeriesMatrix, load_series
from middlewatch.tools.wording import listed, quoted

AS_MUCH = 0.5
"""Share of a deviation from which another one counts as the same."""
FEWEST_EARLIER = 2
"""Earlier changes with the same effect that make it usual; one may have been as bad."""
FEWEST_STEPS = 2
"""Samples that an instance needs before and after a change to be compared."""


@dataclass(frozen=True, slots=True, eq=False)
class ServiceMetrics:
    """All series of one service, as deviations for the worse."""

    axis: Axis
    labels: tuple[Labels, ...]
    units: tuple[Unit, ...]
    worse: Floats
    """Shape (series, steps), in scales; NaN without a sample."""

    @classmethod
    def of(cls, sources: Sources, brief: Brief, service: str) -> Self | None:
        """Read them; None where the service has none.

        Args:
            sources: what may be read; only metrics are.
            brief: the incident and its baseline.
            service: the changed service.
        """
        matrix = load_series(sources, brief.model_copy(update={"services": (service,)}))
        if not isinstance(matrix, SeriesMatrix):
            return None
        deviations = measure(matrix, brief)
        worse = for_the_worse(deviations.signed, deviations.families)
        return cls(matrix.axis, matrix.labels, units_of(matrix.labels, deviations.families), worse)

    @property
    def known_seconds(self) -> float:
        """How long the service has been known: from its first sample on."""
        first = int(np.argmax(~np.isnan(self.worse).all(axis=0)))
        return (self.axis.steps - first) * self.axis.step_seconds

    def usual_effect(self, change: Change, earlier: Sequence[Change]) -> str:
        """In words, that the effect of a change is what changes of this service always do; empty where it is not.

        What deviates most from before the change is compared with the same metric after the earlier ones.

        Args:
            change: the suspect.
            earlier: changes of the same kind and service that no incident followed.
        """
        first = self._step(change.time)
        effects = self._effects(first, self.axis.steps)
        steps = [step for step in (self._step(c.time) for c in earlier) if step + self.axis.incident_steps <= first]
        compared = [e for e in (self._effects(step, step + self.axis.incident_steps) for step in steps) if e is not None]
        if effects is None or not compared or effects.max() < CLEAR_DEVIATION:
            return ""
        unit = int(np.argmax(effects))
        same = sum(1 for e in compared if e[unit] >= AS_MUCH * effects[unit])
        if same < FEWEST_EARLIER or same <= len(compared) / 2:
            return ""
        return (
            f"{quoted(self.units[unit].group[0])} deviated as much after {same} of its {len(compared)} earlier ones, without harm"
        )

    def instances(self, change: Change) -> Canary | None:
        """Compare the instances that a change brought with those that outlive it; None where there are not both.

        One that is silent at the end, for longer than ever before, was replaced: what it met with until then does not clear what
        replaced it.
        """
        first = self._step(change.time)
        started = self._step(change.time, -LATE_SECONDS)
        present = np.flatnonzero(~np.isnan(self.worse).all(axis=0))
        old: dict[str, list[int]] = {}
        new: dict[str, list[int]] = {}
        for instance in sorted({label.instance for label in self.labels if label.instance}):
            rows = [row for row, label in enumerate(self.labels) if label.instance == instance]
            seen = np.flatnonzero(~np.isnan(self.worse[rows]).all(axis=0))
            if np.count_nonzero(seen >= first) >= FEWEST_STEPS:
                if np.count_nonzero(seen < started) >= FEWEST_STEPS:
                    if present[-1] - seen[-1] < np.diff(seen).max():
                        old[instance] = rows
                elif seen[0] >= started:
                    new[instance] = rows
        if not old or not new:
            return None
        tops = burst(self.worse[:, first:])
        on_old, on_new = (self._of_units(tops, [row for rows in group.values() for row in rows]) for group in (old, new))
        return Canary(tuple(old), tuple(new), tuple(unit.group[0] for unit in self.units), on_old, on_new)

    def _effects(self, step: int, end: int) -> Floats | None:
        """How much more each unit deviates from a step on than before it, shape (units,); None where too little is known."""
        length = self.axis.incident_steps
        if step < length or end <= step:
            return None
        before, after = self.worse[:, step - length : step], self.worse[:, step:end]
        everything = range(len(self.labels))
        return np.maximum(self._of_units(burst(after), everything) - self._of_units(burst(before), everything), 0.0)

    def _of_units(self, tops: Floats, rows: Sequence[int]) -> Floats:
        """The worst of these series in each unit; 0 where it has none of them."""
        chosen = set(rows)
        return np.array([max((float(tops[r]) for r in unit.rows if r in chosen), default=0.0) for unit in self.units])

    def _step(self, moment: datetime, offset_seconds: float = 0.0) -> int:
        """The first whole step after a moment."""
        seconds = (moment - self.axis.start).total_seconds() + offset_seconds
        return min(max(0, math.ceil(seconds / self.axis.step_seconds)), self.axis.steps)


@dataclass(frozen=True, slots=True, eq=False)
class Canary:
    """Old and new instances at the same time, under the same load."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    metrics: tuple[str, ...]
    on_old: Floats
    """The worst deviation of each metric, in scales, shape (units,)."""
    on_new: Floats

    @property
    def alike(self) -> str:
        """In words, that the old instances fare no better; empty where they do, or where nothing deviates clearly."""
        affected = np.flatnonzero(self.on_new >= CLEAR_DEVIATION)
        both = affected[self.on_old[affected] >= np.maximum(CLEAR_DEVIATION, AS_MUCH * self.on_new[affected])]
        if not affected.size or 2 * both.size <= affected.size:
            return ""
        metric = self.metrics[int(both[np.argmax(self.on_old[both])])]
        return f"what runs since before it, {listed(list(self.old))}, fares no better by {quoted(metric)}"

    @property
    def only_new(self) -> str:
        """In words, that only the new instances are affected; empty where that is not so."""
        if self.on_new.max(initial=0.0) < CLEAR_DEVIATION or self.on_old.max(initial=0.0) >= CLEAR_DEVIATION:
            return ""
        metric = self.metrics[int(np.argmax(self.on_new))]
        return (
            f"by {quoted(metric)} only what is new with it is affected, {listed(list(self.new))} and not {listed(list(self.old))}"
        )
