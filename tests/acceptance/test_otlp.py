"""The command takes telemetry in, loses nothing that it acknowledged when it is killed, and runs beside `serve`."""

from __future__ import annotations

import json
import random
import signal
import socket
from pathlib import Path

import httpx

from middlewatch.frontends.otlp.receiver import Receiving
from tests.acceptance.command import Running
from tests.chaos.otlp_kills import rounds
from tests.otlp_site import OtlpProcess
from tests.unit.frontends.otlp.requests import spans


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged, lost = rounds(tmp_path, 1, random.Random(1))
    assert acknowledged > 0
    assert lost == 0


def test_who_stored_through_an_owner_that_died_owns_the_data_directory_then(tmp_path: Path) -> None:
    owner = OtlpProcess.start(tmp_path / "data")
    attached = OtlpProcess.start(tmp_path / "data")
    try:
        assert (owner.told.owner, attached.told.owner) == (True, False)
        owner.kill()
        assert attached.process.stdout is not None
        then = Receiving.model_validate_json(attached.process.stdout.readline())
        assert then == attached.told.model_copy(update={"owner": True, "store": owner.told.store})
        content, headers = spans("").SerializeToString(), {"content-type": "application/x-protobuf"}
        assert httpx.post(f"{then.http}/v1/traces", content=content, headers=headers, timeout=60).status_code == 200
    finally:
        assert attached.end() == 0


def test_serve_runs_it_beside_itself(tmp_path: Path) -> None:
    ports = free_ports(2)
    where = {"MIDDLEWATCH_OTLP_HTTP_PORT": str(ports[0]), "MIDDLEWATCH_OTLP_GRPC_PORT": str(ports[1])}
    words = ("serve", "--port", "0", "--json", "--no-work", "--no-mcp")
    with Running(tmp_path / "data", *words, variables=where) as process:
        told = json.loads(process.stdout.readline())
        assert (told["otlp"], told["otlp_grpc"]) == (f"http://127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}")
        content = spans('name: "beside"').SerializeToString()
        headers = {"content-type": "application/x-protobuf"}
        transport = httpx.HTTPTransport(retries=8)  # it takes a moment until it is there
        with httpx.Client(transport=transport, timeout=60) as client:
            assert client.post(f"{told['otlp']}/v1/traces", content=content, headers=headers).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


def free_ports(count: int) -> list[int]:
    """Ports that nobody has for now."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    numbers = [int(one.getsockname()[1]) for one in taken]
    for one in taken:
        one.close()
    return numbers
