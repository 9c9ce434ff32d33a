"""No task waits for another: the finish, or the death, of the last task of a group enqueues what follows, once."""

from __future__ import annotations

import pytest
from redis import Redis

from middlewatch.context_store.store import ContextStore
from middlewatch.records import Claim, Completion, FanOut, InvestigationState, Task, TaskKind, TaskState
from middlewatch.records.errors import BadInput, LeaseLost
from tests.store_data import make_investigation, make_report, make_task
from tests.store_fixtures import end_pauses

LOOKS = tuple(make_task(f"look-{n}") for n in range(3))
THEN = make_task("conclude", kind=TaskKind.CONCLUDE)


@pytest.fixture
def plan(store: ContextStore) -> Claim:
    store.open(make_investigation(), make_task("plan", kind=TaskKind.PLAN))
    return claimed(store)


def claimed(store: ContextStore) -> Claim:
    claim = store.claim("ann")
    assert claim is not None
    return claim


def claim_all(store: ContextStore) -> dict[str, Claim]:
    found = {}
    while claim := store.claim("ann"):
        found[claim.task.id] = claim
    return found


def kill(store: ContextStore, redis: Redis, claim: Claim) -> None:
    while store.fail(claim, "boom") is not TaskState.DEAD:
        end_pauses(redis)
        claim = claimed(store)


def tasks(store: ContextStore) -> dict[str, TaskState]:
    return {status.task.id: status.state for status in store.snapshot("acme", "inv-1").tasks}


def test_a_group_is_ready_together_and_what_follows_is_not_there_yet(store: ContextStore, plan: Claim) -> None:
    store.finish(plan, Completion(fan_out=FanOut(tasks=LOOKS, then=THEN)))
    assert tasks(store) == {"plan": TaskState.DONE, **{task.id: TaskState.READY for task in LOOKS}}
    assert set(claim_all(store)) == {task.id for task in LOOKS}


def test_the_last_of_a_group_enqueues_what_follows(store: ContextStore, plan: Claim) -> None:
    store.finish(plan, Completion(fan_out=FanOut(tasks=LOOKS, then=THEN)))
    claims = list(claim_all(store).values())
    for claim in claims[:-1]:
        store.finish(claim, Completion())
        assert store.claim("ann") is None
    store.finish(claims[-1], Completion())
    assert not store.finish(claims[-1], Completion())
    assert claimed(store).task == THEN
    assert store.claim("ann") is None


@pytest.mark.parametrize("dead", [{0}, {2}, {0, 1, 2}])
def test_a_dead_task_counts_down_too_and_stays_visible(store: ContextStore, redis: Redis, plan: Claim, dead: set[int]) -> None:
    store.finish(plan, Completion(fan_out=FanOut(tasks=LOOKS, then=THEN)))
    for n, (_, claim) in enumerate(sorted(claim_all(store).items())):
        if n in dead:
            kill(store, redis, claim)
        else:
            store.finish(claim, Completion())
    assert claimed(store).task == THEN
    states = tasks(store)
    assert {n for n, task in enumerate(LOOKS) if states[task.id] is TaskState.DEAD} == dead
    assert len(store.dead_tasks("acme")) == len(dead)


def test_a_task_that_runs_again_counts_down_once(store: ContextStore, redis: Redis, plan: Claim) -> None:
    store.finish(plan, Completion(fan_out=FanOut(tasks=LOOKS[:2], then=THEN)))
    first, second = claim_all(store).values()
    store.fail(first, "boom")
    with pytest.raises(LeaseLost):
        store.finish(first, Completion())
    end_pauses(redis)
    store.finish(claimed(store), Completion())
    assert store.claim("ann") is None
    store.finish(second, Completion())
    assert claimed(store).task == THEN


def test_an_empty_group_enqueues_what_follows_at_once(store: ContextStore, plan: Claim) -> None:
    store.finish(plan, Completion(fan_out=FanOut(tasks=(), then=THEN)))
    assert claimed(store).task == THEN


def test_a_task_of_a_group_may_fan_out_itself(store: ContextStore, plan: Claim) -> None:
    deeper = make_task("deeper")
    store.finish(plan, Completion(fan_out=FanOut(tasks=LOOKS[:1], then=THEN)))
    store.finish(claimed(store), Completion(fan_out=FanOut(tasks=(deeper,), then=make_task("deepest"))))
    claims = claim_all(store)
    assert set(claims) == {"conclude", "deeper"}
    store.finish(claims["deeper"], Completion())
    assert claimed(store).task.id == "deepest"


@pytest.mark.parametrize(
    "fan_out",
    [
        FanOut(tasks=(make_task("plan"),)),
        FanOut(tasks=(make_task("a"), make_task("a"))),
        FanOut(tasks=(make_task("a"),), then=make_task("a")),
        FanOut(tasks=(make_task("a"),), then=make_task("plan")),
        FanOut(tasks=(make_task("a", investigation=make_investigation(identifier="inv-2")),)),
        FanOut(tasks=(), then=make_task("a", investigation=make_investigation("other"))),
    ],
)
def test_a_fan_out_that_cannot_be_is_refused_whole(store: ContextStore, plan: Claim, fan_out: FanOut) -> None:
    with pytest.raises(BadInput):
        store.finish(plan, Completion(result={"n": 1}, fan_out=fan_out))
    assert tasks(store) == {"plan": TaskState.CLAIMED}
    assert store.finish(plan, Completion(fan_out=FanOut(tasks=(make_task("b"),))))


def test_a_task_that_waits_for_its_group_keeps_its_id(store: ContextStore, plan: Claim) -> None:
    store.finish(plan, Completion(fan_out=FanOut(tasks=LOOKS[:1], then=THEN)))
    with pytest.raises(BadInput):
        store.finish(claimed(store), Completion(fan_out=FanOut(tasks=(THEN,))))


def test_a_report_closes_the_investigation_in_the_same_step(store: ContextStore, plan: Claim) -> None:
    store.finish(plan, Completion(fan_out=FanOut(tasks=(make_task("a"), make_task("b")))))
    first, second = claim_all(store).values()
    store.finish(first, Completion(report=make_report()))
    snapshot = store.snapshot("acme", "inv-1")
    assert snapshot.report == make_report()
    assert snapshot.investigation.state is InvestigationState.CLOSED
    assert snapshot.investigation.closed_at is not None
    with pytest.raises(LeaseLost):
        store.renew(second)


def test_nothing_follows_a_report(store: ContextStore, plan: Claim) -> None:
    with pytest.raises(BadInput):
        store.finish(plan, Completion(report=make_report(), fan_out=FanOut(tasks=LOOKS)))


def test_an_investigation_that_nobody_can_bring_to_a_report_says_so(store: ContextStore, redis: Redis, plan: Claim) -> None:
    kill(store, redis, plan)
    last = store.events("acme", "inv-1")[-1]
    assert (last.kind, last.data) == ("investigation.stalled", {"dead": 1})


def test_every_task_of_a_large_group_is_claimed(store: ContextStore, plan: Claim) -> None:
    many: tuple[Task, ...] = tuple(make_task(f"look-{n}") for n in range(100))
    store.finish(plan, Completion(fan_out=FanOut(tasks=many, then=THEN)))
    for claim in claim_all(store).values():
        store.finish(claim, Completion())
    assert claimed(store).task == THEN
