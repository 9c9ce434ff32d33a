"""Invariants: anybody stops everything and a manager lets it go on; a broken glass skips a freeze alone, and another reviews it; a
tier moves one down only after enough that went well, and back at once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from middlewatch.approval import controls
from middlewatch.approval.timers import Sight
from middlewatch.records import ApprovalRequest, Principal, Recovery, Role
from middlewatch.records import RequestState as S
from middlewatch.records.errors import Refused
from tests.approval_data import POLICY_TEXT, TARGET, TENANT, Office, remediation
from tests.integration.approval.working import (
    KEYS,
    aged,
    all_due,
    approved,
    asked,
    executed,
    freeze,
    look,
    open_office,
    resolve,
    rewrite,
    step,
    tended,
    with_role,
    without_person,
)

STRANGER = Principal(id="eve", name="Eve", role=Role.MANAGER)
TRUST = 'actions = ["annotate", "nudge", "roll_back", "drain"]'


def halt(office: Office, who: str | None = "mia", reason: str = "it burns") -> None:
    controls.halt(office.desk, TENANT, office.policy.person(who) if who else None, reason, face="test")


def lift(office: Office, who: str | None, reason: str = "it is out") -> None:
    controls.lift(office.desk, TENANT, office.policy.person(who) if who else None, reason, face="test")


def smash(
    office: Office, request: ApprovalRequest, who: str = "mara", *, credential: str = "open-sesame", reason: str = "now"
) -> ApprovalRequest:
    person = office.policy.person(who)
    return controls.break_glass(office.desk, TENANT, request.id, person, credential=credential, reason=reason, face="test").request


def review(office: Office, request: ApprovalRequest, who: str) -> ApprovalRequest:
    return controls.review_glass(office.desk, TENANT, request.id, office.policy.person(who), reason="fine", face="test").request


# The kill switch


def test_anybody_halts_and_a_manager_lifts(office: Office, server: Redis, tmp_path: Path) -> None:
    request = approved(office)
    halt(office)
    again = open_office(server, tmp_path)  # another process
    step(again)
    assert (look(again, request).state, again.hands.runs) == (S.APPROVED, [])
    for who in ("mia", "leo"):
        with pytest.raises(Refused, match="takes a manager"):
            lift(again, who)
    assert again.desk.store.halted(TENANT)[0] is not None
    lift(again, "mara")
    all_due(again)
    step(again)
    assert look(again, request).state is S.SUCCEEDED
    assert [name for name in again.events() if name.startswith("halt")] == ["halt.set", "halt.kept", "halt.kept", "halt.lifted"]


def test_a_halt_is_set_once_and_the_first_stays(office: Office) -> None:
    halt(office, "mia")
    found = controls.halt(office.desk, TENANT, office.policy.person("leo"), "me too", face="test")
    assert found.by == "mia"
    assert office.events("halt.set") == ["halt.set"]
    lift(office, "mara")
    lift(office, "max")
    assert office.events("halt.lifted") == ["halt.lifted"]


def test_what_was_halted_for_longer_than_an_approval_lives_does_not_begin_after_it(office: Office) -> None:
    request = approved(office)
    halt(office)
    step(office)
    aged(office, request, 3600)
    lift(office, "mara")
    step(office)
    assert (look(office, request).state, office.hands.runs) == (S.EXPIRED, [])


def test_people_decide_while_it_is_halted(office: Office) -> None:
    halt(office)
    request = asked(office)
    assert resolve(office, request, "leo").request.state is S.APPROVED


@pytest.mark.parametrize("who", [None, STRANGER])
def test_strangers_touch_nothing_and_are_in_the_log(office: Office, who: Principal | None) -> None:
    request = approved(office)
    freeze(office)
    tries: list[Callable[[], object]] = [
        lambda: controls.halt(office.desk, TENANT, who, "", face="test"),
        lambda: controls.lift(office.desk, TENANT, who, "", face="test"),
        lambda: controls.break_glass(office.desk, TENANT, request.id, who, credential="open-sesame", reason="r", face="test"),
        lambda: controls.review_glass(office.desk, TENANT, request.id, who, reason="r", face="test"),
        lambda: controls.confirm_trust(office.desk, TENANT, "nudge", TARGET, who),
    ]
    before = len(office.events())
    for attempt in tries:
        with pytest.raises(Refused, match="does not know"):
            attempt()
    assert office.events()[before:] == ["halt.refused", "halt.kept", "glass.refused", "glass.refused", "trust.refused"]
    assert office.desk.store.halted(TENANT)[0] is None
    assert look(office, request) == request


def test_what_people_type_is_not_in_the_log(office: Office) -> None:
    halt(office, reason="Kim's flat burns")
    lift(office, "mara", reason="Kim is out")
    assert not any("Kim" in str(entry) for entry in office.redis.lrange(KEYS.audit, 0, -1))


# Breaking the glass


def test_a_broken_glass_skips_the_freeze(office: Office) -> None:
    request = approved(office)
    freeze(office)
    step(office)
    assert office.hands.runs == []
    smash(office, request)
    step(office)
    done = look(office, request)
    assert (done.state, len(office.hands.runs)) == (S.SUCCEEDED, 1)
    assert done.break_glass is not None
    assert (done.break_glass.principal, done.break_glass.reviewed_by) == ("mara", "")


@pytest.mark.parametrize(
    ("who", "credential", "reason", "why"),
    [
        ("leo", "open-sesame", "now", "takes a manager"),
        ("mara", "open-sesam", "now", "credential"),
        ("mara", "", "now", "credential"),
        ("max", "open-sesame", "now", "credential"),  # it is mara's
        ("mara", "open-sesame", " ", "reason"),
    ],
)
def test_it_takes_a_manager_a_credential_of_their_own_and_a_reason(
    office: Office, who: str, credential: str, reason: str, why: str
) -> None:
    request = approved(office)
    freeze(office)
    with pytest.raises(Refused, match=why):
        smash(office, request, who, credential=credential, reason=reason)
    step(office)
    assert office.hands.runs == []
    assert office.events("glass.refused") == ["glass.refused"]


def test_only_what_is_approved_and_frozen_needs_it(office: Office) -> None:
    request = asked(office)
    freeze(office)
    with pytest.raises(Refused, match="only what is approved"):
        smash(office, request)
    office.policy.write(POLICY_TEXT)
    resolve(office, request, "leo")
    with pytest.raises(Refused, match="No freeze"):
        smash(office, request)


@pytest.mark.parametrize("also", ["halt", "role", "target", "record"])
def test_it_skips_nothing_but_the_freeze(office: Office, also: str) -> None:
    request = approved(office)
    freeze(office)
    smash(office, request)
    match also:
        case "halt":
            halt(office)
        case "role":
            office.policy.write(with_role(POLICY_TEXT, "leo", "member"))
        case "target":
            office.hands.version["revision"] = 8
        case _:
            rewrite(office, request, plan=("more",))
    step(office)
    assert office.hands.runs == []


def test_whoever_broke_it_is_a_manager_still(office: Office) -> None:
    request = approved(office)
    freeze(office)
    smash(office, request)
    text = office.policy.path.read_text(encoding="utf-8")
    office.policy.write(without_person(text, "mara"))
    step(office)
    assert (look(office, request).state, office.hands.runs) == (S.APPROVED, [])
    assert "freeze" in look(office, request).why


def test_a_broken_glass_is_reviewed_also_where_nothing_began(office: Office) -> None:
    request = approved(office)
    freeze(office)
    smash(office, request)
    assert not look(office, request).awaits_review
    resolve(office, request, "leo", deny=True)
    assert look(office, request).awaits_review
    assert not review(office, request, "max").awaits_review


def test_another_manager_reviews_it_when_it_is_over(office: Office) -> None:
    request = approved(office)
    freeze(office)
    smash(office, request)
    with pytest.raises(Refused, match="nothing to review yet"):
        review(office, request, "max")
    step(office)
    with pytest.raises(Refused, match="somebody else reviews"):
        review(office, request, "mara")
    with pytest.raises(Refused, match="takes a manager"):
        review(office, request, "leo")
    closed = review(office, request, "max")
    assert closed.break_glass is not None
    assert (closed.break_glass.reviewed_by, closed.state) == ("max", S.SUCCEEDED)
    all_due(office)
    assert tended(office, Sight(Recovery.RECOVERED, "gone")), "the symptom is looked at nevertheless"


# Growing trust


def nudged(office: Office, recovery: Recovery = Recovery.RECOVERED, *, investigation: str) -> ApprovalRequest:
    """An execution, approved and watched to its end."""
    made = office.gateway.submit(remediation("nudge", investigation=investigation))
    while look(office, made).state is S.PREPARING:
        step(office)
    resolve(office, look(office, made), "leo")
    while look(office, made).state is S.APPROVED:
        step(office)
    all_due(office)
    assert tended(office, Sight(recovery, "seen"))
    return look(office, made)


@pytest.fixture
def trusting(office: Office) -> Office:
    """Policy moves a nudge, which is of the medium tier here, one down after two successes."""
    office.policy.write(
        POLICY_TEXT.replace('actions = ["annotate", "nudge",', 'actions = ["annotate",')
        + '\n[[rules]]\nactions = ["nudge"]\ntargets = ["checkout"]\ntier = "medium"\nleast_modalities = 0\ntrust_after = 2\n'
    )
    return office


def confirm(office: Office, who: str = "mara") -> controls.Trust:
    return controls.confirm_trust(office.desk, TENANT, "nudge", TARGET, office.policy.person(who))


def test_a_tier_moves_one_down_after_enough_that_went_well_and_back_when_one_is_undone(trusting: Office) -> None:
    office = trusting
    assert nudged(office, investigation="inv-1").rule.tier == "medium"
    with pytest.raises(Refused, match="succeeded 1 times"):
        confirm(office)
    last = nudged(office, investigation="inv-2")
    with pytest.raises(Refused, match="takes a manager"):
        confirm(office, "leo")
    assert confirm(office).successes == 2
    assert confirm(office, "max").confirmed_by == "mara"
    assert office.events("trust.moved") == ["trust.moved"]
    assert asked(office, "nudge", by=3).rule.tier == "low"
    undo = office.gateway.undo(TENANT, last.id, office.policy.person("leo"))
    while look(office, undo).state is S.PREPARING:
        step(office)
    resolve(office, look(office, undo), "lea")
    while look(office, undo).state is S.APPROVED:
        step(office)
    assert office.events("trust.lost") == ["trust.lost"]
    assert asked(office, "nudge", by=4).rule.tier == "medium"
    with pytest.raises(Refused, match="succeeded 0 times"):
        confirm(office)


def test_one_that_did_not_help_begins_the_count_anew(trusting: Office) -> None:
    for n, recovery in enumerate((Recovery.RECOVERED, Recovery.NOT_RECOVERED, Recovery.RECOVERED)):
        nudged(trusting, recovery, investigation=f"inv-{n}")
    assert controls.successes(trusting.desk, TENANT, "nudge", TARGET) == 1


def test_policy_has_to_offer_it(office: Office) -> None:
    executed(office, "nudge")
    with pytest.raises(Refused, match="does not offer"):
        confirm(office)


# What people typed


def test_only_a_manager_deletes_a_text_and_the_log_says_who_did(office: Office) -> None:
    halt(office, reason="Bob is on leave")
    (row,) = office.audit.store.read(TENANT)
    digest = str(typed_in(row.event.data))
    for who in (None, STRANGER, office.policy.person("mia"), office.policy.person("leo")):
        with pytest.raises(Refused):
            controls.forget_text(office.desk, TENANT, who, digest, face="test")
    assert office.audit.store.texts(TENANT, [digest]) != (None,)
    mara = office.policy.person("mara")
    assert controls.forget_text(office.desk, TENANT, mara, digest, face="test")
    assert not controls.forget_text(office.desk, TENANT, mara, digest, face="test")
    assert office.audit.store.texts(TENANT, [digest]) == (None,)
    rows = [row.event for row in office.audit.store.read(TENANT)][1:]
    assert [row.event for row in rows] == ["audit.forget_refused"] * 4 + ["audit.text_forgotten"]
    assert (rows[-1].actor, rows[-1].digest, rows[-1].data) == ("mara", digest, {"face": "test"})


def typed_in(data: object) -> object:
    assert isinstance(data, dict)
    return data["reason"]["sha256"]
