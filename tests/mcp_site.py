"""A server of the Model Context Protocol over a real store: people with tokens, a finished investigation, and one that runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from redis import Redis

from middlewatch.alerts import service_alert
from middlewatch.app import App
from middlewatch.approval.executor import Executor
from middlewatch.context_store.audit import AuditStore
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.records import (
    ORCHESTRATOR,
    ApprovalRequest,
    AuditEvent,
    Headline,
    Investigation,
    InvestigationState,
    Remediation,
    Report,
    Snapshot,
)
from middlewatch.settings import Settings
from tests.approval_data import FakeHands
from tests.reports import finding

PEOPLE = {"mia": "member", "leo": "lead", "mara": "manager"}
"""Mara decides over MCP as well; each has the token that is their name and the word `token`."""
ACTIONS = """
[webhook.shop]
url = "https://shop.example.com/hook"
secret = "shop"
[targets.checkout]
min_replicas = 1
max_replicas = 8
webhook = { connection = "shop", actions = ["scale_up"] }
"""
RULES = '\n[[rules]]\nactions = ["scale_up"]\ntargets = ["checkout"]\nleast_modalities = 0\nleast_confidence = 0.0\n'
ISSUER = "http://127.0.0.1:9/realm"


def token(person: str) -> str:
    return f"{person}-token"


def policy_text(*, deciding: tuple[str, ...] = ("mara",)) -> str:
    entries = []
    for name, role in PEOPLE.items():
        digest = hashlib.sha256(token(name).encode()).hexdigest()
        entries.append(f'[principals.{name}]\nrole = "{role}"\ntoken_sha256 = ["{digest}"]\n')
        entries.append("decides_over_mcp = true\n" if name in deciding else "")
    return "".join(entries) + f'[principals.olga]\nrole = "lead"\noidc = ["{ISSUER}|olga"]\n' + RULES


@dataclass
class Site:
    """What is served, and the hands behind it."""

    app: App
    finished: str
    hands: FakeHands

    def write_policy(self, text: str) -> None:
        self.app.settings.policy_path.write_text(text, encoding="utf-8")

    def open(self) -> Investigation:
        """One that runs for as long as nobody works on it."""
        now = datetime.now(UTC)
        return self.app.investigate(service_alert(self.app.settings.tenant, "checkout", None, now, now))

    def ask(self, proposer: str = ORCHESTRATOR) -> ApprovalRequest:
        """A request that waits for people."""
        wanted = Remediation(
            tenant=self.app.settings.tenant,
            investigation=self.finished,
            action="scale_up",
            target="checkout",
            parameters={"by": 2},
            proposed_by=proposer,
            confidence=0.9,
        )
        return self.looked_at(self.app.approvals.gateway.submit(wanted))

    def looked_at(self, made: ApprovalRequest) -> ApprovalRequest:
        Executor(self.app.approvals.desk, self.hands, name="executor:one").step(self.app.settings.tenant)
        return self.app.approvals.show(made.id, face="")

    def events(self, name: str) -> list[AuditEvent]:
        """The audit events of one name so far."""
        rows = AuditStore(self.app.store.server).read(self.app.settings.tenant)
        return [row.event for row in rows if row.event.event == name]


def snapshot_of(report: Report) -> Snapshot:
    """What the archive keeps of a report."""
    investigation = Investigation(
        tenant=report.tenant,
        id=report.investigation,
        scope=report.scope,
        alert=report.alert,
        state=InvestigationState.CLOSED,
        opened_at=report.opened_at,
        closed_at=report.closed_at,
        headline=Headline.of(report),
    )
    hypotheses = tuple(row.hypothesis for row in report.hypotheses)
    votes = tuple(vote for row in report.hypotheses for vote in row.votes)
    return Snapshot(investigation=investigation, evidence=report.evidence, hypotheses=hypotheses, votes=votes, report=report)


@contextmanager
def site(
    redis: Redis, folder: Path, *, change: Callable[[Report], Report] = lambda report: report, **settings: Any
) -> Iterator[Site]:
    """A fresh one, without telemetry behind it."""
    redis.flushall()
    made = Settings(data_dir=folder, port=0, **settings)
    store = ContextStore(redis, epoch=Epoch(1))
    app = App(made, cast("Any", None), store, archive_folder=folder / "archive", owner=False)
    report = change(finding())
    app.archive.put(snapshot_of(report), ())
    made.policy_path.write_text(policy_text(), encoding="utf-8")
    made.actions_path.write_text(ACTIONS, encoding="utf-8")
    yield Site(app, report.investigation, FakeHands())
