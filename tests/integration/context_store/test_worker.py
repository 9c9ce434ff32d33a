"""A worker never blocks itself, stops a task whose lease is lost, and leaves nothing behind when it is told to stop."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import pytest
from redis import Redis

from middlewatch.context_store.connection import client_of
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.context_store.worker import Handler, Lease, Worker
from middlewatch.records import Claim, Completion, FanOut, InvestigationState, TaskKind, TaskState
from middlewatch.records.errors import BoundExceeded, LeaseLost, StaleEpoch, StoreUnavailable
from tests.store_data import make_evidence, make_investigation, make_report, make_task
from tests.store_fixtures import end_pauses

OURS = make_investigation()
QUIET = Completion()


def handlers(**kinds: Handler) -> dict[TaskKind, Handler]:
    return {kind: kinds.get(kind.value, lambda _claim, _lease: QUIET) for kind in TaskKind}


@contextmanager
def running(worker: Worker) -> Iterator[threading.Event]:
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def state(store: ContextStore, task: str = "look") -> TaskState:
    return next(status.state for status in store.snapshot("acme", "inv-1").tasks if status.task.id == task)


@pytest.mark.parametrize("slots", [1, 3])
def test_one_slot_runs_a_whole_investigation(store: ContextStore, slots: int) -> None:
    looks = tuple(make_task(f"look-{n}") for n in range(4))
    votes = tuple(make_task(f"vote-{n}", kind=TaskKind.VOTE) for n in range(4))
    end = make_task("conclude", kind=TaskKind.CONCLUDE)
    think = make_task("hypothesise", kind=TaskKind.HYPOTHESISE)
    work = handlers(
        plan=lambda _claim, _lease: Completion(fan_out=FanOut(tasks=looks, then=think)),
        investigate=lambda claim, _lease: Completion(evidence=(make_evidence(claim.task.id),)),
        hypothesise=lambda _claim, _lease: Completion(fan_out=FanOut(tasks=votes, then=end)),
        conclude=lambda _claim, _lease: Completion(report=make_report()),
    )
    store.open(OURS, make_task("plan", kind=TaskKind.PLAN))
    with running(Worker(store, work, name="ann", slots=slots)):
        wait_until(lambda: store.investigation("acme", "inv-1").state is InvestigationState.CLOSED)
    snapshot = store.snapshot("acme", "inv-1")
    assert {status.state for status in snapshot.tasks} == {TaskState.DONE}
    assert len(snapshot.evidence) == 4


def test_a_lease_is_renewed_for_as_long_as_the_handler_works(redis: Redis) -> None:
    store = ContextStore(redis, epoch=Epoch(), lease_seconds=0.3)
    store.open(OURS, make_task("look"))

    def slow(_claim: Claim, lease: Lease) -> Completion:
        for _ in range(10):
            time.sleep(0.1)
            lease.check()
        return QUIET

    with running(Worker(store, handlers(investigate=slow), name="ann")):
        wait_until(lambda: state(store) is TaskState.DONE)
    assert store.snapshot("acme", "inv-1").tasks[0].attempts == 1


@pytest.mark.parametrize("cause", ["cancelled", "taken away"])
def test_a_task_whose_lease_is_lost_is_stopped(redis: Redis, cause: str) -> None:
    store = ContextStore(redis, epoch=Epoch(), lease_seconds=0.3)
    store.open(OURS, make_task("look"))
    started, stopped = threading.Event(), threading.Event()

    def endless(_claim: Claim, lease: Lease) -> Completion:
        started.set()
        try:
            while True:
                lease.lost.wait(0.01)
                lease.check()
        finally:
            stopped.set()

    with running(Worker(store, handlers(investigate=endless), name="ann")):
        assert started.wait(10)
        if cause == "cancelled":
            store.cancel("acme", "inv-1")
        else:
            redis.hset("middlewatch:investigation:{acme:inv-1}:tasks", "look|owner", "bob")
        assert stopped.wait(10)
        store.cancel("acme", "inv-1")
    assert state(store) is not TaskState.DONE


def test_a_lease_that_nobody_could_renew_counts_as_lost() -> None:
    claim = Claim.model_validate(
        {"task": make_task("look"), "owner": "ann", "token": {"epoch": 1, "counter": 1}, "attempt": 1, "lease_seconds": 0.05}
    )
    lease = Lease(claim, time.monotonic())
    lease.check()
    lease.renewed(time.monotonic() - 1)
    with pytest.raises(LeaseLost):
        lease.check()
    assert lease.lost.is_set()


def test_a_handler_that_fails_is_tried_again_and_shown_in_the_end(store: ContextStore, redis: Redis) -> None:
    store.open(OURS, make_task("look"))

    def broken(claim: Claim, _lease: Lease) -> Completion:
        raise ValueError(f"attempt {claim.attempt}, password=hunter2hunter2")

    with running(Worker(store, handlers(investigate=broken), name="ann")):

        def dead() -> bool:
            end_pauses(redis)
            return state(store) is TaskState.DEAD

        wait_until(dead)
    assert [status.error for status in store.dead_tasks("acme")] == ["ValueError: attempt 5, password=[redacted:password]"]


def test_an_error_that_says_that_trying_again_is_useless_is_final(store: ContextStore) -> None:
    store.open(OURS, make_task("look"))

    def too_much(_claim: Claim, _lease: Lease) -> Completion:
        raise BoundExceeded("more rows than allowed")

    with running(Worker(store, handlers(investigate=too_much), name="ann")):
        wait_until(lambda: state(store) is TaskState.DEAD)
    assert [status.attempts for status in store.dead_tasks("acme")] == [1]


def test_a_completion_that_the_store_refuses_is_a_failure(store: ContextStore) -> None:
    store.open(OURS, make_task("look"))
    foreign = Completion(evidence=(make_evidence(investigation=make_investigation("other")),))
    with running(Worker(store, handlers(investigate=lambda _claim, _lease: foreign), name="ann")):
        wait_until(lambda: store.snapshot("acme", "inv-1").tasks[0].error != "")
    assert "another investigation" in store.snapshot("acme", "inv-1").tasks[0].error


def test_a_stopping_worker_finishes_what_runs(store: ContextStore) -> None:
    store.open(OURS, make_task("look"))
    started = threading.Event()

    def slow(_claim: Claim, _lease: Lease) -> Completion:
        started.set()
        time.sleep(0.3)
        return QUIET

    with running(Worker(store, handlers(investigate=slow), name="ann")) as stop:
        assert started.wait(10)
        stop.set()
    assert state(store) is TaskState.DONE


def test_a_stopping_worker_gives_back_what_does_not_end(store: ContextStore) -> None:
    store.open(OURS, make_task("look"))
    started, release = threading.Event(), threading.Event()

    def stubborn(_claim: Claim, _lease: Lease) -> Completion:
        started.set()
        release.wait(20)
        return Completion(result={"by": "the stubborn one"})

    with running(Worker(store, handlers(investigate=stubborn), name="ann", grace_seconds=0.05)) as stop:
        assert started.wait(10)
        stop.set()
    claim = store.claim("bob")
    assert claim is not None
    assert claim.attempt == 1
    release.set()
    time.sleep(0.1)
    assert store.finish(claim, Completion(result={"by": "bob"}))
    assert store.snapshot("acme", "inv-1").tasks[0].result == {"by": "bob"}


def test_a_worker_at_an_older_epoch_stops_and_says_why(store: ContextStore, redis: Redis) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            Worker(store, handlers(), name="ann").run(threading.Event())
        except StaleEpoch as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    store.open(OURS, make_task("look"))
    newer = ContextStore(redis, epoch=Epoch(2))
    newer.sweep()
    newer.claim("bob")
    thread.join(20)
    assert len(failures) == 1


def test_a_store_that_is_away_for_a_moment_loses_no_outcome(store: ContextStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.open(OURS, make_task("look"))
    finish, refused = store.finish, iter([True, True])

    def away(claim: Claim, completion: Completion) -> bool:
        if next(refused, False):
            raise StoreUnavailable
        return finish(claim, completion)

    monkeypatch.setattr(store, "finish", away)
    with running(Worker(store, handlers(investigate=lambda _claim, _lease: Completion(result={"n": 1})), name="ann")):
        wait_until(lambda: state(store) is TaskState.DONE)
    assert store.snapshot("acme", "inv-1").tasks[0].attempts == 1


def test_a_worker_mends_what_others_left(redis: Redis) -> None:
    store = ContextStore(redis, epoch=Epoch(), lease_seconds=0.2)
    store.open(OURS, make_task("look"))
    assert store.claim("a worker that was killed") is not None
    other = make_investigation(identifier="inv-2", source_id="alert-2")
    store.open(other, make_task("look", investigation=other))
    redis.delete(*[str(key) for key in redis.keys("middlewatch:queue:*:hints")])
    with running(Worker(store, handlers(), name="ann")):
        wait_until(lambda: {s.state for i in ("inv-1", "inv-2") for s in store.snapshot("acme", i).tasks} == {TaskState.DONE})


def serve(path: str, pipe: Connection) -> None:
    """A worker process as the application runs it: SIGTERM sets the event."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def slow(_claim: Claim, _lease: Lease) -> Completion:
        pipe.send("working")
        time.sleep(0.3)
        return QUIET

    store = ContextStore(client_of(f"unix://{path}"), epoch=Epoch())
    Worker(store, handlers(investigate=slow), name=f"worker-{os.getpid()}").run(stop)


def test_a_worker_process_ends_cleanly_on_sigterm(store: ContextStore, redis: Redis) -> None:
    store.open(OURS, make_task("look"))
    ours, theirs = multiprocessing.Pipe()
    path = redis.connection_pool.connection_kwargs["path"]
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(path, theirs), daemon=True)
    process.start()
    assert ours.recv() == "working"
    process.terminate()
    process.join(20)
    assert process.exitcode == 0
    assert state(store) is TaskState.DONE


def test_a_fault_in_the_worker_itself_ends_it_and_is_seen(store: ContextStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_worker: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(store, "claim", broken)
    with pytest.raises(ZeroDivisionError):
        Worker(store, handlers(), name="ann").run(threading.Event())


def test_whoever_waits_for_a_model_holds_up_nobody(store: ContextStore) -> None:
    """One slot: a model that does not answer keeps neither the other agents' models waiting nor the next incident's rules."""
    reasons = tuple(make_task(f"reason-{n}", kind=TaskKind.REASON) for n in range(4))
    answered, asked = threading.Event(), threading.Barrier(5)

    def wait_for_a_model(_claim: Claim, lease: Lease) -> Completion:
        asked.wait(20)  # all of them at the same time
        while not answered.wait(0.01):
            lease.check()
        return QUIET

    then = make_task("write", kind=TaskKind.WRITE)
    work = handlers(
        plan=lambda _claim, _lease: Completion(fan_out=FanOut(tasks=reasons, then=then)),
        reason=wait_for_a_model,
        write=lambda _claim, _lease: Completion(report=make_report()),
    )
    store.open(OURS, make_task("plan", kind=TaskKind.PLAN))
    with running(Worker(store, work, name="ann", slots=1)):
        asked.wait(20)
        other = make_investigation(identifier="inv-2", source_id="other")
        store.open(other, make_task("look", investigation=other))
        wait_until(lambda: store.snapshot("acme", "inv-2").tasks[0].state is TaskState.DONE)
        answered.set()
        wait_until(lambda: store.investigation("acme", "inv-1").state is InvestigationState.CLOSED)


def test_a_worker_that_has_to_stop_waits_for_no_model(store: ContextStore) -> None:
    store.open(OURS, make_task("reason", kind=TaskKind.REASON))
    asked, dropped = threading.Event(), threading.Event()

    def wait_for_a_model(_claim: Claim, lease: Lease) -> Completion:
        asked.set()
        assert lease.lost.wait(20)
        dropped.set()
        raise LeaseLost

    with running(Worker(store, handlers(reason=wait_for_a_model), name="ann", grace_seconds=60.0)):
        assert asked.wait(20)
    assert dropped.wait(20)
    status = store.snapshot("acme", "inv-1").tasks[0]
    assert (status.state, status.attempts) == (TaskState.READY, 0)
