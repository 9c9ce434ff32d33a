"""Whatever waits is in the list of what waits, however old it is and whoever wrote it; lists are read a part at a time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from middlewatch.context_store import approvals, scripts
from middlewatch.context_store.approvals import ApprovalStore, Kept, Update
from middlewatch.context_store.backup import backup, restore
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.keys import approval_keys
from middlewatch.context_store.store import ContextStore
from middlewatch.context_store.stored import text_of
from middlewatch.listing import Place, requests
from middlewatch.records import ApprovalRequest, BreakGlass
from middlewatch.records import RequestState as S
from tests.contract.context_store.approval_store import TENANT, made, requests_at

KEYS = approval_keys(TENANT)
OVER = [state for state in S if state.terminal]


@pytest.fixture
def redis(any_redis: Redis) -> Redis:
    any_redis.flushall()
    return any_redis


@pytest.fixture
def store(redis: Redis) -> ApprovalStore:
    return requests_at(redis)


def proposed(store: ApprovalStore, name: str, state: S = S.PENDING, **update: object) -> Kept:
    return store.propose(Update(made(name, state=state).model_copy(update=update), ()))[0]


def waiting(store: ApprovalStore) -> set[str]:
    return {kept.request.id for kept in store.waiting(TENANT)}


def broken(store: ApprovalStore, *, reviewer: str = "") -> BreakGlass:
    return BreakGlass(principal="mara", reason="now", at=store.now(TENANT), reviewed_by=reviewer)


@pytest.mark.parametrize("state", [*S])
def test_a_request_waits_until_it_is_over(store: ApprovalStore, redis: Redis, state: S) -> None:
    kept = proposed(store, "apr-1")
    assert waiting(store) == {"apr-1"}
    store.change(kept, Update(kept.request.model_copy(update={"state": state}), ()))
    held = set() if state.terminal else {"apr-1"}
    assert waiting(store) == held
    assert redis.zcard(KEYS.waiting) == len(held), "the index has no more than that"
    redis.delete(KEYS.waiting)
    redis.hdel(KEYS.meta, "indexed")
    assert waiting(store) == held, "made out anew it is the same"


def test_a_broken_glass_waits_for_its_review(store: ApprovalStore, redis: Redis) -> None:
    kept = proposed(store, "apr-1", S.SUCCEEDED, break_glass=broken(store))
    proposed(store, "apr-2", S.SUCCEEDED, break_glass=broken(store, reviewer="max"))
    for _ in range(2):
        assert waiting(store) == {"apr-1"}
        redis.hdel(KEYS.meta, "indexed")
    store.change(kept, Update(kept.request.model_copy(update={"break_glass": broken(store, reviewer="max")}), ()))
    assert waiting(store) == set()


def test_what_waits_is_listed_however_much_is_newer(store: ApprovalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "_AT_ONCE", 3)
    old = {proposed(store, f"apr-old-{n}").request.id for n in range(7)}
    for n in range(5):
        proposed(store, f"apr-{n}", OVER[n])
    assert waiting(store) == old
    assert len(store.list(TENANT, limit=5)) == 5


def test_what_an_older_version_wrote_is_found(store: ApprovalStore, redis: Redis) -> None:
    proposed(store, "apr-1")
    older = made("apr-2", state=S.PENDING)
    redis.hset(KEYS.requests, older.id, text_of(older))
    redis.hset(KEYS.states, older.id, str(older.state))
    redis.hset(KEYS.revisions, older.id, 1)
    redis.zadd(KEYS.recent, {older.id: 1})
    assert waiting(store) == {"apr-1", "apr-2"}
    proposed(store, "apr-3")
    assert waiting(store) == {"apr-1", "apr-2", "apr-3"}


def test_after_a_restore_the_same_wait(store: ApprovalStore, redis: Redis, tmp_path: Path) -> None:
    proposed(store, "apr-1")
    proposed(store, "apr-2", S.DENIED)
    backup(ContextStore(redis, epoch=Epoch()), tmp_path / "archive", tmp_path / "b.tar")
    redis.flushall()
    restore(ContextStore(redis, epoch=Epoch()), tmp_path / "archive", tmp_path / "b.tar", epoch_path=tmp_path / "epoch")
    assert waiting(requests_at(redis, Epoch.read(tmp_path / "epoch").number)) == {"apr-1"}


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
@pytest.mark.parametrize("only", [False, True])
def test_pages_are_the_whole_list_also_of_one_moment(store: ApprovalStore, redis: Redis, limit: int, *, only: bool) -> None:
    for n in range(8):
        proposed(store, f"apr-{n}", S.DENIED if n % 4 == 3 else S.PENDING)
        for index in (KEYS.recent, KEYS.waiting):
            redis.zadd(index, {f"apr-{n}": 100 + n // 3}, xx=True)
    found: list[ApprovalRequest] = []
    after: Place | None = None
    while True:
        page = requests(store, TENANT, waiting=only, investigation=None, after=after, limit=limit)
        assert len(page.rows) == limit or page.next is None
        found += page.rows
        if page.next is None:
            break
        after = Place.parse(str(page.next))
    assert [one.id for one in found] == [f"apr-{n}" for n in reversed(range(8)) if not (only and n % 4 == 3)]


@pytest.mark.parametrize("limit", [1, 2, 4])
@pytest.mark.parametrize("only", [False, True])
def test_after_a_last_page_that_is_exactly_full_there_is_none(store: ApprovalStore, limit: int, *, only: bool) -> None:
    for n in range(4):
        proposed(store, f"apr-{n}")
    pages, after = 0, None
    while pages == 0 or after is not None:
        page = requests(store, TENANT, waiting=only, investigation=None, after=after, limit=limit)
        assert len(page.rows) == limit
        pages, after = pages + 1, page.next
    assert pages == 4 / limit


def test_those_executed_of_an_action_are_found_however_old(store: ApprovalStore) -> None:
    for n, state in enumerate(S):
        proposed(store, f"apr-{n}", state)
    action = made().remediation.action
    executed = {S.SUCCEEDED, S.FAILED, S.UNKNOWN}
    assert {kept.request.state for kept in store.executed(TENANT, action)} == executed
    assert [*store.executed(TENANT, action[:-1])] == []


def on(target: str) -> ApprovalRequest:
    return made().model_copy(update={"remediation": made().remediation.model_copy(update={"target": target})})


def test_those_on_a_target_are_found_whatever_it_is_called_and_in_their_order(
    store: ApprovalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals, "_AT_ONCE", 3)
    monkeypatch.setattr(approvals, "_FOUND_AT_ONCE", 2)
    odd = 'a "quoted" \\ zwei\nZeilen %d'
    for n in range(12):
        proposed(store, f"apr-{n:02}", S.SUCCEEDED, remediation=on(odd if n % 4 else "basket").remediation)
    action = made().remediation.action
    for target, names in ((odd, [n for n in range(12) if n % 4]), ("basket", [0, 4, 8]), ("", [*range(12)])):
        found = [kept.request.id for kept in store.executed(TENANT, action, target=target)]
        assert sorted(found) == [f"apr-{n:02}" for n in names]
        assert len(store.of(TENANT, made().remediation.investigation)) == 12
    assert [*store.executed(TENANT, action, since=store.now(TENANT) + timedelta(seconds=1))] == []
    assert len([*store.executed(TENANT, action, since=store.now(TENANT) - timedelta(minutes=5))]) == 12


def test_of_many_executions_no_more_are_read_than_are_taken(store: ApprovalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them sent in one answer held the store, and everybody who asks it, up."""
    asked: list[int] = []
    find = scripts.find_requests

    def counted(*args: Any, **kwargs: Any) -> Any:
        reply = find(*args, **kwargs)
        asked.append(len(reply[1]))
        return reply

    monkeypatch.setattr(scripts, "find_requests", counted)
    for n in range(30):
        proposed(store, f"apr-{n}", S.SUCCEEDED)
    found = store.executed(TENANT, made().remediation.action)
    assert next(found)
    assert asked == [20]
