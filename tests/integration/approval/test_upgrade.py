"""Invariants: an upgrade with requests pending loses none, and what one version cannot read stands in nobody else's way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from middlewatch.approval.executor import Executor
from middlewatch.approval.timers import Sight, tend
from middlewatch.context_store.keys import approval_keys
from middlewatch.records import ApprovalRequest, Decision, Recovery, RequestState
from middlewatch.records.errors import Refused, StoreUnavailable
from tests.approval_data import TENANT, Office, remediation
from tests.store_fixtures import redis as server

__all__ = ["server"]

KEYS = approval_keys(TENANT)


@pytest.fixture
def redis(server: Redis) -> Redis:
    server.flushall()
    return server


@pytest.fixture
def office(redis: Redis, tmp_path: Path) -> Office:
    return Office.open(redis, tmp_path)


def pending(office: Office, action: str = "roll_back") -> ApprovalRequest:
    """A request that waits for a decision."""
    asked = office.gateway.submit(remediation(action))
    while Executor(office.desk, office.hands, name="executor:before").step(TENANT):
        pass
    return office.desk.store.look(TENANT, asked.id).request


def rewrite(redis: Redis, request: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Let the stored record be as another version writes it."""
    record = json.loads(str(redis.hget(KEYS.requests, request)))
    change(record)
    redis.hset(KEYS.requests, request, json.dumps(record))


def by_a_newer_version(record: dict[str, Any]) -> None:
    record["weather"] = "fair"


def approved_and_executed(office: Office, request: ApprovalRequest) -> ApprovalRequest:
    leo = office.policy.person("leo")
    office.gateway.resolve(TENANT, request.id, Decision.APPROVE, leo, digest=request.digest, face="cli")
    assert Executor(office.desk, office.hands, name="executor:after").step(TENANT)
    return office.desk.store.look(TENANT, request.id).request


def test_a_request_that_an_older_version_wrote_is_read_and_works(redis: Redis, office: Office, tmp_path: Path) -> None:
    asked = pending(office)
    older = asked.model_dump_json(exclude_defaults=True)
    assert len(json.loads(older)) < len(json.loads(asked.model_dump_json())), "nothing is left out"
    redis.hset(KEYS.requests, asked.id, older)

    newer = Office.open(redis, tmp_path)
    newer.hands = office.hands
    assert newer.desk.store.look(TENANT, asked.id).request == asked
    done = approved_and_executed(newer, asked)
    assert done.state is RequestState.SUCCEEDED
    assert [order.digest for order in office.hands.runs] == [asked.digest]


def test_a_request_of_a_newer_version_is_a_clear_error_and_stays_as_it_is(redis: Redis, office: Office) -> None:
    asked = pending(office)
    rewrite(redis, asked.id, by_a_newer_version)
    before = redis.hget(KEYS.requests, asked.id)
    leo = office.policy.person("leo")
    with pytest.raises(StoreUnavailable, match="this version cannot read") as caught:
        office.gateway.resolve(TENANT, asked.id, Decision.APPROVE, leo, digest=asked.digest)
    assert "version that wrote it" in str(caught.value.remedy)
    assert redis.hget(KEYS.requests, asked.id) == before


@pytest.mark.parametrize("state", [RequestState.PREPARING, RequestState.PENDING, RequestState.APPROVED, RequestState.EXECUTING])
def test_what_cannot_be_read_holds_up_no_other_request(redis: Redis, office: Office, state: RequestState) -> None:
    foreign, other = pending(office, "nudge"), pending(office)
    rewrite(redis, foreign.id, by_a_newer_version)
    redis.hset(KEYS.states, foreign.id, state)
    redis.zadd(KEYS.due, {foreign.id: 0})

    assert [kept.request.id for kept in office.desk.store.list(TENANT)] == [other.id]
    tend(office.desk, TENANT, lambda _request, _now: Sight(Recovery.RECOVERED, ""))
    assert approved_and_executed(office, other).state is RequestState.SUCCEEDED


def test_many_that_cannot_be_read_are_passed_over_in_one_go(redis: Redis, office: Office) -> None:
    foreign = [pending(office, action) for action in ("nudge", "both", "drain")]
    waiting = office.gateway.submit(remediation())
    for request in foreign:
        rewrite(redis, request.id, by_a_newer_version)
        redis.hset(KEYS.states, request.id, RequestState.PREPARING)
        redis.zadd(KEYS.due, {request.id: 0})
    for lease_seconds in (0.0, 10.0):
        taken = office.desk.store.take(TENANT, [RequestState.PREPARING], lease_seconds=lease_seconds)
        assert taken is not None
        assert taken.request.id == waiting.id


def test_nothing_is_taken_where_nothing_can_be_read(redis: Redis, office: Office) -> None:
    foreign = pending(office)
    rewrite(redis, foreign.id, by_a_newer_version)
    redis.zadd(KEYS.due, {foreign.id: 0})
    assert office.desk.store.take(TENANT, [RequestState.PENDING], lease_seconds=0.0) is None


def test_an_action_that_means_something_else_now_does_not_begin(office: Office) -> None:
    asked = pending(office)
    entry = office.catalogue.specs["roll_back"]
    office.catalogue.specs["roll_back"] = entry.model_copy(update={"blast_radius": "everything"})
    over = approved_and_executed(office, asked)
    assert (over.state, office.hands.runs) == (RequestState.SUPERSEDED, [])
    assert "the catalogue changed since it was proposed" in over.why
    assert office.events("request.superseded")


def test_an_action_that_there_is_not_any_more_does_not_begin(office: Office) -> None:
    asked = pending(office)
    del office.catalogue.specs["roll_back"]
    over = approved_and_executed(office, asked)
    assert (over.state, office.hands.runs) == (RequestState.SUPERSEDED, [])
    assert "There is no action 'roll_back'" in over.why


def test_a_rule_that_another_version_reads_otherwise_is_not_approved(redis: Redis, office: Office) -> None:
    asked = pending(office)
    rewrite(redis, asked.id, lambda record: record["rule"].update(reason_required=True))
    leo = office.policy.person("leo")
    with pytest.raises(Refused, match="not the one that was shown"):
        office.gateway.resolve(TENANT, asked.id, Decision.APPROVE, leo, digest=asked.digest, reason="because")
