"""Invariants: what a client says arrives whole; it ends with the client or when asked to, and nothing stays open."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from middlewatch.frontends.mcp import over_stdio


@dataclass
class Client:
    """At one end of a pipe; at the other is the input."""

    own: int
    input: int

    def say(self, words: bytes) -> None:
        os.write(self.own, words)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    read, write = os.pipe()
    monkeypatch.setattr(over_stdio, "INPUT", read)
    yield Client(write, read)
    for one in (read, write):
        os.close(one)


def read_all(file: int) -> bytes:
    return b"".join(iter(lambda: os.read(file, 1 << 16), b""))


def open_files() -> set[str]:
    return {one.name for one in Path("/proc/self/fd").iterdir()}


def test_it_ends_when_asked_to_and_leaves_nothing_open_and_no_thread(client: Client) -> None:
    before, threads, stop = open_files(), threading.active_count(), threading.Event()
    with over_stdio._closed_when(stop.is_set):
        client.say(b"hello")
        assert os.read(client.input, 100) == b"hello"
        stop.set()
        assert os.read(client.input, 100) == b"", "the end, though the client is there"
    assert (open_files(), threading.active_count()) == (before, threads)
    client.say(b"more")
    assert os.read(client.input, 100) == b"more", "what it says afterwards is nobody's but the next reader's"


def test_all_that_was_said_arrives_before_the_end(client: Client) -> None:
    said = os.urandom(1 << 20)  # more than any buffer between the two holds
    with over_stdio._closed_when(lambda: False):

        def speak() -> None:
            with os.fdopen(os.dup(client.own), "wb") as own:
                os.dup2(null, client.own)
                own.write(said)

        null = os.open(os.devnull, os.O_WRONLY)
        speaking = threading.Thread(target=speak)
        speaking.start()
        assert read_all(client.input) == said
        speaking.join()
        os.close(null)


def test_whoever_reads_nothing_keeps_it_from_ending_no_longer(client: Client) -> None:
    os.set_blocking(client.own, False)
    with over_stdio._closed_when(lambda: False):
        while True:  # until nothing more fits into any buffer
            try:
                os.write(client.own, b"x" * 4096)
            except BlockingIOError:
                break
