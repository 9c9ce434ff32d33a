"""What middlewatch answered to each incident of a recording, beside what was done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydantic import Field

from middlewatch.alerts import incident_alert
from middlewatch.app import App, open_app
from middlewatch.evals.evaluation import prediction_of
from middlewatch.evals.lab.faults import QUIET
from middlewatch.evals.lab.truth import TrueIncident, read_truth
from middlewatch.records import AnomalyKind, Incident, Prediction, Record, Report
from middlewatch.records.errors import MiddlewatchError
from middlewatch.settings import Settings


class Blamed(Record):
    """A change that a finding blames."""

    service: str
    kind: str


class LabAnswer(Record):
    """One incident, answered."""

    recording: str
    requests_per_second: float
    truth: TrueIncident
    prediction: Prediction
    blamed: tuple[Blamed, ...] = Field(description="changes that the finding blames")
    seconds_to_cause: float = Field(ge=0.0, description="from the alert to the report")


def answers(recording: Path, settings: Settings) -> Iterator[LabAnswer]:
    """Investigate every incident of a recording of the lab, and its quiet moments.

    Args:
        recording: the folder.
        settings: the back ends and bounds to use.
    """
    with open_app(settings) as app, app.working() as ended:
        yield from _answered(app, ended, recording, lambda incidents, quiet: (*incidents, *quiet))


def replay(recordings: Iterable[Path], settings: Settings) -> Iterator[LabAnswer]:
    """Investigate the last incident of each recording, which is what was cut out where it was (`cutting`).

    Args:
        recordings: folders.
        settings: as above.
    """
    with open_app(settings) as app, app.working() as ended:
        for recording in recordings:
            yield from _answered(app, ended, recording, lambda incidents, _: incidents[-1:])


Incidents = tuple[Incident, ...]


def _answered(
    app: App, ended: threading.Event, recording: Path, chosen: Callable[[Incidents, Incidents], Incidents]
) -> Iterator[LabAnswer]:
    """The answers to some of a recording's incidents and quiet moments."""
    truth = read_truth(recording)
    told = {incident.incident: incident for incident in truth.incidents}
    told |= {moment.id: _nothing_wrong(moment) for moment in truth.quiet}
    imported = app.import_recording(recording)
    for incident in chosen(imported.incidents, truth.quiet):
        alert = incident_alert(app.settings.tenant, imported.name, incident, imported.incidents)
        began = time.monotonic()
        opened = app.investigate(alert, recording=imported.name, models=False)
        for _ in app.follow(opened.id, stopped=ended.is_set):
            pass
        seconds = time.monotonic() - began
        report = app.report(opened.id)
        if report is None:
            raise MiddlewatchError(f"The investigation of incident {incident.id!r} ended without a report.")
        yield LabAnswer(
            recording=recording.name,
            requests_per_second=truth.requests_per_second,
            truth=told[incident.id],
            prediction=prediction_of(incident.id, report, seconds),
            blamed=blamed_in(report),
            seconds_to_cause=seconds,
        )


def _nothing_wrong(moment: Incident) -> TrueIncident:
    return TrueIncident(
        incident=moment.id,
        name=QUIET,
        causes=(),
        changes=(),
        detected_at=moment.detected_at,
        mended_at=None,
        recovered_at=None,
    )


def blamed_in(report: Report) -> tuple[Blamed, ...]:
    """The changes that a finding blames."""
    facts = {fact.id: fact.anomaly for fact in report.evidence}
    found = [facts[cause.change] for cause in report.causes if cause.change in facts]
    return tuple(
        Blamed(service=each.service, kind=each.change.value if each.change else "")
        for each in found
        if each.kind is AnomalyKind.CHANGE
    )
