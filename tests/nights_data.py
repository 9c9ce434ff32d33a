"""Investigations of nights, with what people did and what senders said: for the tests of the numbers of nights."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from middlewatch.opening import SOURCE
from middlewatch.records import (
    DEFAULT_TENANT,
    ORCHESTRATOR,
    Alert,
    AlertMessage,
    AlertStatus,
    ApprovalRequest,
    Execution,
    Feedback,
    Handling,
    Headline,
    Investigation,
    InvestigationState,
    Occurrence,
    Outcome,
    Recovery,
    Remediation,
    RequestState,
    RiskTier,
    Rule,
    Scope,
    Symptom,
    Verdict,
)
from tests.report_finding import finding
from tests.web_site import WebSite

BEGAN = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
"""When an alert begins, where nothing else is said."""
OPENED = 20.0
"""Seconds from then to the investigation."""


def at(seconds: float | None, began: datetime = BEGAN) -> datetime | None:
    return None if seconds is None else began + timedelta(seconds=seconds)


def investigation(name: str = "inv-1", *, began: datetime = BEGAN, cause: float | None = 60.0, **update: Any) -> Investigation:
    """One that an alert opened, with a finding so many seconds after the alert's start; inconclusive without."""
    opened = began + timedelta(seconds=OPENED)
    alert = Alert(
        tenant=DEFAULT_TENANT,
        source=SOURCE,
        source_id=name,
        title="checkout is slow",
        detected_at=opened - timedelta(seconds=60),
        window_end=opened,
        symptom=Symptom(service=update.pop("service", "checkout")),
    )
    outcome = Outcome.INCONCLUSIVE if cause is None else Outcome.FINDING
    made = Investigation(
        tenant=DEFAULT_TENANT,
        id=name,
        scope=Scope(tenant=DEFAULT_TENANT),
        alert=alert.model_copy(update={"source": update.pop("source", SOURCE)}),
        state=InvestigationState.CLOSED,
        opened_at=opened,
        closed_at=at(cause or 60.0, began),
        headline=Headline(outcome=outcome, answer="It is the database.", confidence=0.9, service="db"),
    )
    return made.model_copy(update=update)


def occurrence(
    *, began: datetime = BEGAN, resolved: float | None = None, acknowledged: float | None = None, investigation: str = "inv-1"
) -> Occurrence:
    """An alert that a sender told of ten seconds after it began."""
    message = AlertMessage(
        tenant=DEFAULT_TENANT,
        sender="pager",
        kind="alertmanager",
        fingerprint="f",
        status=AlertStatus.FIRING,
        title="checkout is slow",
        started_at=began,
    )
    first = began + timedelta(seconds=10)
    return Occurrence(
        id=f"occ-{investigation}",
        message=message,
        service="checkout",
        first_at=first,
        last_at=first,
        resolved_at=at(resolved, began),
        acknowledged_at=at(acknowledged, began),
        investigation=investigation,
    )


def request(
    *, ended: float | None, recovered: float | None = None, began: datetime = BEGAN, investigation: str = "inv-1"
) -> ApprovalRequest:
    """An action that was executed, or not where it never ended, and after which the symptom went away, or not."""
    done = ended is not None
    execution = Execution(
        executor="executor:one",
        fence=1,
        began_at=began,
        ended_at=at(ended, began),
        recovery=Recovery.NOT_RECOVERED if recovered is None else Recovery.RECOVERED,
        recovered_at=at(recovered, began),
    )
    return ApprovalRequest(
        tenant=DEFAULT_TENANT,
        id="apr-1",
        epoch=1,
        remediation=Remediation(
            tenant=DEFAULT_TENANT,
            investigation=investigation,
            action="scale_up",
            target="checkout",
            proposed_by=ORCHESTRATOR,
            confidence=0.9,
        ),
        rule=Rule(
            tier=RiskTier.LOW,
            tier_because=(),
            requires=None,
            deadline_seconds=60,
            life_seconds=60,
            least_modalities=0,
            least_confidence=0.0,
        ),
        state=RequestState.SUCCEEDED if done else RequestState.DENIED,
        created_at=began,
        execution=execution if done else None,
    )


def handling(*, acknowledged: float | None = None, verdicts: tuple[Verdict, ...] = (), began: datetime = BEGAN) -> Handling:
    """What people said: one verdict of each, an hour apart."""
    said = tuple(
        Feedback(by=f"person-{number}", at=began + timedelta(hours=number + 1), verdict=verdict)
        for number, verdict in enumerate(verdicts)
    )
    by = None if acknowledged is None else "mia"
    return Handling(acknowledged_by=by, acknowledged_at=at(acknowledged, began), feedback=said)


def seed_nights(site: WebSite, number: int = 3) -> list[str]:
    """Put finished investigations of live telemetry there that an alert opened; the first was taken, and found wrong."""
    names = []
    for n in range(number):
        report = finding().model_copy(update={"scope": Scope(tenant=DEFAULT_TENANT)})
        alert = report.alert.model_copy(update={"source": SOURCE, "source_id": f"night-{n}", "title": f"<b>night</b> {n}"})
        names.append(site.seed(report.model_copy(update={"alert": alert}), f"inv-{n:06x}aaaaaa").id)
    mia = next(one for one in site.app.approvals.people() if one.id == "mia")
    site.app.handlings.acknowledge(names[0], mia, face="cli")
    site.app.handlings.give_feedback(names[0], Verdict.WRONG, mia, face="cli")
    return names
