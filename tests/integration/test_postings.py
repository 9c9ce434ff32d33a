"""Invariants: a message has one name, one reservation and one id, whoever writes them down; one process posts at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from redis import Redis

from middlewatch.context_store.approvals import ApprovalStore
from middlewatch.context_store.audit import AuditStore
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.script import Server
from middlewatch.postings import Postings
from middlewatch.records import Investigation
from tests.store_data import make_investigation
from tests.store_fixtures import redis

__all__ = ["redis"]

INVESTIGATION = "inv-1"


@pytest.fixture
def postings(redis: Redis) -> Postings:
    redis.flushall()
    return make(redis)


def make(redis: Redis, *recent: Investigation) -> Postings:
    server = Server(redis, Epoch())
    return Postings(ApprovalStore(server), AuditStore(server), "acme", lambda limit: recent[:limit])


def test_one_of_many_reserves_a_message(postings: Postings) -> None:
    start = threading.Barrier(8)

    def reserve(_number: int) -> bool:
        start.wait()
        return postings.reserve(INVESTIGATION, "C1", "main")

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(reserve, range(8))) == [False] * 7 + [True]


def test_the_first_id_of_a_message_stays(postings: Postings) -> None:
    postings.reserve(INVESTIGATION, "C1", "main")
    assert postings.posted(INVESTIGATION, "main", "1.1", "digest") == "1.1"
    assert postings.posted(INVESTIGATION, "main", "1.2", "another") == "1.1"
    postings.shown(INVESTIGATION, "main", "third")
    thread = postings.threads([INVESTIGATION, "inv-2"])[INVESTIGATION]
    assert (thread.channel, thread.messages["main"].id, thread.messages["main"].shown) == ("C1", "1.1", "third")


def test_messages_of_one_investigation_are_written_down_at_once(postings: Postings) -> None:
    def post(number: int) -> str:
        postings.reserve(INVESTIGATION, "C1", f"m{number}")
        return postings.posted(INVESTIGATION, f"m{number}", f"1.{number}", "")

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(post, range(12))) == [f"1.{number}" for number in range(12)]
    assert len(postings.threads([INVESTIGATION])[INVESTIGATION].messages) == 12


def test_one_posts_until_its_turn_is_over_or_given_up(postings: Postings, redis: Redis) -> None:
    other = make(redis)
    assert postings.take_turn("one", 60)
    assert postings.take_turn("one", 60)
    assert not other.take_turn("two", 60)
    other.give_turn("two")
    assert not other.take_turn("two", 60)
    postings.give_turn("one")
    assert other.take_turn("two", -1)  # it is over as soon as it is taken
    assert postings.take_turn("one", 60)


def test_what_was_opened_before_the_chat_was_connected_has_no_messages(postings: Postings, redis: Redis) -> None:
    since = postings.since()
    before, after, never = (
        make_investigation(identifier=name).model_copy(update={"opened_at": at})
        for name, at in (("inv-a", since - timedelta(seconds=1)), ("inv-b", since), ("inv-c", None))
    )
    again = make(redis, before, after, never)
    assert again.since() == since
    assert again.investigations() == (after,)
