"""The official conformance suite and the official inspector against the server, as `make conformance-mcp` runs them.

Needs npm and its registry. The suite shows no token, so one is put into its requests on their way in; everything else is as served.
What it asks of a server of its own (tools named `test_...`) is left out.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from middlewatch.context_store.redis_server import RedisServer
from middlewatch.frontends.listening import Listener, listen
from middlewatch.frontends.mcp.over_http import alone
from tests.acceptance.command import command
from tests.mcp_site import site, token

SUITE, INSPECTOR, NODE = "@modelcontextprotocol/conformance@0.1.16", "@modelcontextprotocol/inspector@0.15.0", "node@22"
SCENARIOS = (
    "server-initialize",
    "ping",
    "tools-list",
    "resources-list",
    "prompts-list",
    "completion-complete",
    "server-sse-multiple-streams",
    "dns-rebinding-protection",
)
"""Those that any server can be asked; the others call fixtures of a test server."""
INSPECTED = (
    ("tools/list",),
    ("resources/list",),
    ("resources/templates/list",),
    ("prompts/list",),
    ("tools/call", "--tool-name", "list_investigations"),
    ("tools/call", "--tool-name", "list_evidence", "--tool-arg", "investigation={finished}", "limit=2"),
    ("resources/read", "--uri", "middlewatch://investigations/{finished}"),
    ("prompts/get", "--prompt-name", "triage", "--prompt-args", "service=checkout"),
)
SECONDS = 120


def with_token(app: ASGIApp) -> ASGIApp:
    """The same, for whoever shows no token."""

    async def shown(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and all(name != b"authorization" for name, _ in scope["headers"]):
            scope = {**scope, "headers": [*scope["headers"], (b"authorization", f"Bearer {token('leo')}".encode())]}
        await app(scope, receive, send)

    return shown


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, str]]:
    """Its address, and the id of a finished investigation."""
    with RedisServer(folder / "redis") as redis, site(redis.client(), folder / "data") as place:
        taken, place.app.settings = listen(place.app.settings)
        stop, started = threading.Event(), threading.Event()
        listener = Listener(with_token(alone(place.app)), place.app.settings, stop.is_set, on_started=started.set)
        thread = threading.Thread(target=asyncio.run, args=(listener.serve(sockets=[taken]),))
        thread.start()
        try:
            started.wait(SECONDS)
            yield f"http://127.0.0.1:{place.app.settings.port}/mcp", place.finished
        finally:
            stop.set()
            thread.join()
            taken.close()


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=folder)


def main() -> int:
    """Run both; 0 where everything passed."""
    npm = shutil.which("npm")
    if npm is None:
        sys.stderr.write("npm is needed.\n")
        return 69
    failed = 0
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as (url, finished):
        folder = Path(name)
        installed = run([npm, "install", "--no-audit", "--no-fund", "--silent", NODE, SUITE, INSPECTOR], folder)
        if installed.returncode:
            sys.stderr.write(installed.stderr)
            return 69
        node, programs = str(folder / "node_modules/node/bin/node"), folder / "node_modules/.bin"
        conformance, inspector = [node, str(programs / "conformance"), "server"], [node, str(programs / "mcp-inspector"), "--cli"]
        for scenario in SCENARIOS:
            done = run([*conformance, "--url", url, "--scenario", scenario], folder)
            failed += not told("conformance", scenario, done, good=done.returncode == 0)
        for method, *words in INSPECTED:
            named = [word.format(finished=finished) for word in words]
            done = run([*inspector, url, "--transport", "http", "--method", method, *named], folder)
            failed += not told("inspector, HTTP", " ".join((method, *named)), done, good=is_answered(done))
        server = [*command("mcp"), "-e", f"MIDDLEWATCH_DATA_DIR={folder / 'stdio'}"]
        for method in ("tools/list", "prompts/list", "resources/templates/list"):
            done = run([*inspector, *server, "--method", method], folder)
            failed += not told("inspector, stdio", method, done, good=is_answered(done))
    return int(failed > 0)


def is_answered(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether the inspector got an answer that is no error."""
    return done.returncode == 0 and json.loads(done.stdout).get("isError") is not True


def told(who: str, what: str, done: subprocess.CompletedProcess[str], *, good: bool) -> bool:
    """Print how it went, with what was said where it went wrong."""
    sys.stdout.write(f"{'pass' if good else 'FAIL'}  {who:<16}  {what}\n")
    if not good:
        sys.stdout.write(done.stdout[-2000:] + done.stderr[-2000:])
    sys.stdout.flush()
    return good


if __name__ == "__main__":
    sys.exit(main())
