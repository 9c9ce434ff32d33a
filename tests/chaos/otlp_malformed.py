"""Send the OTLP intake what no honest sender sends: each is taken, in parts, or refused with a reason, and it never crashes.

    python -m tests.chaos.otlp_malformed --payloads 100000

Whole requests are made and then bent: bytes changed, cut off and doubled, lengths that lie, JSON with values of other types and
other depths, gzip that is none. The exit code is 1 where an answer is 5xx, has no reason, or does not come.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status

from middlewatch.frontends.otlp.reception import Signal
from tests.otlp_site import OtlpProcess
from tests.unit.frontends.otlp.requests import SPAN, TRACE, logs, metrics, spans

SENDERS = 4
SEEDS: dict[Signal, Any] = {
    Signal.TRACES: spans(
        'name: "GET /" kind: SPAN_KIND_SERVER attributes { key: "k" value { array_value { values { int_value: 1 } } } } '
        'events { name: "e" time_unix_nano: 1 } links { trace_id: "a" span_id: "b" }',
        resource='attributes { key: "service.name" value { string_value: "shop" } }',
    ),
    Signal.LOGS: logs(
        f'time_unix_nano: 1790000000000000000 trace_id: "{TRACE}" span_id: "{SPAN}" body {{ string_value: "hello" }}'
    ),
    Signal.METRICS: metrics(
        'name: "g" gauge { data_points { time_unix_nano: NOW as_double: 1 } }',
        'name: "h" histogram { data_points { time_unix_nano: NOW count: 1 bucket_counts: [1, 0] explicit_bounds: 1 } }',
        'name: "q" summary { data_points { time_unix_nano: NOW quantile_values { quantile: 0.5 value: 1 } } }',
    ),
}
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**70,
    1e308,
    float("nan"),
    "",
    "\x00",
    "\ud800",
    "9" * 400,
    [],
    {},
    [[[[]]]],
    {"a": {"b": {}}},
)


def main() -> None:
    """Send them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--payloads", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="otlp-") as folder:
        process = OtlpProcess.start(Path(folder) / "data")
        began = time.monotonic()
        statuses, faults = storm(process.told.http, asked.payloads, asked.seed)
        alive = process.process.poll() is None
        seconds = time.monotonic() - began
        process.end()
    told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    state = "alive" if alive else "dead"
    print(f"{sum(statuses.values())} requests in {seconds:.0f} s: {told}; {len(faults)} faults, {state} at the end")  # noqa: T201
    for fault in faults[:10]:
        print(fault)  # noqa: T201
    sys.exit(0 if alive and not faults else 1)


def storm(url: str, payloads: int, seed: int) -> tuple[Counter[int], list[str]]:
    """How often each status was answered, and what was wrong."""
    statuses: Counter[int] = Counter()
    faults: list[str] = []
    lock = threading.Lock()

    def send(sender: int) -> None:
        chance = random.Random(seed * SENDERS + sender)
        with httpx.Client(timeout=60) as client:
            for _ in range(payloads // SENDERS):
                signal = chance.choice(list(Signal))
                content, headers = _bent(signal, chance)
                try:
                    answer = client.post(url + signal.value.path, content=content, headers=headers)
                except httpx.TransportError as error:
                    with lock:
                        faults.append(f"{signal.name} {headers} {content[:80]!r}: {error!r}")
                    continue
                with lock:
                    statuses[answer.status_code] += 1
                    if answer.status_code not in {200, 429} and not (400 <= answer.status_code < 500 and _reason(answer)):
                        faults.append(f"{signal.name} {headers} {content[:80]!r}: {answer.status_code} {answer.content[:80]!r}")

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses, faults


def _reason(answer: httpx.Response) -> str:
    if answer.headers["content-type"] == "application/json":
        return str(answer.json()["message"])
    return str(Status.FromString(answer.content).message)


def _bent(signal: Signal, chance: random.Random) -> tuple[bytes, dict[str, str]]:
    headers = {"content-type": "application/x-protobuf"}
    if chance.random() < 0.5:
        content = chance.choice(_BYTES)(SEEDS[signal].SerializeToString(), chance)
    else:
        headers["content-type"] = "application/json"
        whole = MessageToDict(SEEDS[signal])
        for _ in range(chance.randint(1, 3)):
            _bend_json(whole, chance)
        content = json.dumps(whole).encode()
        if chance.random() < 0.3:
            content = chance.choice(_BYTES)(content, chance)
    if chance.random() < 0.2:
        headers["content-encoding"] = "gzip"
        packed = gzip.compress(content, 1)
        content = packed if chance.random() < 0.5 else chance.choice(_BYTES)(packed, chance)
    return content, headers


def _flipped(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _doubled(content: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.choices(range(len(content) + 1), k=2))
    return content[:end] + content[start:end] * chance.randint(1, 20) + content[end:]


def _nested(_content: bytes, chance: random.Random) -> bytes:
    """Messages in messages, deeper than anybody reads."""
    content = b""
    for _ in range(chance.randint(20, 400)):
        content = bytes([chance.choice((0x0A, 0x12, 0x2A))]) + _varint(len(content)) + content
    return content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


_BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flipped,
    _flipped,
    _doubled,
    _nested,
    lambda content, chance: content[: chance.randrange(len(content))],
    lambda content, chance: content[chance.randrange(len(content)) :],
    lambda _content, chance: chance.randbytes(chance.randrange(200)),
)


def _bend_json(whole: Any, chance: random.Random) -> None:
    """Put something odd in one place."""
    places: list[tuple[Any, Any]] = []
    waiting = [whole]
    while waiting:
        part = waiting.pop()
        for key, value in list(part.items() if isinstance(part, dict) else enumerate(part)):
            places.append((part, key))
            if isinstance(value, (dict, list)):
                waiting.append(value)
    if places:
        part, key = chance.choice(places)
        part[key] = copy.deepcopy(chance.choice(ODD))


if __name__ == "__main__":
    main()
