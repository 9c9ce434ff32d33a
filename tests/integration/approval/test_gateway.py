"""Invariants: whoever decides, however often and however many at once, a request is decided once; nobody decides what they may not
decide or did not see; every refusal is in the log, and what people typed is not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from middlewatch.approval.gateway import Answer
from middlewatch.records import ORCHESTRATOR, Approval, ApprovalRequest, Decision, Principal, Role
from middlewatch.records import RequestState as S
from middlewatch.records.errors import AlreadyDecided, BadInput, MiddlewatchError, Refused, UnknownRequest
from tests.approval_data import POLICY_TEXT, TENANT, Office, remediation
from tests.integration.approval.working import KEYS, aged, all_due, approved, asked, executed, look, resolve, step, tended

STRANGER = Principal(id="eve", name="Eve", role=Role.MANAGER)


# From a proposal to its end


def test_the_whole_way(office: Office) -> None:
    request = office.gateway.submit(remediation())
    assert request.state is S.PREPARING
    step(office)
    request = look(office, request)
    assert (request.state, request.plan) == (S.PENDING, ("roll_back checkout [] at [('revision', 7)]",))
    assert office.hands.runs == []
    assert resolve(office, request, "leo").changed
    assert office.hands.runs == []
    step(office)
    done = look(office, request)
    assert done.state is S.SUCCEEDED
    assert [run.request for run in office.hands.runs] == [request.id]
    assert office.events() == ["request.proposed", "request.asked", "request.approved", "execution.began", "execution.succeeded"]


def test_the_lowest_tier_runs_by_policy_and_is_recorded(office: Office) -> None:
    request = office.gateway.submit(remediation("annotate"))
    step(office)
    done = look(office, request)
    assert (done.state, done.approvals[0].principal, done.execution is not None) == (S.SUCCEEDED, "policy:auto", True)
    assert office.events() == ["request.proposed", "request.asked", "request.approved", "execution.began", "execution.succeeded"]


def test_proposed_again_it_is_the_same_request(office: Office) -> None:
    first = office.gateway.submit(remediation())
    assert office.gateway.submit(remediation()).id == first.id
    assert office.gateway.submit(remediation(investigation="inv-2")).id != first.id
    assert office.gateway.submit(remediation("drain")).id != first.id
    assert office.events().count("request.proposed") == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "roll_bac"},
        {"action": "roll_back_all"},
        {"target": "basket"},
        {"parameters": {"command": "reboot"}},
        {"confidence": 0.1},
    ],
)
def test_what_the_catalogue_or_policy_does_not_know_is_refused_and_logged(office: Office, wrong: dict[str, object]) -> None:
    with pytest.raises(Refused):
        office.gateway.submit(remediation().model_copy(update=wrong))
    assert office.events() == ["proposal.refused"]
    assert office.desk.store.list(TENANT) == ()


def test_what_cannot_be_done_is_refused_before_anybody_is_asked(office: Office) -> None:
    office.hands.problem = "There is no earlier version."
    request = asked(office)
    assert (request.state, request.why, request.digest) == (S.REFUSED, "There is no earlier version.", "")


# What was shown


@pytest.mark.parametrize("digest", ["", "0" * 64, "x"])
def test_only_what_was_shown_is_approved(office: Office, digest: str) -> None:
    request = asked(office)
    with pytest.raises(Refused, match="what was shown is not what would run now"):
        resolve(office, request, "leo", digest=digest)
    assert look(office, request).state is S.PENDING


def test_nothing_is_approved_before_the_executor_looked(office: Office) -> None:
    request = office.gateway.submit(remediation())
    for digest in ("", "0" * 64):
        with pytest.raises(Refused, match="preparing"):
            resolve(office, request, "leo", digest=digest)


def test_too_late_is_too_late(office: Office) -> None:
    request = aged(office, asked(office), 3600)
    with pytest.raises(Refused, match="its time is over"):
        resolve(office, request, "leo")
    assert tended(office)
    assert look(office, request).state is S.EXPIRED
    with pytest.raises(AlreadyDecided, match=r"expired before you decided. Nothing ran"):
        resolve(office, request, "leo")


def test_policy_may_ask_for_a_reason_which_the_log_holds_only_a_salted_digest_of(office: Office) -> None:
    office.policy.write(POLICY_TEXT.replace('actions = ["both"]', 'reason_required = true\nactions = ["both"]'))
    request = asked(office, "both")
    with pytest.raises(Refused, match="reason") as unsaid:
        resolve(office, request, "leo", reason=" ")
    assert "--reason" in unsaid.value.remedy
    with pytest.raises(Refused, match="it needs"):  # whoever may not decide is not asked why first
        resolve(office, request, "mia", reason=" ")
    resolve(office, request, "leo", reason="it is Kim's flat that burns")
    resolve(office, request, "mara", deny=True, reason="it is Kim's flat that burns")
    log = office.redis.lrange(KEYS.audit, 0, -1)
    assert not any("Kim" in str(entry) for entry in log)
    rows = [row.event for row in office.audit.store.read(TENANT)]
    digests = [row.data["reason"]["sha256"] for row in rows if isinstance(row.data.get("reason"), dict)]  # type: ignore[index, call-overload]
    assert len(set(map(str, digests))) == 2  # salted: the same words are another digest
    texts = office.audit.store.texts(TENANT, [str(digest) for digest in digests])
    assert [text.text for text in texts if text] == ["it is Kim's flat that burns"] * 2


# The same answer again


def test_asked_again_the_answer_is_the_same_and_nothing_is_written(office: Office) -> None:
    request = asked(office)
    first = resolve(office, request, "leo")
    events = office.events()
    for who, deny in (("leo", False), ("lea", False)):
        assert resolve(office, request, who, deny=deny) == Answer(first.request, changed=False)
    assert office.events() == events
    step(office)
    done = look(office, request)
    for who in ("leo", "mia", "mara"):
        assert resolve(office, request, who) == Answer(done, changed=False)


def test_another_decision_on_what_is_over_is_refused_with_who_decided_what_and_when(office: Office) -> None:
    request = approved(office)
    step(office)
    done = look(office, request)
    at = f"{done.approvals[0].at:%Y-%m-%d %H:%M:%S}"
    for who in ("leo", "mia", "mara"):
        with pytest.raises(AlreadyDecided, match=f"It was done already: leo approved it at {at} UTC, and it ended at "):
            resolve(office, request, who, deny=True)
    for happened in (False, True):
        person = office.policy.person("leo")
        with suppress(AlreadyDecided) if happened else pytest.raises(AlreadyDecided, match="was done already"):
            office.gateway.reconcile(TENANT, request.id, person, happened=happened, reason="", face="test")
    denied = asked(office, proposer="max")
    resolve(office, denied, "mia", deny=True)
    assert resolve(office, denied, "leo", deny=True).changed is False
    with pytest.raises(AlreadyDecided, match="denied already: mia denied it at "):
        resolve(office, denied, "leo")
    assert look(office, request) == done
    assert [row.event.data["tried"] for row in office.audit.store.read(TENANT) if row.event.event == "decision.refused"] == (
        ["request.deny"] * 3 + ["execution.reconciled", "request.approve"]
    )


@pytest.mark.parametrize("shown", ["0f" * 32, ""])
def test_to_deny_is_safe_whatever_was_shown_and_the_record_says_what_was(office: Office, shown: str) -> None:
    request = asked(office)
    answer = resolve(office, request, "mia", deny=True, digest=shown)
    assert (answer.request.state, answer.request.approvals[-1].digest) == (S.DENIED, shown or "0" * 64)
    (told,) = [row.event for row in office.audit.store.read(TENANT) if row.event.event == "request.denied"]
    assert (told.digest, told.data["shown"]) == (request.digest, shown or "0" * 64)


def test_there_is_no_such_request(office: Office) -> None:
    for identifier in ("apr-none", "*", "a b", ""):
        with pytest.raises((UnknownRequest, BadInput)):
            office.gateway.resolve(TENANT, identifier, Decision.APPROVE, office.policy.person("leo"), digest="")


def at_once(calls: list[Callable[[], object]]) -> list[object]:
    """What each call answers, or how it was refused, when all begin together."""
    gate, found = threading.Barrier(len(calls)), list[object]([None] * len(calls))

    def run(n: int) -> None:
        gate.wait()
        try:
            found[n] = calls[n]()
        except MiddlewatchError as error:
            found[n] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def click(office: Office, request: ApprovalRequest, who: str, *, deny: bool = False) -> Callable[[], object]:
    return lambda: resolve(office, request, who, deny=deny)


def test_many_clicks_at_once_decide_once_and_everybody_hears_the_same(office: Office) -> None:
    for n in range(5):
        request = asked(office, proposer="max")
        people = ["leo", "lea", "mara"] * 4
        answers = at_once([click(office, request, who) for who in people])
        assert all(isinstance(answer, Answer) for answer in answers)
        # two clicks of one person in one millisecond are one approval, and both hear that it was theirs
        winners = {who for who, answer in zip(people, answers, strict=True) if isinstance(answer, Answer) and answer.changed}
        assert winners == {approval.principal for approval in look(office, request).approvals}
        assert len(winners) == 1
        assert {answer.request.approvals for answer in answers if isinstance(answer, Answer)} == {look(office, request).approvals}
        assert office.events().count("request.approved") == n + 1


def test_approve_and_deny_at_once_never_run_what_was_denied(office: Office) -> None:
    for _ in range(5):
        request = asked(office, proposer="max")
        clicks = [click(office, request, who, deny=deny) for who in ("leo", "lea") for deny in (False, True)]
        at_once([*clicks, *clicks, lambda: step(office)])
        step(office)
        end = look(office, request)
        denials = [approval for approval in end.approvals if approval.decision is Decision.DENY]
        assert end.state in {S.DENIED, S.SUCCEEDED}
        assert len(denials) == (end.state is S.DENIED)
        ran = [run for run in office.hands.runs if run.request == request.id]
        assert len(ran) == (end.state is S.SUCCEEDED)


def test_two_executors_run_it_once(office: Office) -> None:
    for _ in range(5):
        request = approved(office, proposer="max")
        all_due(office)

        def both(name: str) -> Callable[[], object]:
            def work() -> bool:
                all_due(office)  # no lease keeps the other away
                return step(office, name)

            return work

        at_once([both("executor:one"), both("executor:two"), both("executor:three")])
        assert [run.request for run in office.hands.runs].count(request.id) <= 1
        all_due(office)
        while look(office, request).state is S.APPROVED and step(office):
            all_due(office)
        assert [run.request for run in office.hands.runs].count(request.id) == 1


# Editing, asking anew, taking back, finding out


def test_an_edit_that_is_not_let_through_gives_nothing_up(office: Office) -> None:
    request = approved(office)
    with pytest.raises(Refused):
        office.gateway.edit(TENANT, request.id, {"command": "reboot"}, office.policy.person("leo"))
    assert look(office, request).state is S.APPROVED


def test_what_is_over_or_under_way_is_not_edited(office: Office) -> None:
    done = executed(office)
    with pytest.raises(Refused, match="succeeded"):
        office.gateway.edit(TENANT, done.id, {"by": 2}, office.policy.person("leo"))


def test_what_is_over_without_having_been_done_is_asked_anew(office: Office) -> None:
    denied = resolve(office, asked(office, proposer="leo"), "mia", deny=True).request
    again = office.gateway.propose_again(TENANT, denied.id, office.policy.person("lea"))
    assert (again.remediation.instead_of, again.remediation.proposed_by, again.state) == (denied.id, "lea", S.PREPARING)
    finding = resolve(office, asked(office, "drain"), "mia", deny=True).request
    assert office.gateway.propose_again(TENANT, finding.id, office.policy.person("lea")).remediation.proposed_by == ORCHESTRATOR
    for state in (asked(office), executed(office, "nudge")):
        with pytest.raises(Refused):
            office.gateway.propose_again(TENANT, state.id, office.policy.person("lea"))


def test_what_was_done_is_taken_back_by_somebody_and_decided_by_somebody_else(office: Office) -> None:
    done = executed(office, "nudge")
    undo = office.gateway.undo(TENANT, done.id, office.policy.person("leo"))
    assert (undo.remediation.undoes, undo.remediation.parameters, undo.undo) == (done.id, {"by": -1}, True)
    step(office)
    undo = look(office, undo)
    with pytest.raises(Refused, match="leo proposed it"):
        resolve(office, undo, "leo")
    resolve(office, undo, "mia")
    step(office)
    assert look(office, undo).state is S.SUCCEEDED
    with pytest.raises(Refused, match="does not undo"):  # twice would be a change like any other
        office.gateway.undo(TENANT, done.id, office.policy.person("leo"))
    with pytest.raises(Refused, match="nothing to take back"):
        office.gateway.undo(TENANT, executed(office).id, office.policy.person("leo"))


def test_what_it_claims_to_take_back_has_to_be_recorded(office: Office) -> None:
    done = executed(office, "nudge")
    for wrong in ({"undoes": "e-none"}, {"undoes": "apr-none"}, {"undoes": done.id, "parameters": {"by": -2}}):
        with pytest.raises(Refused, match="does not undo"):
            office.gateway.submit(remediation("nudge").model_copy(update=wrong))


@pytest.mark.parametrize(("happened", "state"), [(True, S.SUCCEEDED), (False, S.FAILED)])
def test_a_person_says_what_became_of_an_execution(office: Office, happened: bool, state: S) -> None:  # noqa: FBT001
    request = approved(office)
    office.hands.answer = office.hands.seen = type(office.hands.answer).UNKNOWN
    step(office)
    assert look(office, request).state is S.UNKNOWN

    def say(who: str) -> Answer:
        return office.gateway.reconcile(
            TENANT, request.id, office.policy.person(who), happened=happened, reason="saw it", face="test"
        )

    with pytest.raises(Refused, match="needs a lead"):
        say("mia")
    assert say("lea").request.state is state
    assert say("leo").changed is False
    (told,) = [row.event for row in office.audit.store.read(TENANT) if row.event.event == "execution.told"]
    reason = told.data["reason"]
    assert isinstance(reason, dict)
    (text,) = office.audit.store.texts(TENANT, [str(reason["sha256"])])
    assert text is not None
    assert text.text == "saw it"
    execution = look(office, request).execution
    assert execution is not None
    assert (execution.reconciled_by, len(office.hands.runs)) == ("lea", 1)
    found = f"lea found that out at {execution.ended_at:%Y-%m-%d %H:%M:%S} UTC: lea says that it "
    with pytest.raises(AlreadyDecided, match=found) as late:
        office.gateway.reconcile(TENANT, request.id, office.policy.person("leo"), happened=not happened, reason="no", face="test")
    assert "approved" not in late.value.message
    assert f"middlewatch approvals show {request.id}" in late.value.remedy


@pytest.mark.parametrize("who", [None, STRANGER])
def test_every_refusal_is_an_event(office: Office, who: Principal | None) -> None:
    request, done = asked(office), executed(office, "nudge")
    gateway = office.gateway
    tries: list[Callable[[], object]] = [
        lambda: gateway.edit(TENANT, request.id, {}, who),
        lambda: gateway.propose_again(TENANT, request.id, who),
        lambda: gateway.undo(TENANT, done.id, who),
        lambda: gateway.reconcile(TENANT, request.id, who, happened=True, reason=""),
        lambda: gateway.propose(remediation("drain"), who),
        lambda: gateway.edit(TENANT, done.id, {}, office.policy.person("leo")),
        lambda: gateway.propose_again(TENANT, done.id, office.policy.person("leo")),
        lambda: gateway.undo(TENANT, request.id, office.policy.person("leo")),
        lambda: gateway.reconcile(TENANT, request.id, office.policy.person("leo"), happened=True, reason=""),
    ]
    for n, attempt in enumerate(tries, 1):
        with pytest.raises(Refused):
            attempt()
        assert len([name for name in office.events() if name.endswith(".refused")]) == n
    assert look(office, request) == request


def test_who_looks_and_who_signs_in_is_in_the_log(office: Office) -> None:
    request = asked(office)
    office.gateway.viewed(request, office.policy.person("leo"), face="web")
    office.gateway.login(TENANT, office.policy.person("leo"), face="web")
    office.gateway.login(TENANT, None, face="web")
    assert office.events()[-3:] == ["request.viewed", "principal.login", "login.refused"]


def test_approvals_are_kept_with_who_gave_them(office: Office) -> None:
    request = approved(office)
    given: Approval = request.approvals[0]
    assert (given.principal, given.role, given.face, given.digest) == ("leo", Role.LEAD, "test", request.digest)
