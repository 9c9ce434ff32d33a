"""Invariants: what was said is kept once before it is answered; nobody overwrites what they did not see; a lease has one holder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.leases import StoreLease
from middlewatch.context_store.occurrences import Change, Plan
from middlewatch.context_store.script import Server
from middlewatch.occurrences import AT_ONCE, Occurrences
from middlewatch.records import AlertStatus
from middlewatch.records.errors import BadInput, StaleEpoch
from tests.alert_data import NOON, make_message
from tests.store_data import make_alert
from tests.store_fixtures import keys

TENANT = "default"


@pytest.fixture
def server(redis: Redis) -> Server:
    return Server(redis, Epoch(1))


@pytest.fixture
def occurrences(server: Server) -> Occurrences:
    return Occurrences(server, TENANT)


def test_messages_of_one_batch_are_folded_in_order(occurrences: Occurrences) -> None:
    ends = make_message(status=AlertStatus.RESOLVED)
    kept = occurrences.receive([make_message(), make_message("fp-2"), make_message(), ends])
    assert [one.id for one in kept] == [kept[0].id, kept[1].id, kept[0].id, kept[0].id]
    assert (kept[0].messages, kept[0].resolved_at is not None) == (3, True)
    assert {one.id: one for one in occurrences.list()} == {one.id: one for one in kept}
    assert occurrences.occurrence(kept[1].id) == kept[1]


def test_more_than_one_step_is_kept_whole(occurrences: Occurrences) -> None:
    kept = occurrences.receive([make_message(f"fp-{n}") for n in range(2 * AT_ONCE + 1)])
    assert len({one.id for one in kept}) == occurrences.store.list(limit=1).all == 2 * AT_ONCE + 1


def test_several_at_once_count_every_message(server: Server) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Occurrences(server, TENANT).receive([make_message()]), range(12)))
    (one,) = Occurrences(server, TENANT).list()
    assert one.messages == 12


def test_secrets_are_not_kept(redis: Redis, occurrences: Occurrences) -> None:
    occurrences.receive([make_message(labels={"note": "password=hunter2-Zx9kQ1"})])
    assert "hunter2" not in str([redis.hgetall(key) for key in keys(redis, "*records*")])


def test_another_tenants_alerts_are_refused(server: Server) -> None:
    with pytest.raises(BadInput, match="another tenant"):
        Occurrences(server, "globex").receive([make_message()])


def test_nobody_overwrites_what_they_did_not_see(occurrences: Occurrences) -> None:
    (one,) = occurrences.receive([make_message()])
    row, store = occurrences.row(one.id), occurrences.store
    occurrences.receive([make_message()])
    decided = one.model_copy(update={"investigation": "inv-1"})
    plan = Plan(alert=make_alert(), name="n")
    assert store.write([Change(decided, row.token)], investigation="inv-1", plan=plan).done == (False,)
    assert (occurrences.occurrence(one.id).messages, store.due().plans) == (2, {})
    now_seen = occurrences.row(one.id)
    decided = now_seen.occurrence.model_copy(update={"investigation": "inv-1", "also": ("inv-2",)})
    assert store.write([Change(decided, now_seen.token)], investigation="inv-1", plan=plan).done == (True,)
    assert store.due().plans == {"inv-1": plan}
    assert [row.occurrence for row in store.of("inv-1").rows] == [row.occurrence for row in store.of("inv-2").rows] == [decided]
    assert store.of("inv-").rows == ()
    store.end_plan("inv-1")
    assert (store.due().plans, store.due().rows) == ({}, ())


def test_a_decision_from_an_old_view_is_refused(occurrences: Occurrences) -> None:
    first, second = occurrences.receive([make_message(), make_message("fp-2")])
    store = occurrences.store
    view = store.due().decided
    rows = [occurrences.row(one.id) for one in (first, second)]
    change, other = (Change(row.occurrence.model_copy(update={"investigation": "inv-1"}), row.token) for row in rows)
    written = store.write([change], seen=view)
    assert (written.done, written.decided) == ((True,), view + 1)
    assert store.write([other], seen=view).done == (False,)
    occurrences.receive([make_message()])
    assert store.write([other], seen=written.decided).done == (True,), "messages are no decisions"


def test_what_is_forgotten_is_gone_unless_somebody_wrote_meanwhile(redis: Redis, occurrences: Occurrences) -> None:
    (one,) = occurrences.receive([make_message()])
    row = occurrences.row(one.id)
    occurrences.receive([make_message()])
    assert occurrences.store.forget([row]) == 0
    assert occurrences.store.forget([occurrences.row(one.id)]) == 1
    assert [key for key in keys(redis, "*occurrences*") if not key.endswith("meta")] == []


def test_an_older_epoch_is_refused(redis: Redis, occurrences: Occurrences) -> None:
    occurrences.receive([make_message()])
    Occurrences(Server(redis, Epoch(2)), TENANT).receive([make_message()])
    with pytest.raises(StaleEpoch):
        occurrences.receive([make_message()])


def test_a_lease_has_one_holder(server: Server) -> None:
    ours, theirs = StoreLease(server, TENANT, "look"), StoreLease(server, TENANT, "look")
    assert (ours.take(60), theirs.take(60), ours.take(60)) == (True, False, True)
    theirs.end()
    assert not theirs.take(60)
    ours.end()
    assert theirs.take(60)
    theirs.end()


def test_times_are_the_stores(occurrences: Occurrences) -> None:
    (one,) = occurrences.receive([make_message(at=NOON)])
    assert (one.first_at == one.last_at, one.first_at > NOON) == (True, True)
