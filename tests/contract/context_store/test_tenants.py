"""Two tenants with identical ids never see each other's anything; and no name is a way into somebody else's keys."""

from __future__ import annotations

import pytest
from redis import Redis

from middlewatch.context_store.keys import investigation_keys, queue_keys, tenant_keys
from middlewatch.context_store.store import ContextStore
from middlewatch.records import Claim, Completion, InvestigationState
from middlewatch.records.errors import BadInput, LeaseLost, UnknownInvestigation
from tests.store_data import make_evidence, make_investigation, make_task
from tests.store_fixtures import MemoryArchive, expire

TENANTS = ("acme", "zeta")


@pytest.fixture
def claims(store: ContextStore) -> dict[str, Claim]:
    """The same investigation, alert, task and worker in both tenants."""
    for tenant in TENANTS:
        of = make_investigation(tenant)
        assert store.open(of, make_task("look", investigation=of))[1]
    found = {claim.task.tenant: claim for claim in (store.claim("ann"), store.claim("ann")) if claim}
    assert set(found) == set(TENANTS)
    return found


def test_what_one_writes_the_other_never_sees(store: ContextStore, claims: dict[str, Claim]) -> None:
    before = store.snapshot("zeta", "inv-1"), store.events("zeta", "inv-1")
    store.append(claims["acme"], [make_evidence()])
    store.finish(claims["acme"], Completion(result={"secret": "acme's"}))
    assert (store.snapshot("zeta", "inv-1"), store.events("zeta", "inv-1")) == before
    assert store.snapshot("zeta", "inv-1").evidence == ()
    assert [investigation.tenant for investigation in store.investigations("zeta")] == ["zeta"]


def test_cancelling_one_leaves_the_other(store: ContextStore, claims: dict[str, Claim]) -> None:
    store.cancel("acme", "inv-1")
    store.renew(claims["zeta"])
    assert store.investigation("zeta", "inv-1").state is InvestigationState.OPEN


def test_the_claim_of_one_is_nothing_to_the_other(store: ContextStore, redis: Redis, claims: dict[str, Claim]) -> None:
    assert claims["acme"].token == claims["zeta"].token  # the very same numbers
    expire(redis, claims["acme"])
    store.reap()
    moved = claims["acme"].model_copy(update={"task": claims["acme"].task.model_copy(update={"tenant": "none"})})
    with pytest.raises(LeaseLost):
        store.finish(moved, Completion())
    with pytest.raises(LeaseLost):
        store.finish(claims["acme"], Completion())
    assert store.finish(claims["zeta"], Completion())


def test_dead_tasks_and_archives_are_apart(store: ContextStore, redis: Redis, claims: dict[str, Claim]) -> None:
    claim: Claim | None = claims["acme"]
    while claim is not None:
        expire(redis, claim)
        store.reap()
        claim = store.claim("ann")
    assert [status.task.tenant for status in store.dead_tasks("acme")] == ["acme"]
    assert store.dead_tasks("zeta") == ()
    store.cancel("acme", "inv-1")
    archive = MemoryArchive()
    assert store.archive_closed(archive, older_than_seconds=0) == 1
    assert (archive.list("acme"), archive.list("zeta")) == (("inv-1",), ())
    with pytest.raises(UnknownInvestigation):
        store.investigation("acme", "inv-1")
    assert store.investigation("zeta", "inv-1")


HOSTILE = ["", "{", "}", "a}b", "{a}:x", "a b", "a|b", "a\nb", "a\x00b", "A*", "x" * 200, "Ä", "a:b}{c"]


@pytest.mark.parametrize("text", [*HOSTILE, "a:b", "UPPER"])
def test_no_tenant_reaches_into_a_key(store: ContextStore, text: str) -> None:
    with pytest.raises(BadInput):
        tenant_keys(text)
    for ask in (store.investigations, store.dead_tasks):
        with pytest.raises(BadInput):
            ask(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_id_reaches_into_a_key(store: ContextStore, text: str) -> None:
    with pytest.raises(BadInput):
        investigation_keys("acme", text)
    with pytest.raises(BadInput):
        queue_keys(0, text)
    with pytest.raises(BadInput):
        store.snapshot("acme", text)


def test_ids_with_colons_stay_apart() -> None:
    keys = {investigation_keys("a", "b:c").meta, investigation_keys("a", "b").meta, investigation_keys("a", "c").meta}
    assert len(keys) == 3
