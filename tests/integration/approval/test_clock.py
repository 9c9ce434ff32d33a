"""Invariants: time is the store's alone. Whichever way it jumps, nobody is asked twice, nothing is approved late or done twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis

from middlewatch.approval.executor import Executor
from middlewatch.approval.timers import ABSENT_SECONDS, Sight, tend
from middlewatch.context_store.approvals import Kept, Update
from middlewatch.records import ApprovalRequest, Decision, Inspection, Recovery, RequestState, Scalar
from middlewatch.records.errors import AlreadyDecided, Refused
from tests.approval_data import POLICY_TEXT, TENANT, Office, remediation
from tests.integration.approval.faketime import Clock, redis_at

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
STEPS_TEXT = """
[tiers.medium]
deadline_minutes = 60
life_minutes = 15
escalation = [{ after_minutes = 10, ask = ["manager"] }, { after_minutes = 30, ask = ["principal:mara"] }]
"""


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Clock, Redis]]:
    folder = tmp_path_factory.mktemp("time")
    clock = Clock(folder / "clock")
    with redis_at(clock, folder) as redis:
        yield clock, redis


@pytest.fixture
def clock(timed: tuple[Clock, Redis]) -> Clock:
    return timed[0]


@pytest.fixture
def office(timed: tuple[Clock, Redis], tmp_path: Path) -> Office:
    clock, redis = timed
    clock.move(-timedelta(seconds=clock.seconds))
    redis.flushall()
    office = Office.open(redis, tmp_path)
    office.policy.write(POLICY_TEXT + STEPS_TEXT)
    return office


def look(office: Office, request: ApprovalRequest) -> ApprovalRequest:
    return office.desk.store.look(TENANT, request.id).request


def work(office: Office) -> None:
    """The executor does what is due now."""
    while Executor(office.desk, office.hands, name="executor:one").step(TENANT):
        pass


def tended(office: Office) -> None:
    """A worker does what is due now."""
    while tend(office.desk, TENANT, lambda _request, _now: Sight(Recovery.RECOVERED, "")):
        pass


def pending(office: Office) -> ApprovalRequest:
    asked = office.gateway.submit(remediation())
    work(office)
    return look(office, asked)


def approve(office: Office, request: ApprovalRequest, person: str = "leo") -> ApprovalRequest:
    return office.gateway.resolve(TENANT, request.id, Decision.APPROVE, office.policy.person(person), digest=request.digest).request


def asked(office: Office, request: ApprovalRequest) -> list[str]:
    """Who was asked, step by step."""
    return [str(seat.principal or seat.role) for step in look(office, request).asked for seat in step.asked]


def test_only_the_clock_of_redis_moves(clock: Clock, office: Office) -> None:
    before = time.time()
    clock.move(3 * DAY)
    _, now = office.desk.store.halted(TENANT)
    assert timedelta(days=2.9) < now - datetime.now(UTC) < timedelta(days=3.1)
    assert time.time() - before < 600
    done = approve(office, pending(office))
    work(office)
    assert look(office, done).state is RequestState.SUCCEEDED, "whoever is days apart from Redis works all the same"


def test_time_moved_past_a_step_asks_its_people_once(clock: Clock, office: Office) -> None:
    request = pending(office)
    tended(office)
    assert asked(office, request) == []
    clock.move(11 * MINUTE)
    tended(office)
    tended(office)
    assert (asked(office, request), office.events("request.escalated")) == (["manager"], ["request.escalated"])
    assert approve(office, request).state is RequestState.APPROVED, "who is asked changed; who may decide did not"


def test_time_moved_past_two_steps_asks_the_people_of_both_once(clock: Clock, office: Office) -> None:
    request = pending(office)
    clock.move(31 * MINUTE)
    tended(office)
    tended(office)
    assert (asked(office, request), len(office.events("request.escalated"))) == (["manager", "mara"], 2)


def test_past_the_deadline_nobody_approves_and_it_expires_once(clock: Clock, office: Office) -> None:
    request = pending(office)
    clock.move(61 * MINUTE)
    with pytest.raises(Refused, match="its time is over"):
        approve(office, request)
    tended(office)
    tended(office)
    assert look(office, request).state is RequestState.EXPIRED
    assert (len(office.events("request.expired")), office.events("request.approved")) == (1, [])
    with pytest.raises(AlreadyDecided, match="expired before you decided"):
        approve(office, request)
    work(office)
    assert office.hands.runs == []


def test_an_approval_that_the_deadline_overtakes_on_its_way_is_refused(
    clock: Clock, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = pending(office)
    monkeypatch.setattr(office.desk.store, "change", moved_before(clock, 61 * MINUTE, office.desk.store.change))
    with pytest.raises(Refused, match="too late"):
        approve(office, request)
    monkeypatch.undo()
    assert look(office, request).approvals == ()


def moved_before(clock: Clock, by: timedelta, change: Callable[[Kept, Update], Kept]) -> Callable[[Kept, Update], Kept]:
    """`change`, with a jump between what was judged and what is written."""

    def late(kept: Kept, update: Update) -> Kept:
        clock.move(by)
        return change(kept, update)

    return late


def test_an_approval_lives_as_long_as_the_clock_of_redis_says(clock: Clock, office: Office) -> None:
    request = approve(office, pending(office))
    clock.move(16 * MINUTE)
    work(office)
    tended(office)
    assert (look(office, request).state, office.hands.runs) == (RequestState.EXPIRED, [])
    assert len(office.events("request.expired")) == 1


def test_an_approval_that_ends_while_the_target_is_looked_at_begins_nothing(clock: Clock, office: Office) -> None:
    request = approve(office, pending(office))
    jump_while_inspecting(clock, office, 16 * MINUTE)
    work(office)
    assert (office.hands.runs, office.events("execution.began")) == ([], [])
    clock.move(MINUTE)
    work(office)
    tended(office)
    assert look(office, request).state is RequestState.EXPIRED


def test_a_freeze_that_starts_between_the_judgement_and_the_beginning_holds_it_up(clock: Clock, office: Office) -> None:
    freeze_in(office, 5 * MINUTE)
    request = approve(office, pending(office))
    jump_while_inspecting(clock, office, 7 * MINUTE)
    work(office)
    assert (look(office, request).state, office.hands.runs) == (RequestState.APPROVED, [])
    assert office.events("execution.began") == []
    clock.move(MINUTE)
    work(office)
    assert (look(office, request).state, office.hands.runs) == (RequestState.APPROVED, [])
    assert "the freeze" in look(office, request).why


def test_a_freeze_that_time_jumps_back_out_of_lets_it_begin_once(clock: Clock, office: Office) -> None:
    freeze_in(office, 5 * MINUTE)
    request = approve(office, pending(office))
    clock.move(7 * MINUTE)
    work(office)
    assert office.hands.runs == []
    clock.move(-6 * MINUTE)
    hurry(office)
    work(office)
    assert (look(office, request).state, len(office.hands.runs)) == (RequestState.SUCCEEDED, 1)


def test_time_that_jumps_back_into_a_freeze_before_the_beginning_holds_it_up(clock: Clock, office: Office) -> None:
    freeze_in(office, -10 * MINUTE, lasts=20 * MINUTE)
    request = pending(office)
    clock.move(15 * MINUTE)
    request = approve(office, request)
    jump_while_inspecting(clock, office, -10 * MINUTE)
    work(office)
    assert (look(office, request).state, office.hands.runs) == (RequestState.APPROVED, [])
    assert office.events("execution.began") == []


def jump_while_inspecting(clock: Clock, office: Office, by: timedelta) -> None:
    """The next look at the target takes so long by Redis' clock."""
    inspect = office.hands.inspect

    def slowly(action: str, target: str, parameters: dict[str, Scalar]) -> Inspection:
        office.hands.inspect = inspect  # type: ignore[method-assign]
        clock.move(by)
        return inspect(action, target, parameters)

    office.hands.inspect = slowly  # type: ignore[method-assign]


def freeze_in(office: Office, after: timedelta, *, lasts: timedelta = timedelta(hours=3)) -> None:
    begin = office.desk.store.halted(TENANT)[1] + after
    end = begin + lasts
    window = f'name = "freeze"\ntargets = "*"\nzone = "UTC"\nfrom = {begin:%Y-%m-%dT%H:%M:%S}\nto = {end:%Y-%m-%dT%H:%M:%S}\n'
    office.policy.write(f"{POLICY_TEXT}{STEPS_TEXT}\n[[freezes]]\n{window}")


def hurry(office: Office) -> None:
    """What is due in what is the future now is looked at all the same: the test does not wait for hours."""
    for key in office.redis.keys("middlewatch:*:due"):
        for member in office.redis.zrange(key, 0, -1):
            office.redis.zadd(key, {str(member): 1}, xx=True)


def test_time_moved_back_repeats_no_step(clock: Clock, office: Office) -> None:
    request = pending(office)
    clock.move(11 * MINUTE)
    tended(office)
    clock.move(-DAY)
    hurry(office)
    tended(office)
    clock.move(DAY)
    hurry(office)
    tended(office)
    assert (asked(office, request), len(office.events("request.escalated"))) == (["manager"], 1)


def test_time_moved_back_approves_nothing_twice_and_does_nothing_twice(clock: Clock, office: Office) -> None:
    request = approve(office, pending(office))
    clock.move(-DAY)
    assert [approve(office, request, person).approvals for person in ("leo", "lea", "mara")] == [request.approvals] * 3
    hurry(office)
    tended(office)
    work(office)
    clock.move(-DAY)
    hurry(office)
    work(office)
    tended(office)
    assert (look(office, request).state, len(office.hands.runs)) == (RequestState.SUCCEEDED, 1)
    assert (len(office.events("request.approved")), len(office.events("execution.began"))) == (1, 1)


def test_time_moved_back_while_it_executes_is_no_second_beginning(clock: Clock, office: Office) -> None:
    request = approve(office, pending(office))
    run = office.hands.run

    def long_ago(order: object) -> object:
        clock.move(-DAY)
        hurry(office)
        return run(order)  # type: ignore[arg-type]

    office.hands.run = long_ago  # type: ignore[method-assign, assignment]
    work(office)
    execution = look(office, request).execution
    assert (look(office, request).state, len(office.hands.runs)) == (RequestState.SUCCEEDED, 1)
    assert execution is not None
    assert execution.ended_at is not None
    assert execution.ended_at < execution.began_at, "the log says what the clock said"
    hurry(office)
    tended(office)
    assert len(office.events("outcome.recovered")) == 1


def test_time_moved_far_while_it_executes_makes_it_lost_and_not_repeated(clock: Clock, office: Office) -> None:
    request = approve(office, pending(office))
    run = office.hands.run

    def much_later(order: object) -> object:
        clock.move(DAY)
        tended(office)
        return run(order)  # type: ignore[arg-type]

    office.hands.run = much_later  # type: ignore[method-assign, assignment]
    Executor(office.desk, office.hands, name="executor:one").step(TENANT)
    assert look(office, request).state is RequestState.UNKNOWN, "whoever slept for a day has no say any more"
    work(office)
    assert (look(office, request).state, len(office.hands.runs)) == (RequestState.SUCCEEDED, 1)


def test_nobody_takes_it_to_the_executor_and_it_expires_by_the_clock_of_redis(clock: Clock, office: Office) -> None:
    request = office.gateway.submit(remediation())
    clock.move(60 * MINUTE + timedelta(seconds=2 * ABSENT_SECONDS))
    tended(office)
    assert look(office, request).state is RequestState.EXPIRED
