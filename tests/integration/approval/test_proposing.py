"""Invariant: whoever proposes says what is wanted, and nothing of who they are, how sure it is, or what it is called."""

from __future__ import annotations

import pytest

from middlewatch.records import (
    ORCHESTRATOR,
    POLICY,
    AgentName,
    AnomalyKind,
    ChangeKind,
    Principal,
    RiskTier,
    Role,
    Signal,
)
from middlewatch.records.errors import Refused
from tests.approval_data import INVESTIGATION, TARGET, TENANT, Office, remediation
from tests.report_parts import fact

PRETENDER = Principal(id=ORCHESTRATOR, name="me", role=Role.MANAGER)


def told(office: Office) -> list[tuple[str, str]]:
    """Who was refused a proposal, and why."""
    rows = [row.event for row in office.audit.store.read(TENANT) if row.event.event == "proposal.refused"]
    return [(row.actor, str(row.data["why"])) for row in rows]


@pytest.mark.parametrize("claimed", [ORCHESTRATOR, POLICY, "mara", "leo"])
def test_what_a_person_proposes_has_their_name_and_the_confidence_of_the_store(office: Office, claimed: str) -> None:
    wanted = remediation(
        proposed_by=claimed,
        confidence=0.1,
        modalities=tuple(Signal),
        expected_effect="all is well",
        instead_of="apr-1",
        note="please",
    )
    made = office.gateway.propose(wanted, office.policy.person("leo")).remediation
    assert (made.proposed_by, made.confidence, made.modalities) == ("leo", 0.95, ())
    assert (made.expected_effect, made.instead_of, made.note) == ("", None, "please")


def test_where_no_finding_blames_the_target_the_tier_is_one_up(office: Office) -> None:
    sure = office.gateway.propose(remediation("nudge"), office.policy.person("leo"))
    object.__setattr__(office.desk, "confidence", lambda *_: 0.0)
    unsure = office.gateway.propose(remediation("nudge", confidence=1.0), office.policy.person("leo"))
    assert (sure.rule.tier, unsure.rule.tier) == (RiskTier.LOW, RiskTier.MEDIUM)


@pytest.mark.parametrize("who", [None, PRETENDER])
def test_a_stranger_proposes_nothing(office: Office, who: Principal | None) -> None:
    with pytest.raises(Refused, match="does not know"):
        office.gateway.propose(remediation(), who)
    assert office.desk.store.list(TENANT) == ()


@pytest.mark.parametrize("claimed", [POLICY, "leo", "mara\u202e"])
def test_only_the_orchestrator_says_what_follows_from_a_finding(office: Office, claimed: str) -> None:
    with pytest.raises(Refused, match="follows from a finding"):
        office.gateway.submit(remediation(proposed_by=claimed))
    assert office.desk.store.list(TENANT) == ()
    assert [actor for actor, _ in told(office)] == ["system:unknown"]


def test_a_target_that_nobody_configured_is_not_written_down(office: Office) -> None:
    with pytest.raises(Refused):
        office.gateway.submit(remediation(target="\x1b[2Jcheckout"))
    rows = [row.event for row in office.audit.store.read(TENANT) if row.event.event == "proposal.refused"]
    assert [row.data["target"] for row in rows] == [""]


@pytest.mark.parametrize(
    ("undoes", "parameters", "lets"), [("recorded", {}, True), ("recorded", {"by": 1}, False), ("ev-0000000000000000", {}, False)]
)
def test_an_undo_is_of_a_recorded_change_to_the_last_parameter(
    office: Office,
    undoes: str,
    parameters: dict[str, int],
    lets: bool,  # noqa: FBT001
) -> None:
    change = fact(
        AgentName.DEPLOYS,
        AnomalyKind.CHANGE,
        TARGET,
        "2.0",
        (None, None, ""),
        summary="deployed",
        strength=1.0,
        query="changes",
        change=ChangeKind.DEPLOY,
    ).model_copy(update={"tenant": TENANT, "investigation": INVESTIGATION})
    office.facts.append(change)
    wanted = remediation(parameters=parameters, undoes=change.id if undoes == "recorded" else undoes)
    if lets:
        assert office.gateway.submit(wanted).undo
    else:
        with pytest.raises(Refused, match="does not undo"):
            office.gateway.submit(wanted)
