"""Sends storms of a thousand alerts while the processes that tend them are killed, and counts what became of them.

Run it as ``python tests/chaos/storms.py --storms 12``. Each storm is a made-up system of 30 services in which one to five causes
that do not reach one another are planted; its thousand alerts come within ten seconds, in random order, from the users down, or
from the causes up. Two processes tend at once, over a real Redis with ``appendfsync always``, and one of them dies by SIGKILL every
1.5 seconds and is replaced; with ``--undisturbed`` nobody dies. It prints one line of JSON a storm and exits with 0 when none had
more than five investigations, none merged two causes, and every alert was in one that was opened.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from middlewatch.context_store.connection import client_of
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.redis_server import RedisServer
from middlewatch.context_store.store import ContextStore
from middlewatch.records import AlertMessage, Edge
from middlewatch.tools.bursts import Calls
from tests.alerting_site import AlertingSite
from tests.storm_data import Storm, make_storm, merged

STORM_SECONDS = 10.0
KILL_SECONDS = 1.5
REST_SECONDS = 40.0
"""Until everything must be sorted."""
READY_SECONDS = 60.0
SENDERS = 4
ORDERS = ("random", "from the users down", "from the causes up")


def site_of(url: str, edges: frozenset[tuple[str, str]]) -> AlertingSite:
    made = AlertingSite(ContextStore(client_of(url, timeout_seconds=10.0), epoch=Epoch()))
    made.edges = edges
    return made


def tend(url: str, edges: frozenset[tuple[str, str]], ready: Event) -> None:
    logging.disable()
    tender = site_of(url, edges).tender("alerts")
    ready.set()
    tender.tend_until(threading.Event())


def in_order(storm: Storm, order: str) -> list[AlertMessage]:
    depth = Calls.of(Edge(caller=a, callee=b) for a, b in storm.edges).depth()
    if order == ORDERS[0]:
        return list(storm.messages)
    return sorted(storm.messages, key=lambda m: depth.get(m.labels["service.name"], 99), reverse=order == ORDERS[2])


def send(site: AlertingSite, messages: Sequence[AlertMessage], slowest: list[float]) -> None:
    began, each = time.monotonic(), STORM_SECONDS / len(messages)
    for number, message in enumerate(messages):
        time.sleep(max(0.0, began + number * each - time.monotonic()))
        sent = time.monotonic()
        site.occurrences.receive([message])
        slowest[0] = max(slowest[0], time.monotonic() - sent)


def rage(  # a storm is said whole
    url: str, storm: Storm, order: str, context: ForkServerContext, chance: random.Random, *, kill: bool
) -> dict[str, Any]:
    site, slowest = site_of(url, storm.edges), [0.0]
    messages = in_order(storm, order)

    def started() -> ForkServerProcess:
        ready = context.Event()
        process = context.Process(target=tend, args=(url, storm.edges, ready), daemon=True)
        process.start()
        if not ready.wait(READY_SECONDS):
            raise TimeoutError("nobody tends: a process did not start in time")
        return process

    tenders, kills, began = [started(), started()], 0, time.monotonic()
    threads = [threading.Thread(target=send, args=(site, messages[n::SENDERS], slowest)) for n in range(SENDERS)]
    for thread in threads:
        thread.start()
    sorted_at = first_at = None
    while time.monotonic() - began < STORM_SECONDS + REST_SECONDS:
        time.sleep(KILL_SECONDS if kill else 0.25)
        if kill and time.monotonic() - began < STORM_SECONDS + 5:
            victim = chance.randrange(2)
            os.kill(tenders[victim].pid or 0, signal.SIGKILL)
            tenders[victim].join()
            tenders[victim], kills = started(), kills + 1
        opened = len(site.store.investigations("default"))
        first_at = first_at or (time.monotonic() - began if opened else None)
        if not any(thread.is_alive() for thread in threads) and not site.store.server.redis.zcard(
            "middlewatch:occurrences:{default}:due"
        ):
            sorted_at = time.monotonic() - began
            break
    for process in tenders:
        process.kill()
        process.join()
    return verdict(site, storm) | {
        "order": order,
        "kills": kills,
        "first_opened_within_seconds": round(first_at or -1, 1),
        "sorted_within_seconds": round(sorted_at or -1, 1),
        "slowest_receive_ms": round(slowest[0] * 1000),
    }


def verdict(site: AlertingSite, storm: Storm) -> dict[str, Any]:
    opened = {row.id for row in site.store.investigations("default")}
    alerts, homes = site.occurrences.list(limit=5000), defaultdict[str, set[str]](set)
    shown = {name: {one.id for one in site.occurrences.of(name)} for name in opened}
    lost = 0
    for one in alerts:
        homes[one.service].add(one.investigation or "")
        lost += one.id not in shown.get(one.investigation or "", set())
    lost += len(storm.messages) - len(alerts)
    return {
        "causes": len(storm.causes),
        "services": len(storm.alerting),
        "alerts": len(storm.messages),
        "investigations": len(opened),
        "merged": len(merged(storm, homes)),
        "not_visible": lost,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storms", type=int, default=12)
    parser.add_argument("--first", type=int, default=0, help="number of the first storm, so that a run can be made in parts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--undisturbed", action="store_true")
    arguments = parser.parse_args()
    logging.disable()
    context = multiprocessing.get_context("forkserver")
    failed = 0
    for number in range(arguments.first, arguments.first + arguments.storms):
        chance = random.Random(f"{arguments.seed}:{number}")
        storm = make_storm(arguments.seed * 1000 + number, causes=1 + number % 5, silent=0.1)
        with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder) / "redis") as server:
            found = rage(server.url, storm, ORDERS[number % 3], context, chance, kill=not arguments.undisturbed)
        good = (
            found["investigations"] <= 5 and not found["merged"] and not found["not_visible"] and found["sorted_within_seconds"] > 0
        )
        failed += not good
        told = {"storm": number, "good": good, **found, "load": round(os.getloadavg()[0], 1)}
        print(json.dumps(told), flush=True)  # noqa: T201  what it is for
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
