"""Invariants: what was given up is not begun late, and what nobody can tell is not called done or failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from middlewatch import approvals
from middlewatch.approval import executor, stages
from middlewatch.approval.executor import Executor
from middlewatch.approval.timers import Sight, tend
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.keys import approval_keys
from middlewatch.context_store.script import Server
from middlewatch.records import (
    ActionResult,
    ApprovalRequest,
    Decision,
    Inspection,
    Order,
    Recovery,
    RequestState,
    Result,
    Scalar,
    UtcDatetime,
)
from middlewatch.settings import Settings
from tests.approval_data import TENANT, Office, remediation
from tests.integration.approval.working import aged
from tests.store_fixtures import redis as server
from tests.store_fixtures import set_times

__all__ = ["server"]


@pytest.fixture
def office(server: Redis, tmp_path: Path) -> Office:
    server.flushall()
    return Office.open(server, tmp_path)


def step(office: Office, name: str = "executor:one", *, acting_seconds: float = 0.0) -> bool:
    return Executor(office.desk, office.hands, name=name, acting_seconds=lambda _order: acting_seconds).step(TENANT)


def approved(office: Office) -> ApprovalRequest:
    asked = office.gateway.submit(remediation())
    step(office)
    asked = office.desk.store.look(TENANT, asked.id).request
    return office.gateway.resolve(TENANT, asked.id, Decision.APPROVE, office.policy.person("leo"), digest=asked.digest).request


def end_leases(office: Office) -> None:
    set_times(office.redis, approval_keys(TENANT).due, 1)


def test_an_executor_that_slept_over_its_intent_does_not_act_late(office: Office) -> None:
    asked = approved(office)

    def given_up_while_it_signs(tenant: str) -> None:
        if tenant == TENANT and office.events("execution.began") and not office.events("execution.lost"):
            end_leases(office)
            assert tend(office.desk, TENANT, lambda _request, _now: Sight(Recovery.RECOVERED, ""))

    office.audit.seal = given_up_while_it_signs  # type: ignore[method-assign]
    step(office)
    assert office.desk.store.look(TENANT, asked.id).request.state is RequestState.UNKNOWN
    assert office.hands.runs == []
    step(office, "executor:two")
    assert office.desk.store.look(TENANT, asked.id).request.state is RequestState.FAILED
    assert office.hands.runs == []


def lost(office: Office) -> tuple[ApprovalRequest, Order]:
    """A request whose executor lost the store before it acted, and what that one may still do."""
    asked, orders = approved(office), list[Order]()

    class Dies(Exception):
        pass

    def run(order: Order) -> ActionResult:
        orders.append(order)
        raise Dies

    office.hands.run = run  # type: ignore[method-assign]
    with pytest.raises(Dies):
        step(office)
    del office.hands.run
    end_leases(office)
    assert tend(office.desk, TENANT, lambda _request, _now: Sight(Recovery.RECOVERED, ""))
    return asked, orders[0]


def test_what_an_executor_that_lost_the_store_may_still_do_did_not_fail_yet(office: Office) -> None:
    asked, order = lost(office)
    for _ in range(3):
        assert step(office, "executor:two", acting_seconds=600.0)
        assert office.desk.store.look(TENANT, asked.id).request.state is RequestState.UNKNOWN
        assert not step(office, "executor:two", acting_seconds=600.0), "it waits until it looks again"
        end_leases(office)
    office.hands.run(order)
    assert step(office, "executor:two", acting_seconds=600.0)
    assert office.desk.store.look(TENANT, asked.id).request.state is RequestState.SUCCEEDED, "what was done is done at once"


def test_what_nobody_can_be_doing_any_more_failed(office: Office) -> None:
    asked, _ = lost(office)
    assert aged(office, asked, 601.0).execution is not None
    end_leases(office)
    assert step(office, "executor:two", acting_seconds=600.0)
    assert office.desk.store.look(TENANT, asked.id).request.state is RequestState.FAILED
    assert office.hands.runs == []


def test_without_a_word_from_the_hands_it_waits_for_the_longest_command_there_is(office: Office) -> None:
    asked, _ = lost(office)
    another = Executor(office.desk, office.hands, name="executor:two")
    for age, state in ((3600.0, RequestState.UNKNOWN), (60 + 100.0, RequestState.FAILED)):
        aged(office, asked, age)
        end_leases(office)
        assert another.step(TENANT)
        assert office.desk.store.look(TENANT, asked.id).request.state is state


def test_an_order_says_since_when_it_can_have_happened(office: Office) -> None:
    asked = approved(office)
    step(office)
    assert office.hands.runs[0].since == asked.created_at


def test_an_effect_that_nobody_can_see_in_time_is_unknown_and_not_failed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "EFFECT_SECONDS", 0.0)
    asked = approved(office)
    office.hands.seen = Result.UNKNOWN
    step(office)
    found = office.desk.store.look(TENANT, asked.id).request
    assert found.state is RequestState.UNKNOWN
    assert "its effect was not seen" in found.why
    office.hands.seen = None
    step(office, "executor:two")
    assert office.desk.store.look(TENANT, asked.id).request.state is RequestState.SUCCEEDED
    assert len(office.hands.runs) == 1


def test_an_effect_that_is_not_there_in_time_is_failed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "EFFECT_SECONDS", 0.0)
    asked = approved(office)
    office.hands.seen = Result.NOT_DONE
    step(office)
    assert office.desk.store.look(TENANT, asked.id).request.state is RequestState.FAILED


def test_the_lease_of_an_execution_is_that_of_its_executor(office: Office) -> None:
    asked = approved(office)
    due = approval_keys(TENANT).due
    left: list[float] = []

    class Dies(Exception):
        pass

    class Dying(type(office.hands)):  # type: ignore[misc]
        def run(self, _order: object) -> object:
            now_ms = office.desk.store.halted(TENANT)[1].timestamp() * 1000
            left.append((office.redis.zscore(due, asked.id) or 0.0) / 1000 - now_ms / 1000)
            raise Dies

    with pytest.raises(Dies):
        Executor(office.desk, Dying(), name="executor:one", lease_seconds=7.0).step(TENANT)
    assert 0 < left[0] <= 7.0


def until(happened: Callable[[], bool], work: Callable[[threading.Event], None]) -> None:
    """Let something work in a thread until something happened; fails where it ends before, or raises."""
    stop, problems = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            work(stop)
        except BaseException as error:  # noqa: BLE001  the test says what it was
            problems.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while not happened() and thread.is_alive():
        time.sleep(0.01)
    stop.set()
    thread.join()
    assert problems == []
    assert happened()


def test_a_fault_in_one_adapter_keeps_no_other_request_from_the_executor(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "PAUSE_SECONDS", 0.01)
    faulty, fine = office.gateway.submit(remediation("nudge")), office.gateway.submit(remediation())
    inspect = office.hands.inspect

    def broken(action: str, target: str, parameters: dict[str, Scalar]) -> Inspection:
        return inspect("no such", target, {"by": 1 // 0}) if action == "nudge" else inspect(action, target, parameters)

    office.hands.inspect = broken  # type: ignore[method-assign]
    one = Executor(office.desk, office.hands, name="executor:one")
    until(lambda: office.desk.store.look(TENANT, fine.id).request.state is RequestState.PENDING, one.run)
    assert office.desk.store.look(TENANT, faulty.id).request.state is RequestState.PREPARING


def test_a_fault_in_a_look_at_a_symptom_keeps_no_other_from_its_deadline(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals, "TEND_SECONDS", 0.01)
    done = approved(office)
    step(office)
    waiting = office.gateway.submit(remediation("drain"))
    step(office)
    store = office.desk.store
    late = store.look(TENANT, waiting.id).request
    office.redis.hset(
        approval_keys(TENANT).requests,
        late.id,
        late.model_copy(
            update={"bound": late.bound and late.bound.model_copy(update={"expires_at": late.created_at})}
        ).model_dump_json(),
    )
    end_leases(office)
    office.redis.zadd(approval_keys(TENANT).due, {done.id: 0})  # the faulty one comes first

    def watch(_request: ApprovalRequest, _now: UtcDatetime) -> Sight:
        raise ZeroDivisionError

    settings = Settings(data_dir=tmp_path, tenant=TENANT)
    tended = approvals.Approvals(settings, Server(office.redis, Epoch()), lambda *_: (), lambda *_: 1.0)
    until(
        lambda: store.look(TENANT, waiting.id).request.state is RequestState.EXPIRED,
        lambda stop: tended.tend_until(stop, watch),
    )
    assert store.look(TENANT, done.id).request.state is RequestState.SUCCEEDED
