"""Invariants: nobody decides what they may not decide, by policy as it is now; and where two people are asked for, it takes two."""

from __future__ import annotations

import pytest

from middlewatch.records import Principal, Role
from middlewatch.records import RequestState as S
from middlewatch.records.errors import Refused
from tests.approval_data import POLICY_TEXT, TENANT, Office
from tests.integration.approval.working import all_due, approved, asked, look, resolve, step, with_role, without_person

STRANGER = Principal(id="eve", name="Eve", role=Role.MANAGER)


def refusals(office: Office) -> list[str]:
    rows = [row.event for row in office.audit.store.read(TENANT)]
    return [str(row.data["why"]) for row in rows if row.event == "decision.refused"]


# Who may decide


@pytest.mark.parametrize(
    ("action", "fits"), [("nudge", "mia leo lea mara max"), ("roll_back", "leo lea mara max"), ("drain", "mara max")]
)
def test_the_role_is_at_least_that_of_the_tier(office: Office, action: str, fits: str) -> None:
    for who in ("mia", "leo", "lea", "mara", "max"):
        office.redis.flushall()
        request = asked(office, action)
        if who in fits.split():
            assert resolve(office, request, who).request.state is S.APPROVED
        else:
            with pytest.raises(Refused, match="it needs"):
                resolve(office, request, who)
            assert len(refusals(office)) == 1
            assert look(office, request).state is S.PENDING


def test_what_a_front_end_remembers_of_a_role_counts_for_nothing(office: Office) -> None:
    request = asked(office, "drain")
    with pytest.raises(Refused, match="leo is a lead"):
        resolve(office, request, office.policy.person("leo").model_copy(update={"role": Role.MANAGER}))
    leo = office.policy.person("leo")
    office.policy.write(without_person(POLICY_TEXT, "leo"))
    with pytest.raises(Refused, match="does not know"):
        resolve(office, request, leo, deny=True)


@pytest.mark.parametrize("who", [None, STRANGER])
@pytest.mark.parametrize("deny", [False, True])
def test_whom_policy_does_not_know_decides_nothing(office: Office, who: Principal | None, deny: bool) -> None:  # noqa: FBT001
    request = asked(office)
    with pytest.raises(Refused, match="does not know"):
        resolve(office, request, who, deny=deny)
    assert look(office, request) == request
    assert len(refusals(office)) == 1


def test_who_proposed_it_does_not_decide_it(office: Office) -> None:
    request = asked(office, proposer="leo")
    with pytest.raises(Refused, match="leo proposed it, so somebody else decides"):
        resolve(office, request, "leo")
    assert resolve(office, request, "lea").request.state is S.APPROVED


def test_who_edited_it_does_not_decide_it(office: Office) -> None:
    first = asked(office)
    edited = office.gateway.edit(TENANT, first.id, {"by": 2}, office.policy.person("leo"))
    assert (look(office, first).state, edited.remediation.instead_of) == (S.SUPERSEDED, first.id)
    step(office)
    edited = look(office, edited)
    with pytest.raises(Refused, match="leo proposed it"):
        resolve(office, edited, "leo")
    with pytest.raises(Refused, match="not what would run"):
        resolve(office, edited, "lea", digest=first.digest)
    assert resolve(office, edited, "lea").request.state is S.APPROVED


def test_a_sole_operator_decides_their_own_in_the_tiers_that_policy_names_and_the_log_says_so(office: Office) -> None:
    request = resolve(office, asked(office, "nudge", proposer="max"), "max").request
    assert (request.state, request.approvals[0].sole_operator) == (S.APPROVED, True)
    rows = [row.event for row in office.audit.store.read(TENANT) if row.event.event == "request.approved"]
    assert [row.data["sole_operator"] for row in rows] == [True]
    step(office)
    assert look(office, request).state is S.SUCCEEDED
    with pytest.raises(Refused, match="somebody else decides"):
        resolve(office, asked(office, "roll_back", proposer="max"), "max")


def test_anybody_may_deny_and_take_an_approval_back(office: Office) -> None:
    assert resolve(office, asked(office, "drain"), "mia", deny=True).request.state is S.DENIED
    request = approved(office)
    assert resolve(office, request, "mia", deny=True).request.state is S.DENIED
    all_due(office)
    assert not step(office)
    assert office.hands.runs == []


# Two people


def test_two_people_means_two(office: Office) -> None:
    request = asked(office, "both")
    assert resolve(office, request, "mara").request.state is S.PENDING
    again = resolve(office, request, "mara")
    assert (again.request.state, again.changed) == (S.PENDING, False)
    assert "needs more approvals" in again.request.why
    all_due(office)
    step(office)
    assert office.hands.runs == []
    assert resolve(office, request, "leo").request.state is S.APPROVED
    step(office)
    assert len(office.hands.runs) == 1
    assert office.events("request.seconded") == ["request.seconded"]


def test_two_leads_are_not_a_lead_and_a_manager(office: Office) -> None:
    request = asked(office, "both")
    for who in ("leo", "lea"):
        assert resolve(office, request, who).request.state is S.PENDING
    assert resolve(office, request, "max").request.state is S.APPROVED


def test_a_second_approval_opens_nothing_where_the_first_does_not_hold_any_more(office: Office) -> None:
    request = asked(office, "both")
    resolve(office, request, "leo")
    office.policy.write(with_role(POLICY_TEXT, "leo", "member"))
    assert resolve(office, request, "mara").request.state is S.PENDING
    assert resolve(office, request, "lea").request.state is S.APPROVED
