"""Invariants: conventional errors are recognised in any case, ordinary sentences are not, and a name is a word of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middlewatch.records import Mechanism
from middlewatch.tools import log_words
from middlewatch.tools.log_words import MOST_CHARACTERS, has_stack_trace, mechanism, named

SAYINGS = {
    Mechanism.SATURATION: (
        "java.lang.OutOfMemoryError: Java heap space",
        "write /data/x: no space left on device",
        "accept: too many open files",
        "HTTP 429 Too Many Requests",
    ),
    Mechanism.POOL_WAIT: (
        "HikariPool-<*> - Connection is not available, pool exhausted after <*>",
        "QueuePool limit of size <*> overflow <*> reached",
        "FATAL: sorry, too many clients already",
        "no database connection became free in <*> s, all <*> in use",
    ),
    Mechanism.GARBAGE_COLLECTION: ("GC overhead limit exceeded while sorting", "Pause Full GC (Allocation Failure)"),
    Mechanism.UNREACHABLE: (
        "dial tcp <*>: connect: connection refused",
        "java.net.UnknownHostException: payments",
        "upstream connect error or disconnect: no healthy upstream",
        "requests.exceptions.ReadTimeout: HTTPConnectionPool",
        "No instances available for cart",
        "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
        "getaddrinfo ENOTFOUND stock",
        "GET /items failed: httpx.ReadError",
        "aiohttp ServerDisconnectedError",
        "Error: socket hang up",
        "http.client.IncompleteRead(0 bytes read)",
    ),
    Mechanism.QUEUE: (
        "consumer lag of orders is <*>",
        "moved message to the dead letter queue",
        "failed to decode message at offset <*>",
        "message {<*>: <*>} could not be processed\nTraceback (most recent call last):",
    ),
    Mechanism.CONFIGURATION: (
        "missing environment variable DATABASE_URL",
        "Could not resolve placeholder in value",
        "password authentication failed for user shop",
    ),
    Mechanism.RESTART: ("Started ShopApplication in <*> seconds", "received SIGTERM, shutting down", "listening on port <*>"),
    Mechanism.RETRIES: ("retrying in <*>", "attempt <*> of <*> failed"),
    Mechanism.EXCEPTION: (
        "java.lang.NullPointerException",
        "Traceback (most recent call last):",
        "panic: runtime error: index out of range",
        'ValueError: no such thing\n  File "x.py", line 3',
    ),
}
ORDINARY = (
    "order <*> of customer <*> accepted",
    "connection to the warehouse took <*> ms",
    "user logged in",
    "no error",
    "read error on disk <*>",
    "loaded the pool of workers",
    "getOrderById success",
)


@pytest.mark.parametrize(("found", "text"), [(found, text) for found, texts in SAYINGS.items() for text in texts])
@pytest.mark.parametrize("case", [str, str.upper])
def test_what_went_wrong_is_read_from_conventional_words(found: Mechanism, text: str, case: type[str]) -> None:
    if case is not str and found is Mechanism.EXCEPTION:
        pytest.skip("types are told by their capitals")
    assert mechanism(case(text)) is found


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_sentences_point_to_nothing(text: str) -> None:
    assert mechanism(text) is None


def test_of_several_the_cause_counts_and_not_how_it_is_reported() -> None:
    assert mechanism("ConnectionError: pool exhausted, retrying") is Mechanism.POOL_WAIT
    assert mechanism("java.net.ConnectException: Connection refused\n\tat a.B.c") is Mechanism.UNREACHABLE


@pytest.mark.parametrize("text", ["x\n    at Handler.run", "Traceback (most recent call last):", "x\ngoroutine 7 [running]:"])
def test_stack_traces_are_seen(text: str) -> None:
    assert has_stack_trace(text)


def test_names_are_words_or_parts_of_a_host_name() -> None:
    services = {"cart", "stock", "shop.front", "s-7"}
    assert named("http://cart:<*>/items of stock.default.svc, not cartel or my-stock", services) == ("cart", "stock")
    assert named("no answer from shop.front.", services) == ("shop.front",)
    assert named("(s-7) s-77 7", services) == ("s-7",)


@given(st.text(), st.sets(st.text("ab-.", min_size=1), max_size=3))
def test_any_text_can_be_read(text: str, services: set[str]) -> None:
    mechanism(text)
    assert set(named(text, services)) <= services


@pytest.mark.parametrize("piece", ["\n", "\n ", "\n\t", "at "])
def test_the_search_for_a_stack_trace_costs_no_more_than_the_length(piece: str) -> None:
    """With work that grows as the square of it, this would not end within the time limit of a test."""
    assert not log_words._STACK.search(piece * 300_000)


def test_of_a_body_without_end_the_beginning_is_looked_at() -> None:
    assert has_stack_trace("x" * (MOST_CHARACTERS - 100) + "\n  at line 1")
    assert not has_stack_trace("x" * MOST_CHARACTERS + "\n  at line 1")
    assert mechanism("x " * MOST_CHARACTERS + "connection refused") is None
