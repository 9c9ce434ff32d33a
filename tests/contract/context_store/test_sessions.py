"""Invariants: a session is there until its end or until it is ended; a link is used once; the store has no secret."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.script import Server
from middlewatch.context_store.sessions import SessionStore
from middlewatch.records.errors import StaleEpoch
from middlewatch.sessions import MOST_SESSIONS, Sessions, name_of
from tests.store_fixtures import keys, set_times

OURS, THEIRS = "acme", "globex"


@pytest.fixture
def sessions(redis: Redis) -> Sessions:
    return Sessions(Server(redis, Epoch(1)), OURS, hours=1)


def test_a_session_is_found_by_its_secret_alone(redis: Redis, sessions: Sessions) -> None:
    secret, session = sessions.open("token:mw_1", device="x" * 1000)
    assert sessions.look(secret) == session
    assert (len(session.device), (session.ends_at - session.opened_at).total_seconds()) == (200, 3600)
    assert sessions.look(secret[:-1]) is None
    assert sessions.look("") is None
    assert sessions.look(name_of(secret)) is None, "the name in a list opens nothing"
    assert Sessions(Server(redis, Epoch(1)), THEIRS, hours=1).look(secret) is None
    everything = str([redis.hgetall(key) for key in keys(redis, "*records")])
    assert session.csrf in everything
    assert secret not in everything
    assert "mw_1" not in everything


def test_it_ends_at_its_end_and_leaves_nothing(redis: Redis, sessions: Sessions) -> None:
    secret, _ = sessions.open("local:ursula")
    later, _ = sessions.open("local:ursula")
    assert all(0 < redis.pttl(key) <= 3_600_000 for key in keys(redis))
    (ends,) = keys(redis, "*ends")
    redis.zadd(ends, {name_of(secret): 1})
    assert sessions.look(secret) is None
    assert [one.name for one in sessions.of(lambda _: True)] == [name_of(later)]
    assert len(redis.hgetall(ends.replace(":ends", ":records"))) == 1
    set_times(redis, "*ends", 1)
    assert sessions.look(later) is None


def test_a_short_session_does_not_end_a_long_one(redis: Redis, sessions: Sessions) -> None:
    sessions.open("local:ursula")
    sessions.offer_link("local:ursula")
    assert all(redis.pttl(key) > 3_500_000 for key in keys(redis))


def test_of_one_identity_the_oldest_ends_where_there_are_too_many(sessions: Sessions) -> None:
    other, link = sessions.open("token:mw_2")[0], sessions.offer_link("token:mw_1")
    secrets = [sessions.open("token:mw_1")[0] for _ in range(MOST_SESSIONS + 2)]
    assert [sessions.look(secret) is not None for secret in secrets] == [False] * 2 + [True] * MOST_SESSIONS
    assert sessions.look(other)
    assert sessions.use_link(link) == "token:mw_1"


def test_what_is_ended_is_ended(sessions: Sessions) -> None:
    kept, gone = sessions.open("oidc:a|1")[0], sessions.open("oidc:a|1")[0]
    sessions.end(gone)
    sessions.end(gone)
    assert sessions.look(gone) is None
    assert sessions.end_all([name_of(gone), name_of(kept)]) == 1
    assert sessions.end_all([]) == 0
    assert sessions.look(kept) is None


def test_a_list_is_of_one_identity_newest_first(sessions: Sessions) -> None:
    first, second = sessions.open("oidc:a|1")[0], sessions.open("oidc:a|1")[0]
    sessions.open("oidc:a|2")
    sessions.offer_link("oidc:a|1")
    assert [one.name for one in sessions.of(lambda identity: identity == "oidc:a|1")] == [name_of(second), name_of(first)]


def test_of_many_who_use_one_link_one_gets_in(sessions: Sessions) -> None:
    key = sessions.offer_link("local:ursula")
    assert sessions.look(key) is None, "a link is no session"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: sessions.use_link(key), range(16)))
    assert sorted(answers) == [""] * 15 + ["local:ursula"]


def test_a_link_that_is_too_old_lets_nobody_in(redis: Redis, sessions: Sessions) -> None:
    key = sessions.offer_link("local:ursula")
    set_times(redis, "*ends", 1)
    assert sessions.use_link(key) == ""


def test_a_session_opens_no_link(sessions: Sessions) -> None:
    assert sessions.use_link(sessions.open("local:ursula")[0]) == ""


def test_a_higher_epoch_ends_all_of_them(redis: Redis, sessions: Sessions) -> None:
    """What was ended must not come back with a restore, which raises it."""
    secret, _ = sessions.open("local:ursula")
    store = SessionStore(Server(redis, Epoch(2)))
    assert store.list(OURS, "session") == []
    with pytest.raises(StaleEpoch):
        sessions.look(secret)
