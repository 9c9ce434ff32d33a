"""Invariants: the command serves a real client over standard input and output, with nothing else in them, and over HTTP."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.acceptance.command import PROGRAM, Running, command, environment, refused, run
from tests.acceptance.incident import record_incident


def test_over_stdio_a_client_investigates_a_recording_and_sees_it_happen(tmp_path: Path) -> None:
    recording = record_incident(tmp_path / "incident")
    imported = json.loads(run(tmp_path, "recordings", "import", recording, "--json").stdout)
    server = StdioServerParameters(command=sys.executable, args=["-c", PROGRAM, "mcp"], env=environment(tmp_path))
    said = tmp_path / "stderr"

    async def talk() -> Any:
        seen: list[str] = []

        async def progress(progress: float, total: float | None, message: str | None) -> None:
            del progress, total
            seen.append(message or "")

        with said.open("w") as errors:
            async with Client(stdio_client(server, errlog=errors)) as client:
                asked = {"recording": imported["name"]}
                found = await client.call_tool("investigate", asked, progress_callback=progress)
                told = found.structured_content
                assert told is not None, found.content
                chart = await client.call_tool("evidence_chart", {"investigation": told["investigation"]})
                assert not chart.is_error, chart.content
                alike = await client.call_tool("similar_incidents", {"investigation": told["investigation"]})
                assert not alike.is_error, alike.content
                deciding = await client.call_tool("acknowledge", {"investigation": told["investigation"]})
                assert deciding.is_error
                return told, seen

    told, seen = anyio.run(talk)
    assert (told["finished"], told["outcome"], told["causes"][0]["service"]) == (True, "finding", "cart")
    assert seen[0] == "investigation opened"
    assert {"metrics: at work", "traces: at work"} <= set(seen)
    assert "ready, as somebody who only reads" in said.read_text()


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT, None], ids=["SIGTERM", "SIGINT", "end of input"])
def test_over_stdio_it_ends_in_good_order_when_it_is_asked_to_and_when_the_client_goes_away(
    tmp_path: Path, asked: int | None
) -> None:
    """While a call is answered, and while nothing more comes that a read could end with."""
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a client", "version": "1"}}
    call = {"name": "investigate", "arguments": {"service": "checkout", "wait_seconds": 45}, "_meta": {"progressToken": "p"}}
    with Running(tmp_path / "data", "mcp", stdin=None) as process:
        for method, words in (("initialize", client), ("tools/call", call)):
            asking = {"jsonrpc": "2.0", "id": method, "method": method, "params": words}
            print(json.dumps(asking), file=process.stdin, flush=True)
            answer = json.loads(process.stdout.readline())
        assert answer["method"] == "notifications/progress"
        if asked is None:
            process.stdin.close()
        else:
            process.send_signal(asked)
        assert process.wait() == 0
        assert "Traceback" not in process.stderr.read()
    assert not (tmp_path / "data" / "redis" / "ch.sock").exists(), "the data directory was left to the next one"


def test_over_http_the_owner_of_the_data_directory_reads_with_their_own_token(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("mcp", "--http", "--port", "0", "--json"), env=environment(tmp_path), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        told = json.loads(line)
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/mcp", told["mcp"])
        token = Path(told["mcp_token_file"]).read_text()
        assert token not in line

        async def talk() -> Any:
            async with (
                httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http,
                Client(streamable_http_client(told["mcp"], http_client=http)) as client,
            ):
                return (await client.call_tool("list_investigations", {})).structured_content

        assert anyio.run(talk) == {"total": None, "next_offset": None, "investigations": []}
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        process.stdout.close()


def test_it_is_not_opened_to_others_by_mistake(tmp_path: Path) -> None:
    assert "by which name" in refused(run(tmp_path, "mcp", "--http", "--host", "0.0.0.0"), 78)  # noqa: S104  that it is refused is the test
    assert run(tmp_path, "mcp", "--port", "1").returncode == 2
    assert "--json goes with --http" in run(tmp_path, "mcp", "--json").stderr


def test_closed_streams_are_as_at_their_end(tmp_path: Path) -> None:
    words = ["sh", "-c", 'exec "$@" <&- >&-', "sh", *command("mcp")]
    done = subprocess.run(words, env=environment(tmp_path), stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, "ready, as" in done.stderr, "Traceback" in done.stderr) == (0, True, False)
