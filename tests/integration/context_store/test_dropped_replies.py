"""A reply that is lost never grants two tasks to one request, and never does anything twice.

A proxy stands between the store and Redis. It lets every command through and, now and then, eats the answer and cuts the
connection: the worst case for a client, which cannot know whether its command ran.
"""

from __future__ import annotations

import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis

from middlewatch.context_store.connection import client_of
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.records import Claim, Completion, FanOut, TaskKind, TaskState
from tests.store_data import make_evidence, make_investigation, make_report, make_task


class Proxy:
    """Forwards a unix socket, and eats answers with a given probability."""

    def __init__(self, listen: Path, upstream: str, seed: int) -> None:
        self._upstream = upstream
        self._random = random.Random(seed)
        self.drop = 0.0
        self.dropped = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(listen))
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._upstream)
        script_runs = threading.Event()

        def forward() -> None:
            with suppress(OSError):
                while request := client.recv(1 << 20):
                    if b"EVAL" in request:
                        script_runs.set()
                    server.sendall(request)

        threading.Thread(target=forward, daemon=True).start()
        with client, server, suppress(OSError):
            while answer := server.recv(1 << 20):
                if script_runs.is_set() and self._random.random() < self.drop:
                    self.dropped += 1  # it has run by now
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(answer)


@pytest.fixture
def proxy(redis: Redis, tmp_path: Path) -> Iterator[Proxy]:
    proxy = Proxy(tmp_path / "proxy.sock", redis.connection_pool.connection_kwargs["path"], seed=7)
    yield proxy
    proxy.close()


@pytest.fixture
def lossy(proxy: Proxy, tmp_path: Path) -> Iterator[ContextStore]:
    """A store behind the proxy."""
    client = client_of(f"unix://{tmp_path / 'proxy.sock'}")
    yield ContextStore(client, epoch=Epoch(), lease_seconds=30.0)
    client.close()
    assert proxy.dropped > 5, "the proxy ate too little to prove anything"


def test_no_request_is_granted_two_tasks(store: ContextStore, lossy: ContextStore, proxy: Proxy) -> None:
    for n in range(12):
        of = make_investigation(identifier=f"inv-{n}", source_id=str(n))
        store.open(of, make_task("look", investigation=of))
    proxy.drop = 0.3
    claims = [lossy.claim("ann", request_id=f"request-{n}") for n in range(12)]
    again = [lossy.claim("ann", request_id=f"request-{n}") for n in range(12)]
    proxy.drop = 0.0
    assert again == claims
    grants = Counter(claim.task.investigation for claim in claims if claim is not None)
    assert set(grants.values()) == {1}
    events = [event.kind for n in range(12) for event in store.events("acme", f"inv-{n}")]
    assert events.count("task.claimed") == len(grants)
    store.sweep()  # a hint that was taken with a lost answer
    rest: list[Claim] = []
    while claim := store.claim("bob"):
        rest.append(claim)
    assert len(rest) + len(grants) == 12


def test_every_step_is_done_once(store: ContextStore, lossy: ContextStore, proxy: Proxy) -> None:
    proxy.drop = 0.3
    for n in range(4):
        of = make_investigation(identifier=f"inv-{n}", source_id=str(n))
        assert lossy.open(of, make_task("plan", investigation=of, kind=TaskKind.PLAN))[1]
        tasks = tuple(make_task(f"look-{m}", investigation=of) for m in range(3))
        assert lossy.finish(claimed(lossy), Completion(fan_out=FanOut(tasks=tasks, then=make_task("end", investigation=of))))
        for _ in tasks:
            claim = claimed(lossy)
            lossy.renew(claim)
            lossy.append(claim, [make_evidence("x", investigation=of)])
            assert lossy.finish(claim, Completion(evidence=(make_evidence(claim.task.id, investigation=of),)))
        end = claimed(lossy)
        assert lossy.fail(end, "boom") is TaskState.READY
        assert len(lossy.snapshot("acme", of.id).tasks) == 5
        lossy.cancel("acme", of.id)
    proxy.drop = 0.0
    for n in range(4):
        kinds = Counter(event.kind for event in store.events("acme", f"inv-{n}"))
        assert (kinds["task.claimed"], kinds["task.finished"], kinds["task.failed"]) == (5, 4, 1)
        assert kinds["investigation.cancelled"] == 1
        assert len(store.snapshot("acme", f"inv-{n}").evidence) == 4


def test_the_report_is_acknowledged_once(store: ContextStore, lossy: ContextStore, proxy: Proxy) -> None:
    proxy.drop = 0.4
    for n in range(4):
        of = make_investigation(identifier=f"inv-{n}", source_id=str(n))
        lossy.open(of, make_task("end", investigation=of))
        claim = claimed(lossy)
        assert lossy.finish(claim, Completion(report=make_report(of)))
        assert not lossy.finish(claim, Completion(report=make_report(of)))
    proxy.drop = 0.0
    assert [store.snapshot("acme", f"inv-{n}").report is not None for n in range(4)] == [True] * 4


def claimed(store: ContextStore) -> Claim:
    """The next task; a hint whose answer was lost is restored first."""
    while (claim := store.claim("ann")) is None:
        assert store.sweep() > 0
    return claim
