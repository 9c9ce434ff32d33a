"""A recorded evaluation gives a model its weight, operators' verdicts move it, and both outlive restarts and are in backups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis

from middlewatch.agents.calibration import ENOUGH
from middlewatch.context_store.backup import backup, restore
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.model_weights import FRESH_SECONDS, ModelWeights
from middlewatch.records import (
    MCP,
    AgentName,
    Calibrated,
    CauseKind,
    Feedback,
    Handling,
    Headline,
    Investigation,
    ModelEvaluation,
    Position,
    Principal,
    Report,
    Trials,
    Verdict,
    Voice,
    Vote,
)
from middlewatch.records.errors import Refused, StoreUnavailable
from tests.approval_data import TENANT, Office
from tests.reports import finding
from tests.store_data import make_investigation
from tests.store_fixtures import redis

__all__ = ["redis"]

MODEL = "m-1"
PROVIDER = "anthropic"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
REPORT = finding()
LEADING = REPORT.hypotheses[0]
KIND = LEADING.hypothesis.cause.kind if LEADING.hypothesis.cause else CauseKind.UNKNOWN
EVALUATION = ModelEvaluation(
    model=MODEL,
    provider=PROVIDER,
    at=NOW,
    by="nobody",
    engine="middlewatch 1",
    questions="q",
    incidents=12,
    masked=True,
    trials=(Trials(agent="logs", kind=KIND, right=10, wrong=2),),
)


def reasoned(position: Position = Position.SUPPORT) -> Report:
    """A finding that the logs agent's model had voted on, stated with 80 %."""
    said = Vote(
        tenant=REPORT.tenant,
        investigation=REPORT.investigation,
        hypothesis=LEADING.hypothesis.id,
        agent=AgentName.LOGS,
        round=LEADING.hypothesis.round,
        position=position,
        strength=1.0,
        reason="x",
        voice=Voice.MODEL,
        model=MODEL,
        weight=0.0,
    )
    leading = LEADING.model_copy(update={"votes": (*LEADING.votes, said)})
    return REPORT.model_copy(update={"hypotheses": (leading, *REPORT.hypotheses[1:]), "confidence": 0.8})


class Site:
    """What the weights are counted from, and a clock that needs no waiting."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.reports: dict[str, Report | Exception] = {}
        self.said: dict[str, Handling] = {}
        self.read: list[str] = []

    def answered(self, name: str, report: Report | Exception, verdict: Verdict | None, *, face: str = "web") -> None:
        self.reports[name] = report
        told = () if verdict is None else (Feedback(by="leo", at=NOW, verdict=verdict, face=face),)
        self.said[name] = Handling(feedback=told)

    def weights(self) -> ModelWeights:
        """As a process has them that has just started."""
        return ModelWeights(self.office.desk, TENANT, self._investigations, self._handlings, self._report)

    def of_logs(self) -> float:
        return self.weights().weights(PROVIDER).of(MODEL, "logs", KIND)

    def _investigations(self, limit: int) -> Sequence[Investigation]:
        rows = [make_investigation(identifier=name) for name in self.reports]
        return [row.model_copy(update={"headline": Headline.of(REPORT)}) for row in rows][:limit]

    def _handlings(self, names: Sequence[str]) -> Mapping[str, Handling]:
        return {name: self.said[name] for name in names}

    def _report(self, name: str) -> Report:
        self.read.append(name)
        found = self.reports[name]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def site(redis: Redis, tmp_path: Path) -> Site:
    redis.flushall()
    return Site(Office.open(redis, tmp_path))


def person(site: Site, name: str = "leo") -> Principal:
    found = site.office.policy.person(name)
    assert found is not None
    return found


def test_a_recorded_evaluation_gives_a_weight_that_outlives_restarts(site: Site) -> None:
    site.answered("inv-9", reasoned(), Verdict.RIGHT)
    assert site.of_logs() == 0.0
    assert site.read == [], "without an evaluation nobody asks what people said"
    kept = site.weights().record(EVALUATION, person(site), face="cli")
    assert kept.by == "leo", "who recorded it is the one who did"
    assert site.weights().evaluations() == (kept,)
    assert site.of_logs() > 0.3
    (row,) = site.office.audit.store.read(TENANT)
    assert (row.event.event, row.event.actor, row.event.obj) == ("model.evaluated", "leo", MODEL)


def test_a_later_evaluation_of_the_same_model_takes_its_place_and_another_model_has_its_own(site: Site) -> None:
    weights = site.weights()
    weights.record(EVALUATION, person(site), face="cli")
    weights.record(EVALUATION.model_copy(update={"model": "m-2"}), person(site), face="cli")
    worse = EVALUATION.model_copy(update={"trials": (Trials(agent="logs", kind=KIND, right=1, wrong=9),)})
    weights.record(worse, person(site), face="cli")
    assert [one.model for one in weights.evaluations()] == ["m-2", MODEL]
    assert site.of_logs() == 0.0
    assert weights.weights(PROVIDER).of("m-2", "logs", KIND) > 0.0


def test_the_same_name_at_another_provider_has_no_weight(site: Site) -> None:
    weights = site.weights()
    weights.record(EVALUATION, person(site), face="cli")
    assert weights.weights(PROVIDER).of(MODEL, "logs", KIND) > 0.0
    assert weights.weights("compatible").of(MODEL, "logs", KIND) == 0.0


def test_a_weight_can_be_taken_away(site: Site) -> None:
    weights = site.weights()
    assert not weights.forget(MODEL, person(site), face="cli"), "it had none"
    weights.record(EVALUATION, person(site), face="cli")
    assert weights.forget(MODEL, person(site), face="cli")
    assert site.of_logs() == 0.0
    assert [row.event.event for row in site.office.audit.store.read(TENANT)] == ["model.evaluated", "model.silenced"]


def test_whom_policy_does_not_know_gives_no_weight(site: Site) -> None:
    gone = person(site).model_copy(update={"id": "gone"})
    for principal in (None, gone):
        with pytest.raises(Refused):
            site.weights().record(EVALUATION, principal, face="cli")
        with pytest.raises(Refused):
            site.weights().forget(MODEL, principal, face="cli")
    assert site.weights().evaluations() == ()
    assert {row.event.event for row in site.office.audit.store.read(TENANT)} == {"model.refused"}


def test_verdicts_of_people_move_a_weight(site: Site) -> None:
    site.weights().record(EVALUATION, person(site), face="cli")
    before = site.of_logs()
    for number in range(4):
        site.answered(f"inv-{number}", reasoned(), Verdict.RIGHT)
    praised = site.of_logs()
    for number in range(4):
        site.answered(f"inv-{number}", reasoned(), Verdict.WRONG)
    assert site.of_logs() < before < praised
    for number in range(4):
        site.answered(f"inv-{number}", reasoned(Position.OPPOSE), Verdict.WRONG)
    assert site.of_logs() == praised, "who had opposed what was wrong was right"


def test_verdicts_count_alike_before_the_evaluation_and_after_it(site: Site) -> None:
    site.answered("inv-1", reasoned(), Verdict.WRONG)
    site.weights().record(EVALUATION.model_copy(update={"at": NOW + timedelta(days=1)}), person(site), face="cli")
    earlier = site.of_logs()
    site.weights().record(EVALUATION.model_copy(update={"at": NOW - timedelta(days=1)}), person(site), face="cli")
    assert site.of_logs() == earlier
    site.said.clear()
    site.reports.clear()
    assert site.of_logs() > earlier, "and they count at all"


def test_what_tells_nothing_moves_nothing(site: Site) -> None:
    site.weights().record(EVALUATION, person(site), face="cli")
    before = site.of_logs()
    site.answered("inv-1", reasoned(), Verdict.RIGHT, face=MCP)
    site.answered("inv-2", reasoned(), Verdict.PARTLY)
    site.answered("inv-3", reasoned(), None)
    site.answered("inv-4", StoreUnavailable("its file is damaged"), Verdict.RIGHT)
    assert site.of_logs() == before
    assert site.weights().known().outcomes == ()
    assert "inv-1" not in site.read, "over MCP a model speaks, and none judges itself"


def test_what_was_counted_is_used_for_a_while_and_what_has_not_changed_is_not_read_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("middlewatch.model_weights.time.monotonic", lambda: now[0])
    site.answered("inv-1", reasoned(), Verdict.RIGHT)
    weights = site.weights()
    weights.record(EVALUATION, person(site), face="cli")
    first = weights.weights(PROVIDER)
    site.answered("inv-2", reasoned(), Verdict.RIGHT)
    assert weights.weights(PROVIDER) == first
    now[0] += FRESH_SECONDS + 1
    assert weights.weights(PROVIDER).of(MODEL, "logs", KIND) > first.of(MODEL, "logs", KIND)
    assert site.read == ["inv-1", "inv-2"]


def test_confidence_is_calibrated_on_what_was_stated_and_never_on_what_was_calibrated_before(site: Site) -> None:
    for number in range(2 * ENOUGH):
        site.answered(f"inv-{number}", reasoned(), Verdict.RIGHT if number % 2 else Verdict.WRONG)
    first = site.weights().calibration()
    assert first.applied
    assert first.outcomes == 2 * ENOUGH
    told = reasoned().model_copy(update={"confidence": 0.5, "calibration": Calibrated(stated=0.8, outcomes=60)})
    for number in range(2 * ENOUGH):
        site.answered(f"inv-{number}", told, Verdict.RIGHT if number % 2 else Verdict.WRONG)
    assert site.weights().calibration() == first


def test_evaluations_are_in_backups(site: Site, redis: Redis, tmp_path: Path) -> None:
    kept = site.weights().record(EVALUATION, person(site), face="cli")
    store = ContextStore(redis, epoch=Epoch(1))
    backup(store, tmp_path / "archive", tmp_path / "backup.tar")
    redis.flushall()
    assert site.weights().evaluations() == ()
    restore(store, tmp_path / "archive", tmp_path / "backup.tar", epoch_path=tmp_path / "epoch")
    restarted = Site(Office.open(redis, tmp_path, epoch=Epoch.read(tmp_path / "epoch").number))
    assert restarted.weights().evaluations() == (kept,)
