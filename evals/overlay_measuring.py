"""Investigate recordings with changes laid over them, each case through the same path as a user's investigation."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from middlewatch.agents.specialist import OpenSources
from middlewatch.alerts import incident_alert
from middlewatch.app import App, open_app
from middlewatch.evals.labels import Label, read_labels
from middlewatch.evals.overlay_cases import Placed, Sort, System, place, sorts
from middlewatch.evals.overlay_recording import SCHEMA, change_rows, real_changes, system_of
from middlewatch.evals.overlay_scores import Answered
from middlewatch.records import Freshness, ImportedRecording, Incident, Query, Report, Scope, Signal, Window
from middlewatch.records.errors import MiddlewatchError, WindowError
from middlewatch.settings import Settings
from middlewatch.telemetry.sources import Answer, Sources


@dataclass(frozen=True, slots=True)
class LaidChanges:
    """A `ChangeSource` over the changes of one case."""

    placed: tuple[Placed, ...]
    horizon: datetime

    def changes(self, window: Window, *, services: Sequence[str] = ()) -> Answer:
        if window.end > self.horizon:
            raise WindowError(f"the window ends at {window.end.isoformat()}, after {self.horizon.isoformat()}")
        rows = change_rows(p for p in self.placed if window.contains(p.time) and (not services or p.service in services))
        table = pa.Table.from_pylist(rows, SCHEMA)
        for name in ("region", "cluster"):
            table = table.append_column(name, pa.array([""] * table.num_rows, pa.string()))
        query = Query(source="overlay", name="changes", window=window, parameters={"services": sorted(services)})
        return Answer(table=table, query=query, freshness=self.freshness(window))

    def freshness(self, window: Window) -> Freshness:
        known = [p.time for p in self.placed if p.time < self.horizon]
        services = len({p.service for p in self.placed if window.contains(p.time)})
        return Freshness(signal=Signal.CHANGES, watermark=max(known, default=None), horizon=self.horizon, services=services)


@dataclass(slots=True)
class Overlay:
    """Opens sources as they are, but for the changes, which are those of one case at a time."""

    beneath: OpenSources
    placed: tuple[Placed, ...] = ()

    def __call__(self, scope: Scope, horizon: datetime) -> Sources:
        return replace(self.beneath(scope, horizon), changes=LaidChanges(self.placed, horizon))


def answers(recording: Path, settings: Settings, *, seeds: int) -> Iterator[Answered]:
    """Investigate every labelled incident of a recording once for each sort of case and seed.

    Where changes were really made nothing is laid over them, and every incident is investigated once.

    Args:
        recording: the folder.
        settings: the back ends and bounds to use.
        seeds: how many times everything is drawn.
    """
    labels, system = read_labels(recording), system_of(recording)
    with open_app(settings) as app:
        overlay = app.open_sources = Overlay(app.telemetry.sources)
        with app.working() as ended:
            imported = app.import_recording(recording)
            for incident in imported.incidents:
                if (label := labels.get(incident.id)) is not None:
                    for sort, seed, placed in _cases(recording, incident, label, system, seeds):
                        overlay.placed = placed
                        report = _investigated(app, ended, imported, incident)
                        yield answered(report, label, placed, sort=sort, seed=seed, system=imported.info.system)


def _cases(
    recording: Path, incident: Incident, label: Label, system: System, seeds: int
) -> Iterator[tuple[Sort, int, tuple[Placed, ...]]]:
    if real := real_changes(recording, incident, label):
        yield Sort.REAL, 0, real
        return
    for seed in range(seeds):
        for sort in sorts(label):
            if sort is not Sort.NONE or seed == 0:  # nothing is drawn for it
                yield sort, seed, place(incident, label, sort, system, seed)


def _investigated(app: App, ended: threading.Event, imported: ImportedRecording, incident: Incident) -> Report:
    alert = incident_alert(app.settings.tenant, imported.name, incident, imported.incidents)
    opened = app.investigate(alert, recording=imported.name, models=False)
    for _ in app.follow(opened.id, stopped=ended.is_set):
        pass
    report = app.report(opened.id)
    if report is None:
        raise MiddlewatchError(f"The investigation of incident {incident.id!r} ended without a report.")
    return report


def answered(report: Report, label: Label, placed: tuple[Placed, ...], *, sort: Sort, seed: int, system: str) -> Answered:
    """What a report says of a case."""
    facts = {fact.id: fact.anomaly for fact in report.evidence}
    blamed = [facts[cause.change] for cause in report.causes if cause.change is not None]
    when = {(fact.service, fact.onset.at) for fact in blamed if fact.onset is not None}
    ranking = report.ranking
    alone = ranking and (len(ranking) == 1 or ranking[0].score > ranking[1].score)
    return Answered(
        system=system,
        incident=label.incident,
        kind=label.root_cause_kind,
        sort=sort,
        seed=seed,
        truth=label.root_cause_service,
        first=ranking[0].service if alone else None,
        named=tuple(cause.service for cause in report.causes),
        changes=placed,
        blamed=tuple(change for change in placed if (change.service, change.time) in when),
    )
