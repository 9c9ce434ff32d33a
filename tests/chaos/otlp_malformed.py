"""Send the OTLP intake what no honest sender sends: each is taken, in parts, or refused with a reason, and it never crashes.

    python -m tests.chaos.otlp_malformed --payloads 100000

Whole requests are made and then bent: bytes changed, cut off and doubled, lengths that lie, JSON with values of other types and
other depths, gzip that is none; over HTTP and over gRPC. The exit code is 1 where an answer is 5xx or as bad, has no reason, or
does not come.
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
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status

from middlewatch.frontends.otlp.reception import Signal
from tests.otlp_site import OtlpProcess
from tests.unit.frontends.otlp.requests import SPAN, TRACE, logs, metrics, spans

SENDERS = 32
"""At once: what is taken after all is answered once it is stored, and that takes a tenth of a second."""
OVER_GRPC = 0.2
"""How many of the payloads in protobuf go over gRPC."""
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
PROTOBUF = {"content-type": "application/x-protobuf"}
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
        answers, faults = storm(process.told.http, process.told.grpc, asked.payloads, asked.seed)
        alive = process.process.poll() is None
        seconds = time.monotonic() - began
        process.end()
    told = ", ".join(f"{count} x {answer}" for answer, count in sorted(answers.items()))
    state = "alive" if alive else "dead"
    print(f"{answers.total()} requests in {seconds:.0f} s: {told}; {len(faults)} faults, {state} at the end")  # noqa: T201
    for fault in faults[:10]:
        print(fault)  # noqa: T201
    sys.exit(0 if alive and not faults and answers.total() == asked.payloads else 1)


def storm(url: str, grpc_address: str, payloads: int, seed: int) -> tuple[Counter[str], list[str]]:
    """How often each answer was given, and what was wrong."""
    answers: Counter[str] = Counter()
    faults: list[str] = []
    lock = threading.Lock()

    def send(sender: int) -> None:
        chance = random.Random(seed * SENDERS + sender)
        connection = HTTPConnection(urlsplit(url).netloc, timeout=120)
        for _ in range(payloads // SENDERS + (sender < payloads % SENDERS)):
            signal = chance.choice(list(Signal))
            content, headers = _bent(signal, chance)
            try:
                if headers == PROTOBUF and chance.random() < OVER_GRPC:
                    answer, is_fine = _over_grpc(channel, signal, content)
                else:
                    answer, is_fine = _over_http(connection, signal, content, headers)
            except (OSError, HTTPException) as error:
                answer, is_fine = repr(error), False
                connection.close()
            with lock:
                answers[answer] += 1
                if not is_fine:
                    faults.append(f"{signal.name} {headers} {content[:80]!r}: {answer}")
        connection.close()

    with grpc.insecure_channel(grpc_address) as channel:
        threads = [threading.Thread(target=send, args=(sender,)) for sender in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return answers, faults


def _over_http(connection: HTTPConnection, signal: Signal, content: bytes, headers: dict[str, str]) -> tuple[str, bool]:
    """What was answered, and whether that may be."""
    is_kept = connection.sock is not None
    try:
        connection.request("POST", signal.value.path, content, headers)
        answer = connection.getresponse()
    except (ConnectionError, HTTPException):
        if not is_kept:
            raise
        connection.close()  # it was closed meanwhile for having been idle, which every client has to expect
        connection.request("POST", signal.value.path, content, headers)
        answer = connection.getresponse()
    body = answer.read()
    if answer.headers["content-type"] == "application/json":
        reason = json.loads(body).get("message", "")
    else:
        reason = Status.FromString(body).message if answer.status != HTTPStatus.OK else ""
    return f"HTTP {answer.status}", answer.status in {200, 429} or (400 <= answer.status < 500 and bool(reason))


def _over_grpc(channel: grpc.Channel, signal: Signal, content: bytes) -> tuple[str, bool]:
    """Likewise."""
    call = channel.unary_unary(f"/{signal.value.service}/Export")
    try:
        call(content, timeout=120)
    except grpc.RpcError as error:
        code = error.code()
        is_fine = code in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED} and bool(error.details())
        return f"gRPC {code.name}", is_fine
    return "gRPC OK", True


def _bent(signal: Signal, chance: random.Random) -> tuple[bytes, dict[str, str]]:
    headers = dict(PROTOBUF)
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
