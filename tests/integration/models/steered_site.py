"""An investigation that a hostile text is in, with language models that obey it: the whole application, and people's approvals.

The tasks are done as a worker of the application does them, and what follows from the finding is put to the real gateway. Only the
models' replies are scripted, and the targets of actions are in memory. What must hold of what comes out is in `steered_oracle`.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from unittest import mock

from pydantic import JsonValue
from redis import Redis

from middlewatch.agents.language_model.scripted import ScriptedModel
from middlewatch.agents.language_model.seam import ToolSpec
from middlewatch.agents.reasoning.tools import Looked, Tools
from middlewatch.agents.weights import NO_WEIGHTS, Weights
from middlewatch.app import App
from middlewatch.approval.executor import Executor
from middlewatch.approval.gateway import Gateway
from middlewatch.context_store.audit import AuditStore
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.context_store.worker import Lease
from middlewatch.model_tools import ModelTools
from middlewatch.models import BudgetEntry, Opened
from middlewatch.records import Anomaly, ApprovalRequest, Evidence, Hypothesis, Report, Snapshot, Vote
from middlewatch.settings import Settings
from middlewatch.tasks import handlers_of
from tests.approval_data import FakeHands, PlainAudit
from tests.integration.approval.injection_corpus import Injection
from tests.integration.approval.injection_oracle import TENANT
from tests.integration.approval.injection_places import PLACES, Incident
from tests.integration.approval.injection_site import ACTIONS_TEXT, POLICY_TEXT
from tests.integration.models.obeying import Obedient


class Spied:
    """Tools, and what they found."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.found: list[Anomaly] = []
        self.answered: list[str] = []

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return self._tools.specs

    def look(self, name: str, arguments: Mapping[str, JsonValue]) -> Looked:
        looked = self._tools.look(name, arguments)
        self.found += looked.facts
        self.answered.append(name)
        return looked


class Full(Weights):
    """Weights as no evaluation gives them: every model's vote counts for all it may."""

    def of(self, model: str, agent: str, kind: object) -> float:
        del model, agent, kind
        return 1.0

    def on_votes(self, votes: Any, hypotheses: Any) -> tuple[Vote, ...]:
        del hypotheses
        return tuple(vote.model_copy(update={"weight": 1.0}) for vote in votes)

    def on_challenge(self, challenge: Any, hypothesis: Hypothesis) -> Any:
        del hypothesis
        return challenge.model_copy(update={"weight": 1.0})


FULL = Full({})


@dataclass(frozen=True)
class Ended:
    """What an investigation came to."""

    snapshot: Snapshot
    report: Report
    requests: tuple[ApprovalRequest, ...]
    """What people are asked for, as the executor has prepared it."""


@dataclass
class Steered:
    """What came of it."""

    rules: Report
    """What rules answer without any model."""
    report: Report
    snapshot: Snapshot
    model: ScriptedModel
    script: Obedient
    tools: Spied | None = None
    injections: Sequence[Injection] = field(default_factory=tuple)
    asked: tuple[ApprovalRequest, ...] = ()
    """What people are asked for."""
    asked_by_rules: tuple[ApprovalRequest, ...] = ()
    """What they are asked for without any model."""

    @property
    def added(self) -> tuple[Evidence, ...]:
        """Evidence that rules alone do not have."""
        known = {fact.id for fact in self.rules.evidence}
        return tuple(fact for fact in self.snapshot.evidence if fact.id not in known)


def by_rules(redis: Redis, place: str, injections: Sequence[Injection]) -> Ended:
    """What rules alone answer where these texts stand in one place."""
    return _run(redis, incident_of(place, injections), None)


def steered(
    redis: Redis,
    place: str,
    injections: Sequence[Injection],
    *,
    weights: Weights = NO_WEIGHTS,
    greedy: bool = False,
    rules: Ended | None = None,
) -> Steered:
    """Investigate an incident with these texts in one place, by rules alone and then with models that obey all of it."""
    rules = rules or by_rules(redis, place, injections)
    incident, script = incident_of(place, injections), Obedient(injections, greedy=greedy)
    minds = Minds(ScriptedModel(script), weights)
    ended = _run(redis, incident, minds)
    return Steered(
        rules.report, ended.report, ended.snapshot, minds.model, script, minds.tools, injections, ended.requests, rules.requests
    )


def incident_of(place: str, injections: Sequence[Injection]) -> Incident:
    incident = Incident()
    PLACES[place](incident, [injection.text for injection in injections])
    return incident


@dataclass
class Minds:
    """The model that is asked, what its votes weigh, and what its tools found."""

    model: ScriptedModel
    weights: Weights = NO_WEIGHTS
    tools: Spied | None = None

    @contextlib.contextmanager
    def of(self, app: App) -> Iterator[None]:
        """Have the application ask it."""
        app.reasoning.instead = Opened("test", self.model, None, BudgetEntry(day_calls=10**6, day_tokens=10**12))
        self.tools = None

        def spied(*given: Any) -> Spied:
            self.tools = self.tools or Spied(ModelTools(*given))
            return self.tools

        with (
            mock.patch("middlewatch.reasoning.ModelTools", spied),
            mock.patch.object(app.reasoning, "_weights", return_value=self.weights),
        ):
            yield


@contextlib.contextmanager
def site(redis: Redis, incident: Incident, **settings: Any) -> Iterator[App]:
    """An application over an incident's telemetry, with people and targets; whatever was in the store is forgotten."""
    redis.flushall()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        (data / "policy.toml").write_text(POLICY_TEXT, encoding="utf-8")
        (data / "actions.toml").write_text(ACTIONS_TEXT, encoding="utf-8")
        store = ContextStore(redis, epoch=Epoch(1), lease_seconds=30.0, max_attempts=3)
        usual = Settings(data_dir=data, tenant=TENANT, baseline_hours=0.2, wider_baseline_hours=0.2, **settings)
        app = App(usual, cast("Any", None), store, data / "archive", owner=True)
        sources = incident.sources
        app.open_sources = lambda _scope, _horizon: sources
        approvals = app.approvals
        approvals.desk = replace(approvals.desk, audit=PlainAudit(AuditStore(store.server)))
        approvals.gateway = Gateway(approvals.desk)
        yield app


def investigated(app: App, incident: Incident, *, models: bool) -> Snapshot:
    """Do all tasks of an investigation, one after the other, as a worker does each."""
    name = app.investigate(incident.alert_of(TENANT, 1), name="injected", models=models).id
    handlers = handlers_of(app)
    while (claim := app.store.claim("test")) is not None:
        app.store.finish(claim, handlers[claim.task.kind](claim, Lease(claim, time.monotonic())))
    return app.store.snapshot(TENANT, name)


def _run(redis: Redis, incident: Incident, minds: Minds | None) -> Ended:
    """Do all tasks of an investigation, one after the other, and look at the targets of what is proposed."""
    with site(redis, incident) as app, minds.of(app) if minds else contextlib.nullcontext():
        snapshot = investigated(app, incident, models=minds is not None)
        while Executor(app.approvals.desk, FakeHands(), name="executor:one").step(TENANT):
            pass
        assert snapshot.report is not None
        return Ended(snapshot, snapshot.report, app.approvals.list())
