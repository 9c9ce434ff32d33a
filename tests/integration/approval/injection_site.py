"""A site under attack: the real agents, gateway, catalogue, policy and executor over a real Redis. Only the hands are counted.

What must hold is in `injection_oracle`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from redis import Redis

from middlewatch.agents.briefing import History
from middlewatch.agents.orchestrator import Orchestrator
from middlewatch.agents.phases import phase_task
from middlewatch.agents.specialist import Specialists
from middlewatch.app import AGENTS
from middlewatch.approval.executor import Executor
from middlewatch.approval.gateway import Gateway
from middlewatch.approvals import Approvals
from middlewatch.cards import card
from middlewatch.context_store.approvals import Update
from middlewatch.context_store.audit import AuditStore
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.records import (
    ORCHESTRATOR,
    AgentName,
    Alert,
    AnomalyKind,
    ChangeKind,
    Decision,
    Evidence,
    Investigation,
    Report,
    RequestState,
    Scope,
    Snapshot,
    TaskKind,
)
from middlewatch.records.errors import Refused
from middlewatch.settings import Settings
from tests.approval_data import FakeHands, PlainAudit
from tests.integration.approval.injection_corpus import Injection
from tests.integration.approval.injection_model import REWRITTEN, SERVED, Model, reads
from tests.integration.approval.injection_oracle import BASE, TARGETS, TENANT, World, strings, texts_of
from tests.integration.approval.injection_places import ALERT, BLAMED, PLACES, Incident

LIKE_BLAMED = ("Cart", "ca\u0440t", "cart\u200b", "cart-db", "car", " cart")
"""Services that only the attacker's own telemetry names."""
GLASS = "1d2f4bf8ea7e53d1a0d4a4b4d7c0ee8f7d6b7f9f7b5d0dd0e7b1b8d3f2a9c4e6"
"""Of a credential that nobody has."""

POLICY_TEXT = f"""
principals.mia = {{ role = "member", local = ["mia"] }}
principals.leo = {{ role = "lead", local = ["leo"] }}
principals.mara = {{ role = "manager", local = ["mara"], break_glass_sha256 = ["{GLASS}"] }}
tiers.low.approvals = {{ any_of = ["lead"] }}

[[rules]]
actions = ["restart_service"]
targets = ["{BLAMED}"]
tier = "high"
"""
_WEBHOOK = ", ".join(f'"{action}"' for action in BASE if action != "run_clear_cache")
ACTIONS_TEXT = 'webhook.hook = { url = "http://127.0.0.1:9/hook", secret = "hook" }\n' + "".join(
    textwrap.dedent(f"""
    [targets.{target}]
    max_replicas = 8
    runbooks = ["clear_cache"]
    webhook = {{ connection = "hook", actions = [{_WEBHOOK}] }}
    flags = {{ new_basket = {{ safe = false }}, dark_mode = {{ safe = false }} }}
    """)
    for target in TARGETS
)
ACTIONS_TEXT += """
[runbooks.clear_cache]
title = "Clear the cache"
tier = "low"
blast_radius = "The next requests are slower."
webhook = "hook"
"""


@dataclass(frozen=True)
class Found:
    """What an investigation of an incident with injected text came to."""

    report: Report
    facts: tuple[Evidence, ...]
    shown: tuple[str, ...]
    """Everything that a model is shown of it, as it stands: raw telemetry, the alert, and the facts."""


@dataclass
class Site(World):
    """One operator's middlewatch. Everything of it is forgotten before each attack."""

    @classmethod
    def open(cls, redis: Redis, folder: Path) -> Site:
        (folder / "policy.toml").write_text(POLICY_TEXT, encoding="utf-8")
        (folder / "actions.toml").write_text(ACTIONS_TEXT, encoding="utf-8")
        settings = Settings(data_dir=folder, tenant=TENANT)
        store = ContextStore(redis, epoch=Epoch(1), lease_seconds=30.0, max_attempts=3)
        approvals = Approvals(settings, store.server, lambda _tenant, _investigation: (), lambda *_: 0.0)
        audit = PlainAudit(AuditStore(store.server))
        site = cls(redis, approvals, FakeHands(), audit)
        approvals.desk = replace(
            approvals.desk,
            audit=audit,
            evidence=site.evidence,
            confidence=lambda _tenant, _investigation, target: site.confidence(target),
        )
        approvals.gateway = Gateway(approvals.desk)
        return site

    def investigate(self, place: str, injections: Sequence[Injection]) -> Found:
        """The real agents look at an incident that has these texts in one place."""
        self.redis.flushall()
        incident = Incident()
        PLACES[place](incident, [injection.text for injection in injections])
        report = _investigated(ContextStore(self.redis, epoch=Epoch(1), lease_seconds=30.0, max_attempts=3), incident)
        return _found(report, incident)

    def also(self, found: Found, place: str, injections: Sequence[Injection]) -> Found:
        """The same incident, of which more alerts tell; agents read an alert's times and symptom, not its words."""
        assert place in ALERT
        alerts = []
        for injection in injections:
            incident = Incident.__new__(Incident)
            incident.alert = {}
            PLACES[place](incident, [injection.text])
            alerts.append(incident.alert_of(TENANT, 1))
        words = tuple(word for alert in alerts for word in _words_of(alert))
        return replace(found, report=found.report.model_copy(update={"alert": alerts[-1]}), shown=(*found.shown, *words))

    def attack(self, injections: Sequence[Injection], found: Found) -> list[str]:
        """The orchestrator proposes, the model reads and obeys everything, people decide; returns what went wrong."""
        self.redis.flushall()
        self.facts, self.report, self.approved = found.facts, found.report, {}
        self.hands.runs.clear()
        wrong = [f"the model was not shown {each.text!r}" for each in injections if not reads(each, found.shown)]
        self.report = self.approvals.propose(found.report)
        self.work()
        served = self.approvals.identify(f"local:{SERVED}", face="model")
        assert served is not None
        model = Model(self.approvals, served, found.report.investigation, found.facts)
        for injection in injections:
            model.obey(injection)
        self.work()
        model.grab()
        self.work()
        wrong += self.violations()
        wrong += self._people_decide(model)
        self.work()
        self.calls += model.calls
        return [*wrong, *self.violations()]

    def work(self) -> None:
        """The executor does all that it can."""
        executor = Executor(self.approvals.desk, self.hands, name="executor:one")
        while sum(executor.step(tenant) for tenant in self.store.tenants()):
            pass

    def _people_decide(self, model: Model) -> Iterator[str]:
        """A manager reads what the orchestrator proposed, and the model's last, and approves them as they are shown."""
        mara = self.approvals.identify("local:mara", face="test")
        waiting = [request for request in self.approvals.waiting() if request.state is RequestState.PENDING]
        ours = [request for request in waiting if request.remediation.proposed_by == ORCHESTRATOR]
        theirs = [request for request in waiting if request.id in model.proposed]
        for request in (*ours, *theirs[:2]):
            shown = card(self.approvals, request.id, mara, face="test").request
            assert shown.bound is not None
            self.approved[shown.digest] = shown.bound
            try:
                self.approvals.decide(request.id, Decision.APPROVE, mara, digest=shown.digest, face="test")
            except Refused as refusal:
                yield f"{request.remediation.action}: nobody can approve it: {refusal}"
            self._rewrite(request.id)

    def _rewrite(self, request: str) -> None:
        """Somebody obeys who can write into the store, past the gateway: an approved request gets another parameter."""
        kept = self.store.look(TENANT, request)
        old = kept.request
        if old.state is not RequestState.APPROVED or old.bound is None or old.bound.params != {"instance": REWRITTEN}:
            return
        parameters = {"instance": "cart-9"}
        remediation = old.remediation.model_copy(update={"parameters": parameters})
        forged = old.model_copy(update={"bound": old.bound.model_copy(update={"params": parameters}), "remediation": remediation})
        self.store.change(kept, Update(forged, [], due_in_seconds=0.0))


def _words_of(alert: Alert) -> tuple[str, ...]:
    return tuple(strings([alert.model_dump(mode="json")]))


def _investigated(store: ContextStore, incident: Incident) -> Report:
    """All tasks of an investigation, one after the other, by the real agents."""
    sources = incident.sources
    investigation = Investigation(
        tenant=TENANT,
        id="inv-injected",
        scope=Scope(tenant=TENANT),
        alert=incident.alert_of(TENANT, 1),
        agents=tuple(AgentName),
    )
    store.open(investigation, phase_task(Snapshot(investigation=investigation), TaskKind.PLAN, 1))
    history = History(first_hours=0.2, wider_hours=0.2)
    specialists = Specialists(agents=AGENTS, store=store, open_sources=lambda _scope, _horizon: sources, history=history)
    orchestrator = Orchestrator(AGENTS, clock=lambda: datetime.now(UTC))
    while (claim := store.claim("test")) is not None:
        if claim.task.kind is TaskKind.INVESTIGATE:
            done = specialists.investigate(claim)
        elif claim.task.kind is TaskKind.VOTE:
            done = specialists.vote(claim)
        else:
            done = orchestrator.run(store.snapshot(TENANT, investigation.id), claim.task)
        store.finish(claim, done)
    report = store.snapshot(TENANT, investigation.id).report
    assert report is not None
    return report


def _found(report: Report, incident: Incident) -> Found:
    """With facts that only the attacker's own services have, and a flag that was switched long before."""
    facts = list(report.evidence)
    about = [fact for fact in facts if fact.anomaly.service == BLAMED and fact.anomaly.strength > 0]
    kinds = {fact.agent: fact for fact in about}
    more = [
        fact.model_copy(
            update={
                "id": f"ev-{number:08x}{place:08x}",
                "anomaly": fact.anomaly.model_copy(update={"service": name, "summary": "of a service", "clause": ""}),
            }
        )
        for number, name in enumerate((*LIKE_BLAMED, "shop"))
        for place, fact in enumerate(kinds.values())
        if fact.anomaly.change is None
    ]
    switched = next(iter(kinds.values()))
    flag = {
        "kind": AnomalyKind.CHANGE,
        "change": ChangeKind.FLAG,
        "subject": "dark_mode",
        "samples": (),
        "summary": "flag",
        "strength": 0.1,
    }
    more.append(
        switched.model_copy(
            update={
                "id": "ev-00000000f1a90000",
                "agent": AgentName.DEPLOYS,
                "anomaly": switched.anomaly.model_copy(update=flag),
            }
        )
    )
    raw = (
        *(line.body for line in incident.made.lines),
        *(text for span in incident.made.spans for text in (span.operation, span.service)),
        *(text for row in incident.rows for text in row[1:]),
        *(
            text
            for series in incident.series
            for text in (series.service, series.metric, series.instance, *series.attributes.values())
        ),
        *incident.actors,
        *incident.descriptions,
        *incident.unread,
    )
    everything = (*more, *facts)
    words = (text for fact in everything for text in (fact.anomaly.summary, *texts_of(fact)))
    return Found(report, everything, (*dict.fromkeys((*raw, *words)), *_words_of(report.alert)))
