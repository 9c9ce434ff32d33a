"""One alert, one open investigation; and what a process leaves half open when it dies, the next one finishes."""

from __future__ import annotations

import threading
import time

import pytest
from redis import Redis

from middlewatch.context_store import scripts
from middlewatch.context_store.directory import Opening
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.keys import IndexKeys, investigation_keys, tenant_keys
from middlewatch.context_store.store import ContextStore
from middlewatch.records import Completion, FanOut, Headline, Investigation, InvestigationState, Task, TaskKind, TaskState
from middlewatch.records.errors import BadInput, LeaseLost, StaleEpoch, StoreFull, UnknownInvestigation
from tests.store_data import make_evidence, make_investigation, make_report, make_task
from tests.store_fixtures import MemoryArchive, end_pauses, expire

OURS = make_investigation()
AGAIN = make_investigation(identifier="inv-2")  # of the same alert
OTHER = make_investigation(identifier="inv-3", source_id="alert-2")


def first(of: Investigation) -> Task:
    return make_task("plan", investigation=of, kind=TaskKind.PLAN)


def close(store: ContextStore, identifier: str = "inv-1") -> None:
    claim = store.claim("ann")
    assert claim is not None
    store.finish(claim, Completion(report=make_report(make_investigation(identifier=identifier))))


def test_opening_makes_the_first_task_ready(store: ContextStore) -> None:
    investigation, opened = store.open(OURS, first(OURS))
    assert opened
    assert investigation.opened_at is not None
    assert investigation == OURS.model_copy(update={"opened_at": investigation.opened_at})
    assert store.investigation("acme", "inv-1") == investigation
    assert [event.kind for event in store.events("acme", "inv-1")] == ["investigation.opened", "task.ready"]


def test_the_same_alert_joins_the_open_investigation(store: ContextStore) -> None:
    investigation, _ = store.open(OURS, first(OURS))
    assert store.open(AGAIN, first(AGAIN)) == (investigation, False)
    assert store.open(OURS, first(OURS)) == (investigation, False)
    assert store.investigations("acme") == (investigation,)


def test_another_alert_opens_another(store: ContextStore) -> None:
    store.open(OURS, first(OURS))
    assert store.open(OTHER, first(OTHER))[1]
    assert [investigation.id for investigation in store.investigations("acme")] == ["inv-3", "inv-1"]
    assert [investigation.id for investigation in store.investigations("acme", limit=1)] == ["inv-3"]


@pytest.mark.parametrize("ending", ["closed", "cancelled", "archived", "stalled"])
def test_the_alert_of_an_investigation_that_is_over_opens_a_new_one(store: ContextStore, redis: Redis, ending: str) -> None:
    store.open(OURS, first(OURS))
    if ending == "stalled":
        while (claim := store.claim("ann")) and store.fail(claim, "boom") is TaskState.READY:
            end_pauses(redis)
    elif ending == "cancelled":
        store.cancel("acme", "inv-1")
    else:
        close(store)
        if ending == "archived":
            store.archive_closed(MemoryArchive(), older_than_seconds=0)
    assert store.open(AGAIN, first(AGAIN))[1]


def test_many_openers_of_one_alert_open_one_investigation(store: ContextStore, redis: Redis) -> None:
    candidates = [make_investigation(identifier=f"inv-{n}") for n in range(8)]
    stores = [ContextStore(redis, epoch=Epoch()) for _ in candidates]
    results: list[tuple[Investigation, bool]] = []
    threads = [
        threading.Thread(target=lambda s=s, c=c: results.append(s.open(c, first(c))))
        for s, c in zip(stores, candidates, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({investigation.id for investigation, _ in results}) == 1
    assert sum(opened for _, opened in results) == 1
    assert len(store.investigations("acme")) == 1
    assert store.claim("ann") is not None
    assert store.claim("ann") is None


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("step", ["create", "opened", "feed"])
@pytest.mark.parametrize("mended_by", ["the next opener", "a sweep"])
def test_an_opener_that_dies_half_way_loses_nothing(
    store: ContextStore, monkeypatch: pytest.MonkeyPatch, step: str, mended_by: str
) -> None:
    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(scripts, step, die)
        with pytest.raises(Killed):
            store.open(OURS, first(OURS))
    if mended_by == "the next opener":
        joined, opened = store.open(AGAIN, first(AGAIN))
        assert (joined.id, opened) == ("inv-1", False)
    store.sweep()
    assert store.investigation("acme", "inv-1").state is InvestigationState.OPEN
    claim = store.claim("ann")
    assert claim is not None
    assert claim.task == first(OURS)


def test_an_alert_is_reserved_for_one(store: ContextStore, redis: Redis) -> None:
    def reserve(identifier: str, instead_of: str = "") -> list[object]:
        keys = tenant_keys("acme")
        return scripts.reserve(
            store.server, keys, alert="a", investigation=identifier, payload=opening.dump(), instead_of=instead_of
        )

    opening = Opening(OURS, first(OURS))
    assert reserve("inv-1") == ["OK", 1]
    assert reserve("inv-1") == ["OK", 0]
    assert reserve("inv-2") == ["TAKEN"]
    assert reserve("inv-2", instead_of="inv-1") == ["OK", 1]
    assert reserve("inv-1", instead_of="inv-1") == ["TAKEN"]
    redis.flushall()  # nothing of it is an investigation


def test_a_process_that_dies_right_after_closing_leaves_nothing_to_reap(
    store: ContextStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.open(OURS, first(OURS))
    plan = store.claim("ann")
    assert plan is not None
    store.finish(plan, Completion(fan_out=FanOut(tasks=(make_task("a"), make_task("b")))))
    running, last = store.claim("ann"), store.claim("bob")
    assert running is not None
    assert last is not None
    expire(redis, running)

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(scripts, "closed", die)
        with pytest.raises(Killed):
            store.finish(last, Completion(report=make_report()))
    before = store.snapshot("acme", "inv-1")
    assert store.reap() == ()
    assert store.snapshot("acme", "inv-1") == before


def test_an_id_is_used_once(store: ContextStore) -> None:
    store.open(OURS, first(OURS))
    clash = make_investigation(source_id="alert-2")
    with pytest.raises(BadInput, match="used already"):
        store.open(clash, first(clash))
    assert store.open(OTHER, first(OTHER))[1]


def test_an_opener_that_slept_while_all_was_archived_does_not_open_it_again(store: ContextStore) -> None:
    store.open(OURS, first(OURS))
    close(store)
    store.archive_closed(MemoryArchive(), older_than_seconds=0)
    with pytest.raises(BadInput, match="used already"):
        store.open(OURS, first(OURS))
    store.sweep()
    assert store.claim("ann") is None


def test_the_first_task_belongs_to_the_investigation(store: ContextStore) -> None:
    with pytest.raises(BadInput):
        store.open(OURS, first(OTHER))


def test_an_unknown_investigation_has_its_error(store: ContextStore) -> None:
    for ask in (store.investigation, store.snapshot, store.events, store.cancel):
        with pytest.raises(UnknownInvestigation):
            ask("acme", "nowhere")


def test_cancelling_refuses_claims_and_takes_running_tasks(store: ContextStore) -> None:
    store.open(OURS, first(OURS))
    claim = store.claim("ann")
    assert claim is not None
    store.open(OTHER, first(OTHER))
    assert store.cancel("acme", "inv-1").state is InvestigationState.CANCELLED
    assert store.cancel("acme", "inv-3").closed_at is not None
    assert store.claim("bob") is None
    with pytest.raises(LeaseLost):
        store.finish(claim, Completion())
    assert store.reap() == ()
    assert store.sweep() == 0


def test_cancelling_what_is_over_changes_nothing(store: ContextStore) -> None:
    store.open(OURS, first(OURS))
    close(store)
    before = store.snapshot("acme", "inv-1")
    assert store.cancel("acme", "inv-1").state is InvestigationState.CLOSED
    assert store.snapshot("acme", "inv-1") == before


def test_events_are_read_on_from_the_last_one(store: ContextStore) -> None:
    store.open(OURS, first(OURS))
    opened, ready = store.events("acme", "inv-1")
    assert store.events("acme", "inv-1", after=opened.id) == (ready,)
    assert store.events("acme", "inv-1", after=ready.id) == ()
    claim = store.claim("ann")
    assert claim is not None
    store.append(claim, [make_evidence()])
    claimed, appended = store.events("acme", "inv-1", after=ready.id)
    assert (claimed.kind, claimed.data["owner"], claimed.data["task_kind"]) == ("task.claimed", "ann", "plan")
    assert (appended.kind, appended.data["written"]) == ("evidence.appended", 1)
    assert opened.at <= ready.at <= claimed.at <= appended.at


def test_a_reader_waits_for_the_next_event(store: ContextStore) -> None:
    store.open(OURS, first(OURS))
    last = store.events("acme", "inv-1")[-1].id
    found: list[str] = []
    reader = threading.Thread(
        target=lambda: found.extend(event.kind for event in store.events("acme", "inv-1", after=last, block_seconds=30))
    )
    reader.start()
    time.sleep(0.05)
    store.claim("ann")
    reader.join()
    assert found == ["task.claimed"]


def test_a_reader_that_waits_in_vain_comes_back(store: ContextStore) -> None:
    store.open(OURS, first(OURS))
    last = store.events("acme", "inv-1")[-1].id
    assert store.events("acme", "inv-1", after=last, block_seconds=0.05) == ()


@pytest.mark.parametrize("after", ["x", "1", "-1", "1-1 COUNT 5", "(1-1", "+", "1-1\n", "9" * 30 + "-1"])
def test_only_the_id_of_an_event_is_read_on_from(store: ContextStore, after: str) -> None:
    store.open(OURS, first(OURS))
    with pytest.raises(BadInput):
        store.events("acme", "inv-1", after=after)


def test_a_full_store_opens_nothing_while_running_investigations_go_on(store: ContextStore, redis: Redis) -> None:
    store.open(OURS, first(OURS))
    full = ContextStore(redis, epoch=Epoch(), memory_limit_bytes=1)
    with pytest.raises(StoreFull, match="full"):
        full.open(OTHER, first(OTHER))
    assert full.open(AGAIN, first(AGAIN))[0].id == "inv-1"
    claim = full.claim("ann")
    assert claim is not None
    assert full.finish(claim, Completion(report=make_report()))
    assert "the store is full and takes no new investigations" in full.health().problems


def test_redis_out_of_memory_is_a_full_store(store: ContextStore, redis: Redis) -> None:
    redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreFull):
            store.open(OURS, first(OURS))
        with pytest.raises(StoreFull):
            scripts.enrol(store._server, IndexKeys(), tenant="acme")
    finally:
        redis.config_set("maxmemory", 0)


def test_health_names_what_is_not_as_recommended(store: ContextStore, redis: Redis) -> None:
    before = redis.config_get("appendfsync")["appendfsync"]
    redis.config_set("appendfsync", "everysec")
    try:
        health = store.health()
    finally:
        redis.config_set("appendfsync", str(before))
    assert "Redis' appendfsync is everysec; always is recommended" in health.problems
    assert health.epoch == 1
    assert health.memory_used_bytes > 0
    assert health.memory_limit_bytes is None
    assert tuple(map(int, health.server_version.split("."))) >= (6, 2)


def test_a_closed_investigation_has_the_headline_of_its_report(store: ContextStore, redis: Redis) -> None:
    store.open(OURS, first(OURS))
    assert store.investigation("acme", "inv-1").headline is None
    close(store)
    expected = Headline.of(make_report())
    assert store.investigation("acme", "inv-1").headline == expected
    assert [row.headline for row in store.investigations("acme")] == [expected]
    assert store.snapshot("acme", "inv-1").investigation.headline == expected
    redis.hdel(investigation_keys("acme", "inv-1").meta, "headline")  # as it is in a store that an older version wrote
    assert store.investigation("acme", "inv-1").headline is None
    assert store.snapshot("acme", "inv-1").report == make_report()


def test_a_listing_is_read_in_few_exchanges_also_by_a_server_that_has_just_started(redis: Redis, store: ContextStore) -> None:
    made = [make_investigation(identifier=f"inv-{n}", source_id=f"alert-{n}") for n in range(7)]
    for one in made:
        store.open(one, make_task("look", investigation=one))
    redis.zadd("middlewatch:tenant:{acme}:recent", {"inv-reserved": 1})  # not created yet
    redis.script_flush()
    everything = store.investigations("acme")
    assert {one.id for one in everything} == {one.id for one in made}
    assert store.investigations("acme", limit=3) == everything[:3]
    assert store.investigations("acme", limit=0) == ()
    ContextStore(redis, epoch=Epoch(5)).cancel("acme", "inv-3")
    with pytest.raises(StaleEpoch):
        store.investigations("acme")
