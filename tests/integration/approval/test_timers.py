"""Invariants: what time brings happens once, late where nobody was there; silence never approves; nothing is forgotten."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from redis import Redis

from middlewatch.approval.executor import Executor
from middlewatch.approval.timers import ABSENT_SECONDS, WATCH_SECONDS, Sight
from middlewatch.records import ActionResult, ApprovalRequest, Order, Recovery, Result, Role, Seat
from middlewatch.records import RequestState as S
from middlewatch.records.errors import Unavailable
from tests.approval_data import POLICY_TEXT, TENANT, FakeHands, Office, remediation
from tests.integration.approval.working import (
    KEYS,
    aged,
    all_due,
    approved,
    asked,
    executed,
    look,
    open_office,
    resolve,
    step,
    tended,
)

RULES = '[[rules]]\nactions = ["annotate", "nudge", "roll_back", "drain"]\ntargets = ["checkout"]\n'
STEPS = """deadline_minutes = 15
escalation = [{ after_minutes = 5, ask = ["manager"] }, { after_minutes = 10, ask = ["principal:mara"] }]
"""


@pytest.fixture
def escalating(office: Office) -> Office:
    office.policy.write(POLICY_TEXT.replace(RULES, RULES + STEPS))
    return office


def seats(request: ApprovalRequest) -> list[tuple[Seat, ...]]:
    return [one.asked for one in request.asked]


# Asking the next level


def test_the_next_level_is_asked_when_its_time_comes_and_once(escalating: Office) -> None:
    office, request = escalating, asked(escalating)
    assert not tended(office)
    aged(office, request, 5 * 60)
    assert tended(office)
    assert not tended(office)
    assert seats(look(office, request)) == [(Seat(role=Role.MANAGER),)]
    aged(office, request, 5 * 60)
    assert tended(office)
    assert [seat.principal for step_ in seats(look(office, request)) for seat in step_] == [None, "mara"]
    assert office.events("request.escalated") == ["request.escalated"] * 2
    request = look(office, request)
    aged(office, request, 5 * 60)
    assert tended(office)
    assert look(office, request).state is S.EXPIRED


def test_asking_lowers_nothing(escalating: Office) -> None:
    request = asked(escalating)
    aged(escalating, request, 5 * 60)
    tended(escalating)
    request = look(escalating, request)
    assert request.rule.requires == asked(escalating, "roll_back", by=2).rule.requires
    assert resolve(escalating, request, "leo").request.state is S.APPROVED


def test_what_was_missed_while_nobody_was_there_happens_once(escalating: Office, server: Redis, tmp_path: Path) -> None:
    request = asked(escalating)
    aged(escalating, request, 11 * 60)
    later = open_office(server, tmp_path)  # everything was restarted
    later.policy.write(POLICY_TEXT.replace(RULES, RULES + STEPS))
    assert tended(later)
    assert not tended(later)
    found = look(later, request)
    assert (len(found.asked), found.state) == (2, S.PENDING)
    assert later.events("request.escalated") == ["request.escalated"] * 2
    assert resolve(later, found, "leo").request.state is S.APPROVED
    step(later)
    assert look(later, request).state is S.SUCCEEDED


def test_many_who_look_at_once_ask_once(escalating: Office) -> None:
    request = asked(escalating)
    aged(escalating, request, 5 * 60)
    gate = threading.Barrier(6)

    def look_after_it() -> None:
        gate.wait()
        all_due(escalating)
        tended(escalating)

    threads = [threading.Thread(target=look_after_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert escalating.events("request.escalated") == ["request.escalated"]
    assert len(look(escalating, request).asked) == 1


# Silence


def test_silence_never_approves(office: Office) -> None:
    request = asked(office)
    aged(office, request, 3600)
    assert tended(office)
    found = look(office, request)
    assert (found.state, found.why) == (S.EXPIRED, "nobody decided in time")
    assert not step(office)


def test_what_no_executor_looks_at_or_begins_expires(office: Office) -> None:
    waiting, proposed = approved(office), office.gateway.submit(remediation("nudge"))
    assert not tended(office), "it is the executor's turn first"
    for request in (waiting, proposed):
        aged(office, request, 3600)
    while tended(office):
        pass
    assert look(office, waiting).why == "its approval ran out before it began"
    assert look(office, proposed).why == "no executor looked at the target in time"
    assert {look(office, one).state for one in (waiting, proposed)} == {S.EXPIRED}


def test_one_that_waits_for_an_absent_executor_is_left_to_it_in_time(office: Office) -> None:
    request = approved(office)
    aged(office, request, ABSENT_SECONDS + 5)
    assert tended(office)
    assert look(office, request).state is S.APPROVED
    step(office)
    assert look(office, request).state is S.SUCCEEDED


def test_what_policy_lets_run_goes_on_where_its_executor_died_in_between(office: Office) -> None:
    request = office.gateway.submit(remediation("annotate"))
    step(office)
    done = look(office, request)
    office.redis.hset(
        KEYS.requests,
        request.id,
        done.model_copy(update={"state": S.PENDING, "approvals": (), "approved_until": None, "execution": None}).model_dump_json(),
    )
    office.redis.hset(KEYS.states, request.id, "pending")
    office.redis.zadd(KEYS.due, {request.id: 1})
    assert tended(office)
    assert look(office, request).approvals[0].principal == "policy:auto"


# Executions that are lost


class Hung(FakeHands):
    """Does it, and the process dies before it says so."""

    def run(self, order: Order) -> ActionResult:
        super().run(order)
        raise KeyboardInterrupt


@pytest.mark.parametrize(("happened", "state"), [(True, S.SUCCEEDED), (False, S.FAILED)])
def test_an_execution_whose_executor_died_is_looked_into_and_never_tried_again(office: Office, happened: bool, state: S) -> None:  # noqa: FBT001
    request = approved(office)
    hung = Hung()
    with pytest.raises(KeyboardInterrupt):
        Executor(office.desk, hung, name="executor:one").step(TENANT)
    assert not tended(office), "its lease lasts"
    assert look(office, request).state is S.EXECUTING
    all_due(office)
    assert tended(office)
    assert look(office, request).state is S.UNKNOWN
    office.hands.runs = hung.runs if happened else []
    assert step(office, "executor:two")
    found = look(office, request)
    assert found.state is state
    assert found.execution is not None
    assert (found.execution.reconciled_by, len(office.hands.runs)) == ("probe", int(happened))
    assert office.events()[-3:] == ["execution.began", "execution.lost", "execution.reconciled"]


def test_what_nobody_can_tell_is_asked_again_later(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    request = approved(office)
    office.hands.answer = office.hands.seen = Result.UNKNOWN
    step(office)
    assert look(office, request).state is S.UNKNOWN
    for _ in range(3):
        all_due(office)
        assert step(office)
    assert look(office, request).state is S.UNKNOWN
    assert office.redis.zscore(KEYS.due, request.id), "it is not forgotten"

    def away(_order: Order) -> ActionResult:
        raise Unavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(office.hands, "probe", away)
        all_due(office)
        assert step(office)
    office.hands.seen = None
    all_due(office)
    step(office)
    assert (look(office, request).state, len(office.hands.runs)) == (S.SUCCEEDED, 1)


def test_the_result_of_an_execution_that_was_given_up_changes_nothing(office: Office) -> None:
    request = approved(office)

    class Slow(FakeHands):
        def run(self, order: Order) -> ActionResult:
            office.hands.runs.append(order)
            all_due(office)
            assert tended(office)  # lost
            office.hands.seen = Result.NOT_DONE
            assert step(office, "executor:two")  # and found not to have happened
            return super().run(order)

    Executor(office.desk, Slow(), name="executor:one").step(TENANT)
    found = look(office, request)
    assert (found.state, office.events("execution.succeeded")) == (S.FAILED, [])


# The symptom


def test_the_symptom_is_watched_until_it_is_gone(office: Office) -> None:
    request = executed(office)
    for _ in range(2):
        all_due(office)
        assert tended(office, Sight(Recovery.WATCHING, "still there"))
    all_due(office)
    assert tended(office, Sight(Recovery.RECOVERED, "gone since noon"))
    found = look(office, request).execution
    assert found is not None
    assert (found.recovery, found.recovery_note) == (Recovery.RECOVERED, "gone since noon")
    assert found.recovered_at is not None
    assert office.redis.zcard(KEYS.due) == 0
    assert office.events()[-1] == "outcome.recovered"


@pytest.mark.parametrize("at_the_end", [Recovery.NOT_RECOVERED, Recovery.NOT_SEEN])
def test_that_it_stayed_is_recorded_when_its_time_is_over(office: Office, at_the_end: Recovery) -> None:
    request = executed(office)
    aged(office, request, WATCH_SECONDS + 1)
    all_due(office)
    assert tended(office, Sight(Recovery.WATCHING, "still there", at_the_end=at_the_end))
    found = look(office, request).execution
    assert found is not None
    assert found.recovery is at_the_end
    assert office.events()[-1] == f"outcome.{at_the_end}"
    assert not tended(office)


def test_nothing_open_is_without_a_time_at_which_somebody_looks(office: Office) -> None:
    for action in ("annotate", "nudge", "roll_back", "both", "drain"):
        office.gateway.submit(remediation(action))
        for kept in office.desk.store.list(TENANT):
            due = office.redis.zscore(KEYS.due, kept.request.id)
            assert (due is not None) or kept.request.state.terminal
        step(office)
