"""The server over real HTTP on loopback, the real client against it, and an OpenID provider that signs tokens."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from middlewatch.frontends.listening import Listener, listen
from middlewatch.frontends.mcp.over_http import alone
from tests.mcp_site import Site


@dataclass
class Served:
    """Where it listens."""

    site: Site
    port: int
    http: httpx.Client

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    @asynccontextmanager
    async def client(self, bearer: str, *, mode: str = "auto") -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {bearer}"}
        async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
            transport = streamable_http_client(self.url, http_client=http)
            async with Client(transport, mode=mode) as client:
                yield client


@contextmanager
def served(site: Site) -> Iterator[Served]:
    """Answer in a thread for as long as the block runs."""
    taken, site.app.settings = listen(site.app.settings)
    stop, started = threading.Event(), threading.Event()
    listener = Listener(alone(site.app), site.app.settings, stop.is_set, on_started=started.set)
    thread = threading.Thread(target=asyncio.run, args=(listener.serve(sockets=[taken]),))
    thread.start()
    try:
        assert started.wait(30)
        with httpx.Client(timeout=20) as http:
            yield Served(site, site.app.settings.port, http)
    finally:
        stop.set()
        thread.join()
        taken.close()


@dataclass
class Provider:
    """An OpenID provider."""

    issuer: str = ""
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "first"}, private=True))
    fetched: int = 0

    def token(self, *, key: ECKey | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        now = int(time.time())
        usual = {"iss": self.issuer, "sub": "olga", "aud": "nobody", "exp": now + 300, "iat": now}
        kept = {name: value for name, value in (usual | claims).items() if value is not None}
        signer = key or self.key
        return jwt.encode({"alg": "ES256", "kid": signer.kid, **(header or {})}, kept, signer)


@contextmanager
def provider() -> Iterator[Provider]:
    made = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.fetched += 1
            keys = KeySet([made.key]).as_dict(private=False)
            about = {"issuer": made.issuer, "jwks_uri": f"{made.issuer}/keys"}
            body = json.dumps(keys if self.path.endswith("/keys") else about).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.issuer = f"http://127.0.0.1:{server.server_port}/realm"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
