"""Approval requests in every state, with what surrounds them, for the tests of front ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from middlewatch.approval.requirement import in_words
from middlewatch.cards import Asked, Card, ends_at
from middlewatch.records import (
    DEFAULT_TENANT,
    ORCHESTRATOR,
    ActionResult,
    ActionSpec,
    Approval,
    ApprovalRequest,
    Bound,
    BreakGlass,
    Decision,
    EscalationStep,
    Execution,
    Halt,
    PastAction,
    Principal,
    Recovery,
    Remediation,
    RequestState,
    Requirement,
    Result,
    RiskTier,
    Role,
    Rule,
    Seat,
    Undo,
)

NOW = datetime(2026, 11, 21, 1, 56, 2, tzinfo=UTC)
LEO = Principal(id="leo", name="Leo Example", role=Role.LEAD)
MARA = Principal(id="mara", name="Mara Example", role=Role.MANAGER)
SPEC = ActionSpec(
    id="rollback_deploy",
    title="Roll back a deploy",
    tier=RiskTier.MEDIUM,
    parameters_schema={"properties": {}},
    blast_radius="All instances of the target are replaced by the version before; newer data or calls may not suit it.",
    precondition="There is an earlier version, and no other rollout is held back or enforced by something else.",
    effect="Every instance runs the earlier version and is available.",
    undo="rollback_deploy",
)
PLAN = (
    (
        "PATCH https://k8s.example.com:6443/apis/apps/v1/namespaces/shop/deployments/checkout "
        'application/json-patch+json [{"op":"test","path":"/metadata/resourceVersion","value":"88123"},'
        '{"op":"replace","path":"/spec/template","value":{"image":"registry.example.com/shop/checkout:2.3.0"}}]'
    ),
)
REMEDIATION = Remediation(
    tenant=DEFAULT_TENANT,
    investigation="inv-20261121-0152",
    action="rollback_deploy",
    target="checkout",
    proposed_by=ORCHESTRATOR,
    confidence=0.82,
    expected_effect='Takes back the deploy "2.3.1", after which the errors began.',
    undoes="ev-00f067aa0ba9",
)
RULE = Rule(
    tier=RiskTier.MEDIUM,
    tier_because=("The catalogue gives rollback_deploy the tier medium.",),
    requires=Requirement(quantifier="any_of", seats=(Seat(role=Role.LEAD),)),
    deadline_seconds=900,
    life_seconds=300,
    escalation=(EscalationStep(after_seconds=450, asked=(Seat(role=Role.MANAGER),)),),
    least_modalities=2,
    least_confidence=0.5,
)
EXPIRES = NOW + timedelta(minutes=8, seconds=12)


def request(state: RequestState = RequestState.PENDING, **update: Any) -> ApprovalRequest:
    made = ApprovalRequest(
        tenant=DEFAULT_TENANT,
        id="apr-7be14c09a5d1",
        epoch=1,
        remediation=REMEDIATION,
        rule=RULE,
        undo=True,
        state=state,
        why="it waits for a decision",
        plan=PLAN,
        notes=("Evidence: metrics and traces, where two kinds of telemetry are asked for.", "The deployment has 4 instances."),
        bound=Bound(
            tenant=DEFAULT_TENANT,
            investigation=REMEDIATION.investigation,
            action_id="rollback_deploy",
            catalogue_hash="c" * 64,
            params={},
            target="checkout",
            target_version={"revision": 41, "image": "registry.example.com/shop/checkout:2.3.1", "paused": False},
            tier=RiskTier.MEDIUM,
            rule_hash="r" * 64,
            expires_at=EXPIRES,
            nonce="n",
            shown="5" * 64,
        ),
        digest="ab12cd34" * 8,
        created_at=NOW - timedelta(minutes=7),
        similar=(
            PastAction(
                request="apr-00112233aabb",
                target="checkout",
                at=NOW - timedelta(days=9),
                outcome="recovered after 310 s",
                recovered=True,
            ),
            PastAction(request="apr-99112233aabb", target="cart", at=NOW - timedelta(days=40), outcome="failed", recovered=False),
        ),
    )
    return made.model_copy(update=update)


def card(shown: ApprovalRequest, **update: Any) -> Card:
    requires = shown.rule.requires
    pending = shown.state is RequestState.PENDING
    start = EXPIRES - timedelta(seconds=900)
    made = Card(
        request=shown,
        now=NOW,
        ends_at=ends_at(shown),
        needs=in_words(requires) if requires else "",
        deciders=(LEO, MARA),
        asked=(
            Asked(at=start, whom=("a lead",), reaches=("leo", "mara"), done=True),
            *([Asked(at=start + timedelta(seconds=450), whom=("a manager",), reaches=("mara",), done=False)] if pending else []),
        ),
        viewer=LEO,
        objection="" if pending else f"it is {shown.state}",
        spec=SPEC,
        freeze="",
        halt=None,
    )
    return made.model_copy(update=update)


APPROVED = (
    Approval(
        digest="ab12cd34" * 8,
        principal="leo",
        role=Role.LEAD,
        decision=Decision.APPROVE,
        reason="errors since the deploy",
        face="cli",
        at=NOW,
    ),
)
EXECUTION = Execution(
    executor="executor:node-1/1a2b3c4d",
    fence=4,
    began_at=NOW + timedelta(seconds=2),
    ended_at=NOW + timedelta(seconds=44),
    result=ActionResult(result=Result.DONE, detail="Every instance runs revision 40.", reference="revision-40"),
    undo=Undo(action="rollback_deploy"),
    recovery=Recovery.RECOVERED,
    recovery_note="The errors of checkout are as they usually are.",
    recovered_at=NOW + timedelta(seconds=354),
)


def approved(**update: Any) -> ApprovalRequest:
    return request(
        RequestState.APPROVED, approvals=APPROVED, approved_until=NOW + timedelta(seconds=290), why="leo approved it", **update
    )


def done() -> ApprovalRequest:
    return request(RequestState.SUCCEEDED, approvals=APPROVED, execution=EXECUTION, why="Every instance runs revision 40.")


def lost() -> ApprovalRequest:
    bare = EXECUTION.model_copy(
        update={"ended_at": None, "result": None, "undo": None, "recovery": None, "recovery_note": "", "recovered_at": None}
    )
    why = "its executor was not heard of; what became of it is looked for"
    return request(RequestState.UNKNOWN, approvals=APPROVED, execution=bare, why=why)


NOTED = REMEDIATION.model_copy(
    update={"proposed_by": "mia", "confidence": 1.0, "note": 'Approve "quickly".\nRequest       apr-1 approved by everybody\x1b[2J'}
)
BROKEN = BreakGlass(principal="mara", reason="checkout is down", at=NOW)
FREEZE = 'the freeze "big-sale" holds it up until 2026-11-23 06:00 UTC'
HALT = Halt(by="mia", reason="rollbacks make it worse", at=NOW - timedelta(minutes=1))
