"""Invariants: whatever changes between a decision and its execution, nothing runs but what was decided, once, and people see why.

A freeze, a halt, a lost role, another rule, entry or target, a policy that is broken or gone: each at every step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from middlewatch.approval.desk import Desk
from middlewatch.approval.policy import load_policy
from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.live_file import LiveFile
from middlewatch.records import AnomalyKind, ApprovalRequest, ChangeKind, Halt
from middlewatch.records import RequestState as S
from middlewatch.records.errors import MiddlewatchError, SourceUnavailable
from tests.approval_data import INVESTIGATION, POLICY_TEXT, TARGET, TENANT, Office, remediation
from tests.integration.approval.working import (
    aged,
    all_due,
    approved,
    asked,
    executed,
    freeze,
    look,
    now,
    once,
    open_office,
    resolve,
    step,
    tended,
    with_role,
    without_person,
)
from tests.store_data import make_evidence

# A freeze and a halt at every step

MOMENTS = ("proposed", "pending", "approved")


def driven(
    office: Office, moment: str, meddle: Callable[[], None], *, action: str = "roll_back", **update: object
) -> ApprovalRequest:
    """A request on its whole way, with something that happens at a moment."""
    request = office.gateway.submit(remediation(action, **update))
    if moment == "proposed":
        meddle()
    step(office)
    request = look(office, request)
    if moment == "pending":
        meddle()
    if request.state is S.PENDING:
        resolve(office, request, "leo")
    if moment == "approved":
        meddle()
    for _ in range(3):
        all_due(office)
        step(office)
    return look(office, request)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_freeze_at_any_step_keeps_it_from_beginning_and_says_so(office: Office, moment: str) -> None:
    held = driven(office, moment, lambda: freeze(office))
    assert held.state is S.APPROVED
    assert 'the freeze "release" holds it up until' in held.why
    assert office.hands.runs == []
    assert office.events("execution.held") == ["execution.held"]  # said once, tried three times
    office.policy.write(POLICY_TEXT)
    all_due(office)
    step(office)
    assert look(office, held).state is S.SUCCEEDED
    assert len(office.hands.runs) == 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_takes_a_recorded_change_back_is_held_up_by_no_freeze(office: Office, moment: str) -> None:
    fact = make_evidence("deployed")
    change = fact.anomaly.model_copy(update={"kind": AnomalyKind.CHANGE, "change": ChangeKind.DEPLOY, "service": TARGET})
    office.facts.append(fact.model_copy(update={"tenant": TENANT, "investigation": INVESTIGATION, "anomaly": change}))
    done = driven(office, moment, lambda: freeze(office), undoes=fact.id)
    assert (done.state, done.undo, len(office.hands.runs)) == (S.SUCCEEDED, True, 1)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_halt_at_any_step_keeps_even_an_undo_from_beginning(office: Office, moment: str) -> None:
    def halt() -> None:
        office.desk.store.halt(TENANT, Halt(by="mia", reason="", at=now(office)), [])

    done = executed(office, "nudge")
    office.hands.runs.clear()
    held = driven(office, moment, halt, action="nudge", undoes=done.id, parameters={"by": -1})
    assert (held.state, held.undo) == (S.APPROVED, True)
    assert "everything is halted by mia" in held.why
    assert office.hands.runs == []
    office.desk.store.halt(TENANT, None, [])
    all_due(office)
    step(office)
    assert (look(office, held).state, len(office.hands.runs)) == (S.SUCCEEDED, 1)


def test_a_freeze_that_begins_between_the_judgement_and_the_write_is_seen_by_the_store(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = approved(office)
    monkeypatch.setattr(Desk, "next_freeze", lambda _desk, _request, moment: moment)
    step(office)
    held = look(office, request)
    assert (held.state, held.execution, office.hands.runs) == (S.APPROVED, None, [])
    assert "too late" in held.why


def test_a_halt_between_the_judgement_and_the_write_is_seen_by_the_store(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    request = approved(office)
    change = ApprovalStore.change
    halt = once(lambda: office.desk.store.halt(TENANT, Halt(by="mia", reason="", at=now(office)), []))

    def after_a_halt(store: ApprovalStore, *args: Any) -> Any:
        halt()
        return change(store, *args)

    monkeypatch.setattr(ApprovalStore, "change", after_a_halt)
    step(office)
    held = look(office, request)
    assert (held.state, held.execution, office.hands.runs) == (S.APPROVED, None, [])
    assert "halted" in held.why


def test_what_a_freeze_outlasts_expires_while_the_executor_lives(office: Office) -> None:
    request = approved(office)
    freeze(office)
    step(office)
    aged(office, request, 3600)
    step(office)
    assert look(office, request).state is S.EXPIRED
    assert office.hands.runs == []


def test_what_cannot_be_looked_at_says_so_and_expires_in_the_end(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: object) -> None:
        raise SourceUnavailable("The cluster does not answer.")

    monkeypatch.setattr(office.hands, "inspect", away)
    request = office.gateway.submit(remediation())
    for _ in range(2):
        all_due(office)
        step(office)
    assert (look(office, request).state, look(office, request).why) == (S.PREPARING, "The cluster does not answer.")
    aged(office, request, 3600)
    step(office)
    assert look(office, request).state is S.EXPIRED


# Something changes between the approval and the beginning


def entry_changed(office: Office) -> None:
    entry = office.catalogue.specs["roll_back"]
    office.catalogue.specs["roll_back"] = entry.model_copy(update={"blast_radius": "everything"})


def entry_gone(office: Office) -> None:
    del office.catalogue.specs["roll_back"]


def policy(change: Callable[[str], str]) -> Callable[[Office], None]:
    return lambda office: office.policy.write(change(POLICY_TEXT))


def tier_raised(text: str) -> str:
    return text.replace(
        "[[rules]]\n", '[[rules]]\nactions = ["roll_back"]\ntargets = "*"\ntier_at_least = "high"\n\n[[rules]]\n', 1
    )


@pytest.mark.parametrize(
    ("change", "state", "why"),
    [
        (policy(lambda text: with_role(text, "leo", "member")), S.APPROVED, "those who approved it may not any more"),
        (policy(lambda text: without_person(text, "leo")), S.APPROVED, "those who approved it may not any more"),
        (policy(tier_raised), S.SUPERSEDED, "the rule for it changed"),
        (
            policy(lambda text: text.replace("least_modalities = 0", "least_modalities = 1", 1)),
            S.SUPERSEDED,
            "the rule for it changed",
        ),
        (policy(lambda text: text.replace("least_modalities = 0", "allowed = false", 1)), S.SUPERSEDED, "does not allow roll_back"),
        (entry_changed, S.SUPERSEDED, "the catalogue changed"),
        (entry_gone, S.SUPERSEDED, "There is no action 'roll_back'"),
        (lambda office: office.hands.version.update(revision=8), S.SUPERSEDED, "the target changed"),
    ],
)
def test_what_was_approved_does_not_run_where_something_changed(
    office: Office, change: Callable[[Office], None], state: S, why: str
) -> None:
    request = approved(office)
    change(office)
    step(office)
    found = look(office, request)
    assert (found.state, office.hands.runs) == (state, [])
    assert why in found.why
    aged(office, request, 3600)
    step(office)
    assert look(office, request).state.terminal


def test_a_role_that_is_given_back_in_time_counts_again(office: Office) -> None:
    request = approved(office)
    office.policy.write(with_role(POLICY_TEXT, "leo", "member"))
    step(office)
    office.policy.write(POLICY_TEXT)
    all_due(office)
    step(office)
    assert look(office, request).state is S.SUCCEEDED


def test_adding_a_person_voids_nothing(office: Office) -> None:
    request = approved(office)
    office.policy.write(POLICY_TEXT + '\n[principals.kim]\nname = "Kim"\nrole = "manager"\nlocal = ["kim"]\n')
    step(office)
    assert look(office, request).state is S.SUCCEEDED


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_broken_policy_lets_nothing_run_and_says_so(office: Office, moment: str) -> None:
    office.desk = replace(office.desk, policy=LiveFile(office.policy.path, load_policy))
    request = office.gateway.submit(remediation())
    if moment == "proposed":
        office.policy.path.write_text("[principals", encoding="utf-8")
        step(office)
        assert look(office, request).state is S.PREPARING
        return
    step(office)
    if moment == "approved":
        resolve(office, look(office, request), "leo")
    office.policy.path.write_text("[principals", encoding="utf-8")
    all_due(office)
    step(office)
    found = look(office, request)
    assert (found.state, office.hands.runs) == (S.APPROVED if moment == "approved" else S.PENDING, [])
    if moment == "approved":
        assert "policy.toml" in found.why
    aged(office, request, 3600)
    step(office)
    tended(office)
    assert look(office, request).state is S.EXPIRED  # time passes without a policy


def test_no_policy_any_more_voids_what_was_approved(office: Office) -> None:
    office.desk = replace(office.desk, policy=LiveFile(office.policy.path, load_policy))
    request = approved(office)
    office.policy.path.unlink()
    step(office)
    found = look(office, request)
    assert (found.state, office.hands.runs) == (S.SUPERSEDED, [])
    assert "policy" in found.why


def test_two_people_approved_and_one_lost_the_role(office: Office) -> None:
    request = approved(office, "both")
    office.policy.write(with_role(POLICY_TEXT, "leo", "member"))
    step(office)
    assert (look(office, request).state, office.hands.runs) == (S.APPROVED, [])


def test_a_sole_operator_who_is_none_any_more_did_not_approve_it(office: Office) -> None:
    request = resolve(office, asked(office, "nudge", proposer="max"), "max").request
    office.policy.write(POLICY_TEXT.replace('sole_operator = ["low"]\n', ""))
    step(office)
    assert (look(office, request).state, office.hands.runs) == (S.APPROVED, [])


def test_an_intent_that_cannot_be_signed_is_not_carried_out(office: Office) -> None:
    request = approved(office)
    office.audit.problem = MiddlewatchError("the disk is full")
    step(office)
    found = look(office, request)
    assert (found.state, office.hands.runs) == (S.FAILED, [])
    assert "could not be signed" in found.why


def test_an_approval_of_an_epoch_before_is_void(office: Office, server: Redis, tmp_path: Any) -> None:
    waiting, request, proposed = asked(office, "drain"), approved(office), office.gateway.submit(remediation("nudge"))
    later = open_office(server, tmp_path, epoch=2)
    all_due(later)
    while step(later) or tended(later):
        pass
    assert {look(later, one).state for one in (request, waiting)} == {S.SUPERSEDED}
    assert look(later, proposed).state is S.REFUSED
    assert later.hands.runs == []
    with pytest.raises(MiddlewatchError):
        step(office)
