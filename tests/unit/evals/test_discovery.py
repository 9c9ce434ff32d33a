"""Invariant: a deploy moves the next request to the new instance, on a client that is already in use; several take turns."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from middlewatch.evals.lab.discovery import DiscoveringTransport
from middlewatch.evals.lab.run_folder import RunFolder


@contextmanager
def instance(name: str) -> Iterator[str]:
    """A server that answers with its name and the host that was asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"{name} for {self.headers['Host']}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_requests_follow_the_address(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.create()
    with ExitStack() as stack:
        addresses = [stack.enter_context(instance(name)) for name in ("old", "new")]
        client = stack.enter_context(httpx.Client(transport=DiscoveringTransport(folder), trust_env=False))
        answers = []
        for address in addresses:
            folder.replace(folder.address("inventory"), address)
            answers.append(client.get("http://inventory/stock").text)
    assert answers == ["old for inventory", "new for inventory"]


def test_several_instances_take_turns(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.create()
    with ExitStack() as stack:
        addresses = [stack.enter_context(instance(name)) for name in ("one", "two")]
        folder.replace(folder.address("inventory"), "\n".join(addresses))
        client = stack.enter_context(httpx.Client(transport=DiscoveringTransport(folder), trust_env=False))
        answers = [client.get("http://inventory/stock").text.split()[0] for _ in range(4)]
    assert answers == ["one", "two", "one", "two"]
