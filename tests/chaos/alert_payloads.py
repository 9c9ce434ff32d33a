"""Malformed deliveries over all senders of alerts: each is signed as its sender signs, and damaged somewhere.

usage: python -m tests.chaos.alert_payloads [--payloads 100000] [--seed 1]

Every one goes through the whole site to a real store. It must be answered 200 or 4xx with a reason, and the site must take what is
right afterwards. Exits with 1 where one was not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from middlewatch.app import App
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.redis_server import RedisServer
from middlewatch.context_store.store import ContextStore
from middlewatch.frontends.alerts.doors import Door
from middlewatch.frontends.alerts.sns import Signatures
from middlewatch.frontends.web.site import create_site
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import ClickHouse
from tests import alert_senders as made
from tests.alert_senders import SENDERS, Sns
from tests.hostile import _PIECES

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**63, -(2**63), 10**400, 1e308, 5e-324, "", "0", "x" * 5000, "\ud800", "\x00", "é" * 300),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "2026-02-30", "firing", [], {}, [[]], [{}], {"": ""}, [None] * 50),
    *_PIECES,
    *({str(number): number for number in range(200)}, "1e9999", float("nan"), float("inf")),
)


def damaged(value: Any, chance: random.Random) -> Any:
    """The same with something else somewhere in it."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        key = chance.choice(sorted(value))
        if chance.random() < 0.1:
            return {name: one for name, one in value.items() if name != key}
        return {**value, key: damaged(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.8:
        place = chance.randrange(len(value))
        return [*value[:place], damaged(value[place], chance), *value[place + 1 :]]
    if chance.random() < 0.1:
        nested: Any = value
        for _ in range(chance.choice((5, 40, 900))):
            nested = [nested] if chance.random() < 0.5 else {"a": nested}
        return nested
    return chance.choice(ODD)


def broken(body: bytes, chance: random.Random) -> bytes:
    """The same with other bytes somewhere."""
    place = chance.randrange(len(body) + 1)
    match chance.randrange(4):
        case 0:
            return body[:place]
        case 1:
            return body[:place] + chance.randbytes(chance.randrange(1, 20)) + body[place:]
        case 2:
            return body[:place] + chance.choice((b"[", b"{", b'"', b"\\ud800", b"NaN", b"-", b"\xef\xbb\xbf")) * 50 + body[place:]
    return chance.randbytes(chance.randrange(200))


def deliveries(count: int, chance: random.Random, sns: Sns) -> Any:
    """Name, headers and body of each."""
    shapes: list[tuple[str, Any, Callable[[bytes], dict[str, str]]]] = [(one.name, one.fires, one.shows) for one in SENDERS]
    for number in range(count):
        name, fires, shows = chance.choice([*shapes, ("cloudwatch", made.alarm(), made.by_nobody)])
        if name == "cloudwatch":
            message = json.dumps(damaged(fires, chance))
            body = sns.wrap(message) if number % 4 else json.dumps(damaged(json.loads(sns.wrap(message)), chance)).encode()
        else:
            body = json.dumps(damaged(fires, chance)).encode()
        if chance.random() < 0.2:
            body = broken(body, chance)
        headers = shows(body)
        if chance.random() < 0.05:
            headers = {key: chance.choice(("", "é", "v1=", "Basic !", "Bearer", "x" * 5000)) for key in headers}
        yield name, headers, body


async def answered(site: Any, name: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    """Status and body of the answer; one call of the site, as a server makes it."""
    sent: list[Any] = []
    told = [{"type": "http.request", "body": body, "more_body": False}]
    raw = [(b"host", b"localhost"), (b"content-length", str(len(body)).encode())]
    raw += [(key.encode(), value.encode("utf-8", "replace")) for key, value in headers.items()]
    path = f"/intake/alerts/{name}"
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
    }
    scope |= {
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": raw,
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
    }

    async def receive() -> Any:
        return told.pop() if told else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await site(scope, receive, send)
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:])


async def attack(app: App, count: int, seed: int) -> int:
    """Send them all; returns how many were answered wrongly."""
    sns, chance = Sns(), random.Random(seed)
    site = create_site(app)
    site.state.alert_door = Door(app, Signatures(sns.get))
    statuses: Counter[str] = Counter()
    wrong, start = 0, time.monotonic()
    for name, headers, body in deliveries(count, chance, sns):
        status, said = await answered(site, name, headers, body)
        statuses[f"{status}"] += 1
        right = status == 200 or (400 <= status < 500 and json.loads(said).get("detail"))
        if not right:
            wrong += 1
            sys.stdout.write(f"{status} {name} {body[:300]!r}\n")
    seconds = time.monotonic() - start
    for sender in SENDERS:
        status, _ = await answered(site, sender.name, sender.shows(sender.body), sender.body)
        wrong += status != 200
    told = ", ".join(f"{number:,} x {status}" for status, number in sorted(statuses.items()))
    sys.stdout.write(f"{count:,} deliveries to {len(SENDERS) + 1} senders in {seconds:.0f} s: {told}; wrong: {wrong}\n")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payloads", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.disable()  # each that is not believed is logged
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder) / "redis") as server:
        data = Path(folder) / "data"
        data.mkdir()
        made.write_intake(data)
        client = server.client()
        client.config_set("appendonly", "no")
        store = ContextStore(client, epoch=Epoch())
        app = App(Settings(data_dir=data), cast("ClickHouse", None), store, archive_folder=data / "archive", owner=True)
        sys.exit(1 if asyncio.run(attack(app, given.payloads, given.seed)) else 0)


if __name__ == "__main__":
    main()
