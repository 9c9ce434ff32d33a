"""Answer every incident of a recording through the same path as a user's investigation. Labels are not read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from middlewatch.alerts import incident_alert
from middlewatch.app import open_app
from middlewatch.evals.degradations import named
from middlewatch.evals.degrade import degraded
from middlewatch.records import AgentName, KindChance, Outcome, Prediction, Report
from middlewatch.records.errors import MiddlewatchError
from middlewatch.settings import Settings


def predictions(
    recording: Path,
    settings: Settings,
    *,
    agents: tuple[AgentName, ...],
    degradations: tuple[str, ...] = (),
    seed: int = 0,
) -> Iterator[Prediction]:
    """One prediction for each incident, as soon as it is made.

    Args:
        recording: the folder.
        settings: the back ends and bounds to use.
        agents: which agents take part.
        degradations: names of what is done to the recording before, in order.
        seed: what they draw is drawn from it.
    """
    with (
        degraded(recording, named(degradations), seed=seed, near=settings.data_dir.parent) as folder,
        open_app(settings) as app,
        app.working() as ended,
    ):
        imported = app.import_recording(folder)
        for incident in imported.incidents:
            alert = incident_alert(settings.tenant, imported.name, incident, imported.incidents)
            started = time.monotonic()
            opened = app.investigate(alert, recording=imported.name, agents=agents, models=False)
            for _ in app.follow(opened.id, stopped=ended.is_set):
                pass
            report = app.report(opened.id)
            if report is None:
                raise MiddlewatchError(f"The investigation of incident {incident.id!r} ended without a report.")
            yield prediction_of(incident.id, report, time.monotonic() - started)


def prediction_of(incident: str, report: Report, seconds: float) -> Prediction:
    """What a report says about an incident, in the few words that are scored."""
    cause = report.hypotheses[0].hypothesis.cause if report.hypotheses else None
    return Prediction(
        incident=incident,
        ranking=tuple((row.service, row.score) for row in report.ranking),
        confidence=report.confidence,
        inconclusive=report.outcome is Outcome.INCONCLUSIVE,
        seconds=round(seconds, 3),
        causes=tuple(cause.service for cause in report.causes),
        kind=KindChance(kind=cause.kind, detail=cause.detail, probability=cause.probability) if cause else None,
        onset=report.onset,
    )
