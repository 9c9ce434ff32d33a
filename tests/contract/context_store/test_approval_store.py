"""A request changes in one step with its events, from the revision that was judged, within its bounds, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis

from middlewatch.context_store.approvals import ApprovalStore, Kept, Update
from middlewatch.context_store.audit import AuditStore, Private
from middlewatch.context_store.backup import backup, restore
from middlewatch.context_store.connection import client_of
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.keys import approval_keys
from middlewatch.context_store.store import ContextStore
from middlewatch.records import Halt
from middlewatch.records import RequestState as S
from middlewatch.records.errors import BadInput, Conflict, Halted, Refused, StaleEpoch, UnknownRequest
from tests.contract.context_store.approval_store import TENANT, log_at, made, requests_at, said
from tests.integration.context_store.test_dropped_replies import Proxy
from tests.store_fixtures import set_times

KEYS = approval_keys(TENANT)
OPEN = [S.PREPARING, S.PENDING, S.APPROVED, S.EXECUTING, S.UNKNOWN]


@pytest.fixture
def redis(any_redis: Redis) -> Redis:
    any_redis.flushall()
    return any_redis


@pytest.fixture
def store(redis: Redis) -> ApprovalStore:
    return requests_at(redis)


@pytest.fixture
def log(redis: Redis) -> AuditStore:
    return log_at(redis)


def events(log: AuditStore, tenant: str = TENANT) -> list[str]:
    return [row.event.event for row in log.read(tenant)]


def proposed(store: ApprovalStore, name: str = "apr-1", *, state: S = S.PENDING, due: float | None = 0.0) -> Kept:
    return store.propose(Update(made(name, state=state), [said("request.proposed", name)], due_in_seconds=due))[0]


def later(kept: Kept, state: S = S.APPROVED, *, why: str = "", due: float | None = 0.0, **bounds: object) -> Update:
    request = kept.request.model_copy(update={"state": state, "why": why})
    return Update(request, [said(f"request.{state}", request.id)], due_in_seconds=due, **bounds)  # type: ignore[arg-type]


# Proposing and changing


def test_proposed_twice_it_is_written_once(store: ApprovalStore, log: AuditStore) -> None:
    first, new = store.propose(Update(made(why="first"), [said("request.proposed")], due_in_seconds=0.0))
    again, newer = store.propose(Update(made(why="second"), [said("request.proposed")], due_in_seconds=0.0))
    assert (new, newer, first.revision) == (True, False, 1)
    assert (again.request.why, again.revision) == ("first", 1)
    assert events(log) == ["request.proposed"]
    assert store.tenants() == (TENANT,)


def test_a_change_and_its_events_are_one_step(store: ApprovalStore, log: AuditStore, redis: Redis) -> None:
    kept = proposed(store)
    private = Private.of("because")
    after = store.change(kept, Update(later(kept).request, [said("request.approved"), said("request.noted")], (private,)))
    assert (after.request.state, after.revision) == (S.APPROVED, 2)
    assert store.look(TENANT, "apr-1").request == after.request
    assert events(log) == ["request.proposed", "request.approved", "request.noted"]
    assert log.texts(TENANT, [private.digest]) == (private,)
    assert redis.hget(KEYS.states, "apr-1") == "approved"
    assert redis.zscore(KEYS.due, "apr-1") is None


def test_from_another_revision_nothing_is_written(store: ApprovalStore, log: AuditStore) -> None:
    kept = proposed(store)
    store.change(kept, later(kept, S.DENIED))
    for state in (S.APPROVED, S.DENIED):
        with pytest.raises(Conflict):
            store.change(kept, later(kept, state, why="too late"))
    assert (store.look(TENANT, "apr-1").request.state, events(log)) == (S.DENIED, ["request.proposed", "request.denied"])


def test_of_many_who_change_it_at_once_one_does(store: ApprovalStore, log: AuditStore) -> None:
    kept = proposed(store)
    won: list[str] = []
    gate = threading.Barrier(8)

    def change(name: str) -> None:
        gate.wait()
        try:
            store.change(kept, later(kept, why=name))
        except Conflict:
            return
        won.append(name)

    threads = [threading.Thread(target=change, args=(f"worker-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [store.look(TENANT, "apr-1").request.why]
    assert events(log) == ["request.proposed", "request.approved"]


@pytest.mark.parametrize(("seconds", "good"), [(-1, False), (0, False), (3600, True)])
def test_a_change_has_an_end_by_the_clock_of_the_store(store: ApprovalStore, log: AuditStore, seconds: float, good: bool) -> None:  # noqa: FBT001
    kept = proposed(store)
    change = later(kept, not_after=kept.now + timedelta(seconds=seconds))
    if good:
        assert store.change(kept, change).revision == 2
        return
    with pytest.raises(Refused, match="too late"):
        store.change(kept, change)
    assert (store.look(TENANT, "apr-1").revision, events(log)) == (1, ["request.proposed"])


def test_a_change_has_a_beginning_by_the_clock_of_the_store(store: ApprovalStore) -> None:
    kept = proposed(store)
    with pytest.raises(Refused, match="too early"):
        store.change(kept, later(kept, not_before=kept.now + timedelta(hours=1)))
    assert store.change(kept, later(kept, not_before=kept.now)).revision == 2


def test_a_halt_holds_up_only_what_depends_on_it(store: ApprovalStore, log: AuditStore) -> None:
    kept = proposed(store)
    halt = Halt(by="mia", reason="r", at=kept.now)
    assert store.halt(TENANT, halt, [said("halt.set")]) == halt
    assert store.halt(TENANT, halt.model_copy(update={"by": "leo"}), [said("halt.set")]) == halt
    with pytest.raises(Halted):
        store.change(kept, later(kept, S.EXECUTING, unless_halted=True))
    assert store.look(TENANT, "apr-1").halt == halt
    kept = store.change(kept, later(kept))
    assert store.halt(TENANT, None, [said("halt.lifted")]) is None
    assert store.halt(TENANT, None, [said("halt.lifted")]) is None
    assert store.change(kept, later(kept, S.EXECUTING, unless_halted=True)).request.state is S.EXECUTING
    assert events(log) == ["request.proposed", "halt.set", "request.approved", "halt.lifted", "request.executing"]
    assert store.halted(TENANT)[0] is None


def test_what_is_not_there_is_said(store: ApprovalStore) -> None:
    kept = proposed(store)
    other = Kept(made("apr-2"), 1, kept.now)
    acts: tuple[Callable[[], object], ...] = (
        lambda: store.look(TENANT, "apr-2"),
        lambda: store.change(other, later(other)),
        lambda: store.hold(other, lease_seconds=1),
    )
    for act in acts:
        with pytest.raises(UnknownRequest):
            act()
    with pytest.raises(UnknownRequest):
        store.look("zeta", "apr-1")
    for bad in ("", "a b", "*", "{x}"):
        with pytest.raises(BadInput):
            store.look(TENANT, bad)
    with pytest.raises(BadInput):
        store.look("ac}me", "apr-1")


# What is due


def test_what_is_due_is_taken_by_one_and_again_when_the_lease_is_over(store: ApprovalStore, redis: Redis) -> None:
    proposed(store)
    assert store.take(TENANT, OPEN, lease_seconds=60) is not None
    assert store.take(TENANT, OPEN, lease_seconds=60) is None
    set_times(redis, KEYS.due, 1)
    assert store.take(TENANT, OPEN, lease_seconds=60) is not None


def test_only_the_states_that_were_asked_for_and_only_when_due(store: ApprovalStore) -> None:
    proposed(store, "apr-1")
    proposed(store, "apr-2", state=S.PREPARING, due=60)
    proposed(store, "apr-3", due=None)
    assert store.take(TENANT, [S.PREPARING, S.APPROVED], lease_seconds=0) is None
    taken = store.take(TENANT, OPEN, lease_seconds=60)
    assert taken is not None
    assert taken.request.id == "apr-1"
    assert store.take(TENANT, OPEN, lease_seconds=60) is None


def test_what_is_overdue_is_left_to_its_own_taker_for_a_while(store: ApprovalStore, redis: Redis) -> None:
    proposed(store)
    assert store.take(TENANT, OPEN, lease_seconds=0, overdue_seconds=10) is None
    set_times(redis, KEYS.due, 1)
    assert store.take(TENANT, OPEN, lease_seconds=0, overdue_seconds=10) is not None


def test_the_first_that_is_due_comes_first(store: ApprovalStore, redis: Redis) -> None:
    for n, due in ((1, 3), (2, 1), (3, 2)):
        proposed(store, f"apr-{n}")
        redis.zadd(KEYS.due, {f"apr-{n}": due})
    taken = [store.take(TENANT, OPEN, lease_seconds=60) for _ in range(3)]
    assert [kept.request.id for kept in taken if kept] == ["apr-2", "apr-3", "apr-1"]


def test_a_lease_is_held_by_whoever_saw_it_last_and_held_on_nothing_that_is_over(store: ApprovalStore, redis: Redis) -> None:
    kept = proposed(store)
    store.hold(kept, lease_seconds=60)
    assert store.take(TENANT, OPEN, lease_seconds=60) is None
    newer = store.change(kept, later(kept))
    with pytest.raises(Conflict):
        store.hold(kept, lease_seconds=60)
    assert store.wait(kept, seconds=60) == store.look(TENANT, "apr-1") or store.wait(kept, seconds=60).revision == newer.revision
    over = store.change(newer, later(newer, S.DENIED, due=None))
    store.hold(over, lease_seconds=60)
    assert redis.zcard(KEYS.due) == 0


def test_the_newest_are_listed_first(store: ApprovalStore, redis: Redis) -> None:
    for n in range(3):
        proposed(store, f"apr-{n}")
        redis.zadd(KEYS.recent, {f"apr-{n}": n})
    assert [kept.request.id for kept in store.list(TENANT)] == ["apr-2", "apr-1", "apr-0"]
    assert [kept.request.id for kept in store.list(TENANT, limit=1)] == ["apr-2"]
    assert store.list("zeta") == ()


def test_those_of_an_investigation_are_found_and_a_mention_is_none(store: ApprovalStore, redis: Redis) -> None:
    for n, about in enumerate(("inv-1", "inv-2", "inv-1")):
        request = made(f"apr-{n}", why="inv-1")
        other = request.remediation.model_copy(update={"investigation": about})
        store.propose(Update(request.model_copy(update={"remediation": other}), ()))
        redis.zadd(KEYS.recent, {f"apr-{n}": n})
    assert [kept.request.id for kept in store.of(TENANT, "inv-1")] == ["apr-2", "apr-0"]
    assert [kept.request.id for kept in store.of(TENANT, "inv-2")] == ["apr-1"]
    assert store.of(TENANT, "inv-") == store.of("zeta", "inv-1") == ()


# Notes


def test_a_note_is_written_by_the_first_who_saw_what_was_there(store: ApprovalStore, log: AuditStore) -> None:
    assert store.note(TENANT, "trust") == ""
    assert store.set_note(TENANT, "trust", "one", before="", events=[said("trust.moved")])
    assert not store.set_note(TENANT, "trust", "two", before="", events=[said("trust.moved")])
    assert store.note(TENANT, "trust") == "one"
    assert store.set_note(TENANT, "trust", "", before="one", events=[said("trust.lost")])
    assert store.note(TENANT, "trust") == ""
    assert events(log) == ["trust.moved", "trust.lost"]


# Epochs


def test_a_higher_epoch_makes_what_is_open_due_and_refuses_older_processes(store: ApprovalStore, redis: Redis) -> None:
    waiting = proposed(store, due=3600)
    over = proposed(store, "apr-2")
    store.change(over, later(over, S.DENIED, due=None))
    newer = requests_at(redis, epoch=2)
    assert newer.look(TENANT, "apr-1").request == waiting.request
    taken = newer.take(TENANT, [*S], lease_seconds=60)
    assert taken is not None
    assert taken.request.id == "apr-1"
    assert newer.take(TENANT, [*S], lease_seconds=60) is None
    acts: tuple[Callable[[], object], ...] = (
        lambda: store.look(TENANT, "apr-1"),
        lambda: store.change(waiting, later(waiting)),
        lambda: store.take(TENANT, OPEN, lease_seconds=1),
        lambda: store.hold(waiting, lease_seconds=1),
        lambda: proposed(store, "apr-3"),
        lambda: store.halt(TENANT, None, []),
        lambda: store.set_note(TENANT, "n", "r", before="", events=[]),
        lambda: log_at(redis).append(TENANT, [said("a.b")]),
    )
    for act in acts:
        with pytest.raises(StaleEpoch):
            act()
    assert newer.epoch == 2


# Answers that are lost


@pytest.fixture
def proxy(redis: Redis, tmp_path: Path) -> Iterator[Proxy]:
    proxy = Proxy(tmp_path / "proxy.sock", redis.connection_pool.connection_kwargs["path"], seed=11)
    yield proxy
    proxy.close()


def test_a_change_whose_answer_was_lost_is_found_to_be_ones_own(store: ApprovalStore, log: AuditStore) -> None:
    kept = proposed(store)
    change = later(kept, why="mine")
    first = store.change(kept, change)
    assert store.change(kept, change).revision == first.revision
    with pytest.raises(Conflict):
        store.change(kept, later(kept, why="somebody else's"))
    assert events(log) == ["request.proposed", "request.approved"]


def test_lost_answers_do_nothing_twice(store: ApprovalStore, log: AuditStore, proxy: Proxy, tmp_path: Path) -> None:
    client = client_of(f"unix://{tmp_path / 'proxy.sock'}")
    lossy = requests_at(client)
    proxy.drop = 0.3
    for n in range(12):
        kept = proposed(lossy, f"apr-{n}")
        kept = lossy.change(kept, later(kept, why=f"yes {n}"))
        kept = lossy.change(kept, later(kept, S.EXECUTING, why=f"go {n}", unless_halted=True))
        assert lossy.change(kept, later(kept, S.SUCCEEDED, why=f"done {n}", due=None)).revision == 4
    proxy.drop = 0.0
    client.close()
    assert proxy.dropped > 5
    way = ["request.proposed", "request.approved", "request.executing", "request.succeeded"]
    assert events(log) == way * 12
    assert {kept.revision for kept in store.list(TENANT)} == {4}


# Backup and restore


def test_a_restore_brings_all_of_it_back_and_everything_open_is_due(
    store: ApprovalStore, log: AuditStore, redis: Redis, tmp_path: Path
) -> None:
    kept = proposed(store, due=3600)
    proposed(store, "apr-2", state=S.DENIED, due=None)
    store.set_note(TENANT, "trust", "one", before="", events=[])
    private = Private.of('a "reason"')
    log.append(TENANT, [said("a.b")], (private,))
    log.seal(TENANT, size=2, checkpoint="note", tree="tree")
    halt = Halt(by="mia", reason="r", at=kept.now)
    store.halt(TENANT, halt, [said("halt.set")])
    before = [(one.request, one.revision) for one in store.list(TENANT)], list(log.read(TENANT))
    backup(ContextStore(redis, epoch=Epoch()), tmp_path / "archive", tmp_path / "b.tar")
    redis.flushall()
    restore(ContextStore(redis, epoch=Epoch()), tmp_path / "archive", tmp_path / "b.tar", epoch_path=tmp_path / "epoch")
    epoch = Epoch.read(tmp_path / "epoch").number
    assert epoch > 1
    after, log_after = requests_at(redis, epoch), log_at(redis, epoch)
    assert ([(one.request, one.revision) for one in after.list(TENANT)], list(log_after.read(TENANT))) == before
    assert (after.note(TENANT, "trust"), after.halted(TENANT)[0]) == ("one", halt)
    assert (log_after.sealed(TENANT).size, log_after.checkpoints(TENANT)) == (2, ("note",))
    assert log_after.texts(TENANT, [private.digest]) == (private,)
    taken = after.take(TENANT, [*S], lease_seconds=60)
    assert taken is not None
    assert taken.request.id == "apr-1"
    assert after.take(TENANT, [*S], lease_seconds=60) is None


def test_a_store_with_nothing_but_approvals_is_not_empty(store: ApprovalStore, redis: Redis, tmp_path: Path) -> None:
    proposed(store)
    backup(ContextStore(redis, epoch=Epoch()), tmp_path / "archive", tmp_path / "b.tar")
    with pytest.raises(BadInput, match="not empty"):
        restore(ContextStore(redis, epoch=Epoch()), tmp_path / "archive", tmp_path / "b.tar", epoch_path=tmp_path / "epoch")
