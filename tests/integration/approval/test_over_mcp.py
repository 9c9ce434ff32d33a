"""Invariants: over MCP a program acts in a person's session; nobody decides there whom policy does not let, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from middlewatch.approval import controls
from middlewatch.approval.desk import Desk
from middlewatch.records import MCP, ApprovalRequest, Decision
from middlewatch.records import RequestState as S
from middlewatch.records.errors import Refused
from tests.approval_data import POLICY_TEXT, TENANT, Office
from tests.integration.approval.test_gateway_people import refusals
from tests.integration.approval.working import asked, executed, look, step

LETS = POLICY_TEXT.replace("[principals.mara]\n", "[principals.mara]\ndecides_over_mcp = true\n")
Deed = Callable[[Office, ApprovalRequest], Any]


def decide(office: Office, request: ApprovalRequest, who: str = "mara", decision: Decision = Decision.APPROVE) -> Any:
    person = office.policy.person(who)
    return office.gateway.resolve(TENANT, request.id, decision, person, digest=request.digest, face=MCP)


DECIDING: dict[str, Deed] = {
    "approve": decide,
    "deny": lambda office, request: decide(office, request, decision=Decision.DENY),
    "edit": lambda office, request: office.gateway.edit(TENANT, request.id, {"by": 2}, office.policy.person("mara"), face=MCP),
    "reconcile": lambda office, request: office.gateway.reconcile(
        TENANT, request.id, office.policy.person("mara"), happened=True, reason="seen", face=MCP
    ),
    "lift": lambda office, _request: controls.lift(office.desk, TENANT, office.policy.person("mara"), "on we go", face=MCP),
    "break_glass": lambda office, request: controls.break_glass(
        office.desk, TENANT, request.id, office.policy.person("mara"), credential="open-sesame", reason="now", face=MCP
    ),
    "review_glass": lambda office, request: controls.review_glass(
        office.desk, TENANT, request.id, office.policy.person("mara"), reason="right", face=MCP
    ),
    "forget_text": lambda office, _request: controls.forget_text(
        office.desk, TENANT, office.policy.person("mara"), "0" * 64, face=MCP
    ),
}


@pytest.mark.parametrize("deed", DECIDING)
def test_nobody_decides_anything_there_by_default(office: Office, deed: str) -> None:
    request = asked(office)
    with pytest.raises(Refused, match="over MCP") as refused:
        DECIDING[deed](office, request)
    assert refused.value.remedy.startswith("Decide elsewhere")
    assert look(office, request) == request
    assert [one for one in office.events() if one.endswith(("refused", "kept"))], "the log says so"


def test_whom_policy_names_decides_there_and_nobody_else(office: Office) -> None:
    office.policy.write(LETS)
    request = asked(office)
    with pytest.raises(Refused, match="over MCP"):
        decide(office, request, "leo")
    assert len(refusals(office)) == 1
    said = decide(office, request).request
    assert (said.state, said.approvals[0].face) == (S.APPROVED, MCP)


def test_proposing_there_needs_no_leave_and_another_decides(office: Office) -> None:
    request = asked(office, proposer="leo")
    assert request.state is S.PENDING


@pytest.mark.parametrize("decided", [False, True])
def test_a_program_is_refused_whatever_became_of_the_request(office: Office, *, decided: bool) -> None:
    request = executed(office) if decided else asked(office)
    with pytest.raises(Refused, match="over MCP"):
        decide(office, request)


def test_what_was_approved_there_does_not_begin_once_policy_takes_the_leave_back(office: Office) -> None:
    office.policy.write(LETS)
    request = decide(office, asked(office)).request
    office.policy.write(POLICY_TEXT)
    step(office)
    assert office.hands.runs == []
    assert look(office, request).execution is None


def test_the_guard_is_what_refuses(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, each of these tests would see an approval."""
    monkeypatch.setattr(Desk, "refuse_programs", lambda *_: None)
    request = asked(office)
    assert decide(office, request).request.state is S.APPROVED
