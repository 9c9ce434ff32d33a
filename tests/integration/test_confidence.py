"""Invariant: a finding of a live investigation is as sure as people found such findings to be right, whatever a model says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import JsonValue
from redis import Redis

from middlewatch.agents.calibration import ENOUGH, confidence
from middlewatch.agents.language_model.scripted import Line, ScriptedModel
from middlewatch.agents.language_model.seam import Request
from middlewatch.alerts import incident_alert
from middlewatch.app import App
from middlewatch.models import BudgetEntry, Opened
from middlewatch.records import AgentName, CauseKind, ImportedRecording, ModelEvaluation, Principal, Report, Trials, Verdict, Voice
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.working import at_work
from tests.acceptance.incident import record_incident
from tests.reports import finding
from tests.scripted_mind import mind
from tests.store_fixtures import redis
from tests.web_site import WebSite, open_web_site

__all__ = ["redis"]

EVALUATION = ModelEvaluation(
    model="scripted-1",
    provider="scripted",
    at=datetime(2026, 11, 22, tzinfo=UTC),
    by="nobody",
    engine="middlewatch 1",
    questions="q",
    incidents=60,
    masked=True,
    trials=tuple(Trials(agent=agent, kind=CauseKind.CODE, right=60, wrong=0) for agent in AgentName),
)
"""Of a model that was never wrong."""


def stating(probability: float) -> ScriptedModel:
    """A model that says of every hypothesis that it is right with this probability."""
    script = mind(lambda _told: True).script

    def say(request: Request) -> Line:
        answer: Mapping[str, JsonValue] = script(request).answer or {}
        votes = answer.get("votes", [])
        assert isinstance(votes, list)
        surely: list[JsonValue] = [vote | {"probability": probability} for vote in votes if isinstance(vote, dict)]
        return Line(answer=dict(answer) | {"votes": surely} if "votes" in answer else answer)

    return ScriptedModel(say)


def answered(app: App, recording: ImportedRecording, name: str, probability: float) -> Report:
    """What is reported where such a model was asked."""
    app.reasoning.instead = Opened("near", stating(probability), None, BudgetEntry())
    (incident,) = recording.incidents
    alert = incident_alert(app.settings.tenant, recording.name, incident, ()).model_copy(update={"source_id": name})
    with at_work(lambda stop: app.worker(name).run(stop), "worker", {}):
        opened = app.investigate(alert, recording=recording.name, name=name)
        for _ in app.follow(opened.id):
            pass
    report = app.report(opened.id)
    assert report is not None
    return report


def judged(site: WebSite, person: Principal) -> None:
    """Findings that were stated with 99 %, of which half were right."""
    told = finding().model_copy(update={"confidence": 0.99})
    for number in range(2 * ENOUGH):
        seeded = site.seed(told)
        verdict = Verdict.RIGHT if number % 2 else Verdict.WRONG
        site.app.handlings.give_feedback(seeded.id, verdict, person, face="web")


def test_a_finding_is_as_sure_as_people_found_such_findings_right(redis: Redis, clickhouse: ClickHouse, tmp_path: Path) -> None:
    with open_web_site(redis, clickhouse, tmp_path) as site:
        mia = next(person for person in site.app.approvals.people() if person.id == "mia")
        recording = site.app.import_recording(record_incident(tmp_path / "recording"))
        site.app.model_weights.record(EVALUATION, mia, face="cli")
        before = {p: answered(site.app, recording, f"before-{p}", p) for p in (0.6, 0.99)}
        assert all(report.calibration is None for report in before.values())
        votes = [vote for row in before[0.99].hypotheses for vote in row.votes if vote.voice is Voice.MODEL]
        assert max(vote.weight for vote in votes) > 0.9, "it has all the weight that a model can have"

        judged(site, mia)
        app = site.app_beside()
        calibration = app.model_weights.calibration()
        assert calibration.applied
        for probability, was in before.items():
            now = answered(app, recording, f"after-{probability}", probability)
            assert now.calibration is not None
            assert now.calibration.stated == pytest.approx(was.confidence)
            assert now.confidence == now.causes[0].confidence == confidence(now.calibration.stated, calibration)
            assert now.confidence < was.confidence - 0.1
