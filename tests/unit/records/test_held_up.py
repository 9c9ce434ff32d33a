"""Invariant: what keeps a request from going on is told apart from how it came to stand where it stands."""

from __future__ import annotations

from middlewatch.records import LOOKING, POLICY, Decision, RequestState
from tests.approval_cards import APPROVED, approved, done, request

MET = "Nothing was sent: no connection."


def test_what_the_executor_met_is_no_part_of_how_it_came_there() -> None:
    fresh = request(RequestState.PREPARING, why=LOOKING)
    assert fresh.held_up == ""
    assert fresh.model_copy(update={"why": MET}).held_up == MET
    assert approved().held_up == ""
    assert approved().model_copy(update={"why": MET}).held_up == MET
    assert request().held_up == done().held_up == ""


def test_a_decision_says_who_said_what() -> None:
    (approval,) = APPROVED
    assert approval.words == "leo approved it"
    assert approval.model_copy(update={"decision": Decision.DENY}).words == "leo denied it"
    by_policy = approval.model_copy(update={"principal": POLICY})
    assert by_policy.words == "policy lets it run"
    assert approved().model_copy(update={"approvals": (by_policy,), "why": by_policy.words}).held_up == ""
