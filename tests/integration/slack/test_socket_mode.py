"""Invariant: by Socket Mode the same is done as over HTTP, over a connection of our own, and once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

from redis import Redis
from websockets.sync.server import Server, ServerConnection, serve

from middlewatch.records import RequestState
from tests.reports import finding
from tests.slack_end import workspace
from tests.slack_site import EVENTS, INVESTIGATION, USERS, SlackSite, eventually, open_slack_site


@contextmanager
def listening() -> Iterator[tuple[str, Queue[ServerConnection], Queue[dict[str, Any]]]]:
    """Slack's end of the connection: its address, who connected, and what they acknowledged."""
    connections: Queue[ServerConnection] = Queue()
    acknowledged: Queue[dict[str, Any]] = Queue()

    def talk(connection: ServerConnection) -> None:
        connection.send(json.dumps({"type": "hello", "num_connections": 1}))
        connections.put(connection)
        for message in connection:
            acknowledged.put(json.loads(message))

    server: Server
    with serve(talk, "127.0.0.1", 0) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/link", connections, acknowledged
        server.shutdown()
        thread.join()


def envelope(number: int, payload: dict[str, Any], kind: str) -> str:
    return json.dumps({"envelope_id": f"e{number}", "type": kind, "payload": payload, "accepts_response_payload": True})


def test_a_click_and_a_command_by_socket_mode(redis: Redis, tmp_path: Path) -> None:
    tokens: dict[str, Any] = {"slack_app_token": "xapp-test", "slack_signing_secret": None}
    with (
        workspace() as (end, url),
        listening() as (address, connections, acknowledged),
        open_slack_site(redis, tmp_path, end, url, **tokens) as slack,
    ):
        end.socket_url = address
        slack.web.seed(finding(), INVESTIGATION)
        request = slack.asked()
        click = json.loads(parse_qs(end.click(slack.post_of(request.id), "approve", USERS["leo"]).decode())["payload"][0])
        command = {name: values[0] for name, values in parse_qs(end.command("status", USERS["mia"]).decode()).items()}
        with slack.face.running():
            connection = connections.get(timeout=20)
            for number in (1, 2):  # delivered twice
                connection.send(envelope(number, click, "interactive"))
                assert acknowledged.get(timeout=20)["envelope_id"] == f"e{number}"
            connection.send(envelope(3, command, "slash_commands"))
            answer = acknowledged.get(timeout=20)
            assert INVESTIGATION in json.dumps(answer["payload"])
            eventually(lambda: "approved it at" in slack.post_of(request.id).words)
        check(slack, request.id)


def check(slack: SlackSite, request: str) -> None:
    assert slack.web.look(request).state is RequestState.APPROVED
    assert len(slack.events("principal.login")) == 1
    assert slack.client.post(EVENTS, content=b"{}").status_code == 404
