"""The claim protocol: work is done at least once, and recorded exactly once.

Every write carries a fencing token, and a token that is not the newest of its task writes nothing, whatever it tries.
"""

from __future__ import annotations

import pytest
from redis import Redis

from middlewatch.context_store import scripts
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.records import ASKS_MODELS, AgentName, Claim, Completion, FencingToken, TaskKind, TaskState
from middlewatch.records.errors import BadInput, LeaseLost, StoreUnavailable
from tests.contract.context_store.claiming import OURS, claimed, events, taken_over
from tests.store_data import make_evidence, make_hypothesis, make_investigation, make_report, make_task, make_vote
from tests.store_fixtures import MemoryArchive, ask, end_pauses, expire, keys


def test_a_claim_grants_a_ready_task_to_one_worker(store: ContextStore, claim: Claim) -> None:
    assert claim.task == make_task("look")
    assert (claim.owner, claim.attempt, claim.lease_seconds) == ("ann", 1, 30.0)
    assert store.claim("bob") is None
    status = store.snapshot("acme", "inv-1").tasks[0]
    assert (status.state, status.owner, status.attempts) == (TaskState.CLAIMED, "ann", 1)


def test_the_fencing_token_rises_with_every_claim(store: ContextStore, redis: Redis, claim: Claim) -> None:
    tokens = [claim.token]
    for _ in range(2):
        expire(redis, claim)
        store.reap()
        claim = claimed(store, "ann")
        tokens.append(claim.token)
    assert tokens == sorted(set(tokens))


def test_a_repeated_request_gets_the_same_grant(store: ContextStore) -> None:
    store.open(OURS, make_task("look"))
    store.open(
        make_investigation(identifier="inv-2", source_id="other"),
        make_task("look", investigation=make_investigation(identifier="inv-2")),
    )
    first = store.claim("ann", request_id="request-1")
    assert first is not None
    assert store.claim("ann", request_id="request-1") == first
    second = store.claim("ann", request_id="request-2")
    assert second is not None
    assert second.task != first.task


def test_a_request_whose_grant_is_over_gets_nothing_more(store: ContextStore, redis: Redis) -> None:
    store.open(OURS, make_task("look"))
    first = store.claim("ann", request_id="request-1")
    assert first is not None
    expire(redis, first)
    store.reap()
    assert store.claim("ann", request_id="request-1") is None
    store.sweep()
    assert claimed(store, "bob").attempt == 2


def test_a_request_never_gets_the_grant_of_a_later_one(store: ContextStore, redis: Redis) -> None:
    store.open(OURS, make_task("look"))
    first = store.claim("ann", request_id="request-1")
    assert first is not None
    expire(redis, first)
    store.reap()
    assert store.claim("ann", request_id="request-2") is not None
    assert store.claim("ann", request_id="request-1") is None


def test_a_request_whose_grant_was_archived_gets_nothing_more(store: ContextStore) -> None:
    store.open(OURS, make_task("look"))
    assert store.claim("ann", request_id="request-1") is not None
    store.cancel("acme", "inv-1")
    store.archive_closed(MemoryArchive(), older_than_seconds=0)
    other = make_investigation(identifier="inv-2", source_id="alert-2")
    store.open(other, make_task("look", investigation=other))
    assert store.claim("ann", request_id="request-1") is None
    assert store.claim("ann", request_id="request-2") is not None


def test_a_request_id_is_no_way_into_other_keys(store: ContextStore) -> None:
    with pytest.raises(BadInput):
        store.claim("ann", request_id="x}:{acme:inv-1}:meta")


def test_renewing_extends_the_lease(store: ContextStore, redis: Redis, claim: Claim) -> None:
    leases = "middlewatch:investigation:{acme:inv-1}:leases"
    redis.zincrby(leases, -10_000, "look")
    shortened = redis.zscore(leases, "look")
    store.renew(claim)
    assert float(str(redis.zscore(leases, "look"))) > float(str(shortened))


def test_an_expired_lease_is_not_renewed_even_before_it_is_reaped(store: ContextStore, redis: Redis, claim: Claim) -> None:
    expire(redis, claim)
    with pytest.raises(LeaseLost):
        store.renew(claim)


@pytest.mark.parametrize("state", ["reaped", "taken over", "done", "closed", "cancelled"])
def test_a_stale_token_writes_nothing(store: ContextStore, redis: Redis, claim: Claim, state: str) -> None:
    expire(redis, claim)
    store.reap()
    if state != "reaped":
        other = claimed(store, "ann")  # even the same worker, with an older token
        if state in {"done", "closed"}:
            store.finish(other, Completion(result={"by": "other"}, report=make_report() if state == "closed" else None))
        if state == "cancelled":
            store.cancel("acme", "inv-1")
    before = store.snapshot("acme", "inv-1"), events(store)
    with pytest.raises(LeaseLost):
        store.renew(claim)
    with pytest.raises(LeaseLost):
        store.append(claim, [make_evidence()])
    with pytest.raises(LeaseLost):
        store.finish(claim, Completion(result={"by": "stale"}, evidence=(make_evidence(),)))
    with pytest.raises(LeaseLost):
        store.fail(claim, "stale")
    with pytest.raises(LeaseLost):
        store.give_back(claim)
    assert (store.snapshot("acme", "inv-1"), events(store)) == before


def test_without_the_fence_the_stale_token_would_write(
    store: ContextStore, redis: Redis, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard of the tests above is the fence and nothing else."""
    taken_over(store, redis, claim)
    fence = "not holds(task, owner, token_epoch, token_counter)"
    assert fence in scripts.finish.text
    monkeypatch.setattr(scripts.finish, "text", scripts.finish.text.replace(fence, "false"))
    assert store.finish(claim, Completion(result={"by": "stale"}))


@pytest.mark.parametrize(
    "forged",
    [
        {"owner": "bob"},
        {"token": FencingToken(epoch=1, counter=2)},
        {"token": FencingToken(epoch=0, counter=1)},
        {"task": make_task("other")},
    ],
)
def test_every_part_of_a_claim_is_checked(store: ContextStore, claim: Claim, forged: dict[str, object]) -> None:
    with pytest.raises(LeaseLost):
        store.finish(claim.model_copy(update=forged), Completion())
    assert store.finish(claim, Completion())


def test_finishing_records_everything_together(store: ContextStore, claim: Claim) -> None:
    completion = Completion(
        result={"seen": 3, "ratio": 0.25, "names": ["a", "b"], "none": None},
        evidence=(make_evidence("latency"), make_evidence("errors")),
        hypotheses=(make_hypothesis("hyp-2"), make_hypothesis("hyp-1")),
        votes=(make_vote(AgentName.TRACES), make_vote(AgentName.LOGS)),
    )
    assert store.finish(claim, completion)
    snapshot = store.snapshot("acme", "inv-1")
    assert snapshot.tasks[0].state is TaskState.DONE
    assert snapshot.tasks[0].result == completion.result
    assert snapshot.tasks[0].finished_at is not None
    assert list(snapshot.evidence) == sorted(completion.evidence, key=lambda item: item.id)
    assert snapshot.hypotheses == completion.hypotheses
    assert [vote.agent for vote in snapshot.votes] == [AgentName.LOGS, AgentName.TRACES]


def test_finishing_again_with_the_same_outcome_is_a_replay(store: ContextStore, claim: Claim) -> None:
    completion = Completion(result={"n": 1}, evidence=(make_evidence(),))
    assert store.finish(claim, completion)
    before = store.snapshot("acme", "inv-1"), events(store)
    assert not store.finish(claim, completion)
    assert (store.snapshot("acme", "inv-1"), events(store)) == before


def test_finishing_again_with_another_outcome_is_refused(store: ContextStore, claim: Claim) -> None:
    store.finish(claim, Completion(result={"n": 1}))
    with pytest.raises(LeaseLost):
        store.finish(claim, Completion(result={"n": 2}))
    assert store.snapshot("acme", "inv-1").tasks[0].result == {"n": 1}


def test_a_holder_may_finish_late_as_long_as_nobody_took_the_task(store: ContextStore, redis: Redis, claim: Claim) -> None:
    expire(redis, claim)
    assert store.finish(claim, Completion())
    assert store.reap() == ()


def test_a_task_that_runs_again_writes_its_evidence_once(store: ContextStore, redis: Redis, claim: Claim) -> None:
    assert store.append(claim, [make_evidence("latency"), make_evidence("errors")]) == 2
    assert store.append(claim, [make_evidence("errors"), make_evidence("traffic")]) == 1
    again = taken_over(store, redis, claim)
    assert store.append(again, [make_evidence("latency")]) == 0
    store.finish(again, Completion(evidence=(make_evidence("errors"), make_evidence("new"))))
    assert sorted(item.anomaly.subject for item in store.snapshot("acme", "inv-1").evidence) == [
        "errors",
        "latency",
        "new",
        "traffic",
    ]


def test_what_was_written_first_stays(store: ContextStore, claim: Claim) -> None:
    first, second = make_evidence(summary="it rose"), make_evidence(summary="it fell")
    assert first.id == second.id
    store.append(claim, [first])
    assert store.append(claim, [second]) == 0
    store.finish(claim, Completion(evidence=(second,)))
    assert store.snapshot("acme", "inv-1").evidence == (first,)


def test_records_of_another_investigation_are_refused(store: ContextStore, claim: Claim) -> None:
    other = make_investigation(identifier="inv-2")
    for completion in (
        Completion(evidence=(make_evidence(investigation=other),)),
        Completion(votes=(make_vote(AgentName.LOGS, investigation=make_investigation("other")),)),
        Completion(report=make_report(other)),
    ):
        with pytest.raises(BadInput):
            store.finish(claim, completion)
    with pytest.raises(BadInput):
        store.append(claim, [make_evidence(investigation=other)])


def test_what_is_stored_is_redacted(store: ContextStore, redis: Redis, claim: Claim) -> None:
    secret = "hunter2hunter2"  # noqa: S105  # it protects nothing
    store.append(claim, [make_evidence("a", text=f"login password={secret} failed")])
    store.fail(claim, f"cannot connect to postgres://app:{secret}@db/shop")
    end_pauses(redis)
    claim = claimed(store, "ann")
    store.finish(
        claim,
        Completion(
            result={"deep": [{"er": f"token=x password={secret}"}]}, evidence=(make_evidence("b", summary=f"pwd={secret}"),)
        ),
    )
    for key in keys(redis):
        assert secret not in _content(redis, key)
    assert "[redacted:password]" in store.snapshot("acme", "inv-1").evidence[0].model_dump_json()


def _content(redis: Redis, key: str) -> str:
    reads: dict[str, list[str | int]] = {
        "hash": ["HGETALL"],
        "set": ["SMEMBERS"],
        "list": ["LRANGE", 0, -1],
        "zset": ["ZRANGE", 0, -1],
        "stream": ["XRANGE", "-", "+"],
        "string": ["GET"],
    }
    command, *arguments = reads[str(redis.type(key))]
    return repr(ask(redis, str(command), key, *arguments))


def test_a_store_that_cannot_work_is_refused(redis: Redis) -> None:
    for wrong in ({"lease_seconds": 0.0}, {"max_attempts": 0}, {"queue_shards": 0}):
        with pytest.raises(Exception, match="must be above 0"):
            ContextStore(redis, epoch=Epoch(), **wrong)


def test_what_could_not_be_read_back_is_not_written(store: ContextStore, claim: Claim) -> None:
    evidence = make_evidence()
    endless = evidence.model_copy(update={"anomaly": evidence.anomaly.model_copy(update={"strength": float("inf")})})
    with pytest.raises(BadInput, match="not be finite"):
        store.append(claim, [endless])
    with pytest.raises(BadInput, match="not be finite"):
        store.finish(claim, Completion(evidence=(endless,)))
    assert store.snapshot("acme", "inv-1").evidence == ()


def test_what_another_version_wrote_has_a_clear_error(store: ContextStore, redis: Redis, claim: Claim) -> None:
    store.append(claim, [make_evidence()])
    records = "middlewatch:investigation:{acme:inv-1}:records"
    for name in redis.hkeys(records):
        redis.hset(records, str(name), '{"from": "the future"}')
    with pytest.raises(StoreUnavailable, match="this version cannot read"):
        store.snapshot("acme", "inv-1")
    assert store.finish(claim, Completion())
    store.cancel("acme", "inv-1")
    readable = make_investigation(identifier="inv-2", source_id="alert-2")
    store.open(readable, make_task("look", investigation=readable))
    store.cancel("acme", "inv-2")
    archive = MemoryArchive()
    with pytest.raises(StoreUnavailable, match="this version cannot read"):
        store.archive_closed(archive, older_than_seconds=0)
    assert archive.list("acme") == ("inv-2",)
    redis.delete(records)
    redis.lrem("middlewatch:investigation:{acme:inv-1}:order", 0, f"evidence|{make_evidence().id}")


@pytest.mark.parametrize(("kind", "seconds"), [(TaskKind.INVESTIGATE, 30.0), *((kind, 10.0) for kind in sorted(ASKS_MODELS))])
def test_whoever_dies_waiting_for_a_model_holds_it_up_for_a_part_of_its_minute_only(
    store: ContextStore, redis: Redis, kind: TaskKind, seconds: float
) -> None:
    """The lease is short in the store as well as in the claim, when it is granted and when it is renewed."""
    store.open(OURS, make_task("look", kind=kind))
    claim = claimed(store, "ann")
    assert claim.lease_seconds == seconds
    clock = redis.time()
    now = clock[0] * 1000 + clock[1] // 1000
    for renew in (False, True):
        if renew:
            store.renew(claim)
        left = float(str(redis.zscore("middlewatch:investigation:{acme:inv-1}:leases", "look"))) - now
        assert 0 < left - (seconds - 1) * 1000 < 11_000
