"""Keyed requests, on every kind of Redis: done once, answered the same, and taken over from whoever died."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from redis import Redis

from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.idempotency import KEPT_SECONDS, Begun, Busy, Done, IdempotencyStore, Other
from middlewatch.context_store.script import Server
from middlewatch.idempotency import Answer, Idempotency, KeyUsed, Turn, UnderWay
from middlewatch.records.errors import StaleEpoch, StoreUnavailable

ASKED = b'{"service": "checkout"}'


def server(redis: Redis, epoch: int = 1) -> Server:
    return Server(redis, Epoch(epoch))


def kept(redis: Redis, tenant: str) -> str:
    (found,) = redis.keys(f"middlewatch:once:{{{tenant}}}:*")
    return str(found)


def let_die(redis: Redis, tenant: str) -> None:
    """The time of whoever holds it is over."""
    redis.hset(kept(redis, tenant), "until", 1)


def answer(text: str = "{}") -> Answer:
    return Answer(status=202, body=text, headers={"Location": "/there"})


def test_a_repeated_request_gets_the_first_answer_and_is_not_done_again(redis: Redis, tenant: str) -> None:
    once, turns = Idempotency(server(redis), tenant), list[Turn]()

    def do(turn: Turn) -> Answer:
        turns.append(turn)
        return answer("first")

    assert once.once("mia", "k1", ASKED, do) == (answer("first"), False)
    assert once.once("mia", "k1", ASKED, do) == (answer("first"), True)
    assert len(turns) == 1
    assert 0 < redis.ttl(kept(redis, tenant)) <= KEPT_SECONDS


def test_the_key_is_of_whoever_gave_it_and_is_not_stored(redis: Redis, tenant: str) -> None:
    once = Idempotency(server(redis), tenant)
    once.once("mia", "k1", ASKED, lambda _: answer("mia's"))
    assert once.once("leo", "k1", ASKED, lambda _: answer("leo's")) == (answer("leo's"), False)
    for name in redis.keys(f"middlewatch:once:{{{tenant}}}:*"):
        stored = f"{name!r} {redis.hgetall(str(name))}"
        assert "k1" not in stored
        assert "checkout" not in stored


def test_another_request_under_the_same_key_is_told(redis: Redis, tenant: str) -> None:
    once = Idempotency(server(redis), tenant)
    once.once("mia", "k1", ASKED, lambda _: answer())
    with pytest.raises(KeyUsed):
        once.once("mia", "k1", b"{}", lambda _: answer())


def test_while_it_is_done_nobody_else_does_it(redis: Redis, tenant: str) -> None:
    once, other = (Idempotency(server(redis), tenant) for _ in range(2))

    def do(_: Turn) -> Answer:
        with pytest.raises(UnderWay):
            other.once("mia", "k1", ASKED, lambda _: answer("second"))
        return answer("first")

    assert once.once("mia", "k1", ASKED, do)[0] == answer("first")


def test_of_many_at_once_one_does_it(redis: Redis, tenant: str) -> None:
    done, told, start = list[str](), list[str | None](), threading.Barrier(8)

    def ask(name: str) -> None:
        def do(_: Turn) -> Answer:
            done.append(name)
            return answer(name)

        start.wait()
        try:
            told.append(Idempotency(server(redis), tenant).once("mia", "k1", ASKED, do)[0].body)
        except UnderWay:
            told.append(None)

    threads = [threading.Thread(target=ask, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 1
    assert [one for one in told if one not in {None, done[0]}] == []


def test_what_failed_may_be_tried_again_at_once_and_is_the_same_request(redis: Redis, tenant: str) -> None:
    once, turns = Idempotency(server(redis), tenant), list[Turn]()

    def fail(turn: Turn) -> Answer:
        turns.append(turn)
        raise StoreUnavailable

    def do(turn: Turn) -> Answer:
        turns.append(turn)
        return answer()

    with pytest.raises(StoreUnavailable):
        once.once("mia", "k1", ASKED, fail)
    once.once("mia", "k1", ASKED, do)
    assert turns[0] == turns[1]


def test_a_request_of_somebody_who_died_is_taken_over_as_the_same_one(redis: Redis, tenant: str) -> None:
    store = IdempotencyStore(server(redis), tenant)
    first = store.begin("d", "f", "dead")
    assert isinstance(first, Begun)
    assert isinstance(store.begin("d", "f", "other"), Busy)
    assert store.begin("d", "f", "dead") == first, "a repeated call is told the same"
    let_die(redis, tenant)
    assert store.begin("d", "f", "other") == first, "since when it was begun first"
    assert not store.end("d", "dead", "too late")
    assert store.end("d", "other", "done")
    assert store.begin("d", "f", "third") == Done("done")
    assert store.begin("d", "g", "third") == Other()


def test_a_new_reservation_is_another_request(redis: Redis, tenant: str) -> None:
    """A key that comes back after its day names something else than the day before."""
    once, turns = Idempotency(server(redis), tenant), list[Turn]()

    def do(turn: Turn) -> Answer:
        turns.append(turn)
        return answer()

    once.once("mia", "k1", ASKED, do)
    redis.delete(kept(redis, tenant))
    time.sleep(0.002)  # the store's clock counts milliseconds
    once.once("mia", "k1", ASKED, do)
    assert turns[0].name != turns[1].name


def test_a_process_of_an_older_epoch_is_refused(redis: Redis, tenant: str) -> None:
    IdempotencyStore(server(redis, 2), tenant).begin("d", "f", "h")
    with pytest.raises(StaleEpoch):
        IdempotencyStore(server(redis, 1), tenant).begin("d", "f", "h")


def test_an_answer_of_before_a_restore_is_not_given_again_and_the_request_is_the_same(redis: Redis, tenant: str) -> None:
    turns = list[Turn]()

    def do(text: str) -> Callable[[Turn], Answer]:
        def make(turn: Turn) -> Answer:
            turns.append(turn)
            return answer(text)

        return make

    Idempotency(server(redis), tenant).once("mia", "k1", ASKED, do("of what is gone"))
    begun = IdempotencyStore(server(redis), tenant).begin("busy", "f", "one")
    after = Idempotency(server(redis, 2), tenant)
    with pytest.raises(KeyUsed):
        after.once("mia", "k1", b"other", do("other"))
    assert after.once("mia", "k1", ASKED, do("anew")) == (answer("anew"), False)
    assert after.once("mia", "k1", ASKED, do("third")) == (answer("anew"), True)
    assert len(turns) == 2
    assert turns[0] == turns[1], "so what is there still is found, and not made twice"
    assert IdempotencyStore(server(redis, 2), tenant).begin("busy", "f", "two") == begun, "whoever held it may not end it"
