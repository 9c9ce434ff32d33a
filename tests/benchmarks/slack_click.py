"""How long a click in Slack takes: to its acknowledgement, to the gateway's decision, and to the edited messages.

.venv/bin/python -m tests.benchmarks.slack_click --clicks 200 --slack-ms 100

Everything is real but Slack: the site over HTTP, the gateway, Redis with every write on disk, the poster. Run by hand;
docs/measurements/slack.md has the figures.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import uvicorn

from middlewatch.context_store.redis_server import RedisServer
from middlewatch.frontends.slack.poster import EDIT_SECONDS
from middlewatch.frontends.web.site import create_site
from middlewatch.records import ApprovalRequest, RequestState
from tests.contract.actions.loopback import Answer, Request, served
from tests.reports import finding
from tests.slack_end import SlackEnd, signed
from tests.slack_site import EVENTS, USERS, SlackSite, eventually, open_slack_site

BATCH = 40
"""Requests that wait at once; as many are posted before they are clicked."""
PAUSE_SECONDS = 0.1
"""Between two clicks: several people at work in an outage (chosen, not derived)."""


class SlowSlack(SlackEnd):
    """Takes its time over every call, as the real one does over the internet."""

    def __init__(self, milliseconds: float) -> None:
        super().__init__()
        self.seconds = milliseconds / 1000

    def handle(self, request: Request) -> Answer:
        self.lock.release()  # it serves others meanwhile
        try:
            time.sleep(self.seconds)
        finally:
            self.lock.acquire()
        return super().handle(request)


@dataclass(frozen=True)
class Click:
    """Milliseconds since the click was sent."""

    acknowledged: float
    decided: float
    edited: float
    all_edited: float


@contextmanager
def listening(slack: SlackSite) -> Iterator[int]:
    """The site over HTTP; yields its port."""
    site = create_site(slack.app)
    site.include_router(slack.face.router)
    taken = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(site, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[taken])), daemon=True)
    thread.start()
    yield taken.getsockname()[1]
    server.should_exit = True
    thread.join(10)


def propose(slack: SlackSite, first: int) -> list[tuple[str, ApprovalRequest]]:
    """So many investigations with a request each, all of them posted."""
    made = []
    for number in range(first, first + BATCH):
        name = f"inv-{number:012x}"
        slack.web.seed(finding(), name)
        made.append((name, slack.web.propose(investigation=name, parameters={"by": 1 + number % 4})))
    eventually(lambda: {f"{name}/{one.id}" for name, one in made} <= set(slack.end.names()), 120)
    time.sleep(EDIT_SECONDS + 0.5)
    return made


def time_click(slack: SlackSite, port: int, name: str, request: ApprovalRequest) -> Click:
    post, main = slack.end.named(f"{name}/{request.id}"), slack.end.named(f"{name}/main")
    body = slack.end.click(post, "approve", USERS["leo"])
    headers = signed(body) | {"Host": "middlewatch.example.com"}
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{EVENTS}", body, headers)
    edits, main_edits = post.edits, main.edits
    begun, decided = time.perf_counter(), 0.0
    with urllib.request.urlopen(asked) as answer:  # noqa: S310  our own port
        assert answer.status == 200
    acknowledged = edited = time.perf_counter()
    while not (decided and post.edits > edits and main.edits > main_edits):
        now = time.perf_counter()
        if not decided and slack.state(request) is not RequestState.PENDING:
            decided = now
        if post.edits == edits:
            edited = now
        assert now - begun < 30, "it never comes"
        time.sleep(0.002)
    over = time.perf_counter()
    return Click(*(1000 * (moment - begun) for moment in (acknowledged, decided, edited, over)))


def row(name: str, values: Sequence[float], goal: str) -> str:
    cuts = statistics.quantiles(values, n=100)
    return f"| {name} | {cuts[49]:.0f} | {cuts[89]:.0f} | {cuts[98]:.0f} | {max(values):.0f} | {goal} |"


@click.command()
@click.option("--clicks", default=200, show_default=True, help="How many.")
@click.option("--slack-ms", default=100.0, show_default=True, help="How long Slack takes over each call, in milliseconds.")
def main(clicks: int, slack_ms: float) -> None:
    """Click, and measure."""
    end = SlowSlack(slack_ms)
    found: list[Click] = []
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder) / "redis") as server, served(end) as url:
        public: dict[str, Any] = {}
        with open_slack_site(server.client(), Path(folder), end, f"{url}/api/", **public) as slack, listening(slack) as port:
            slack.face._pool = ThreadPoolExecutor(8)
            with slack.face.running():
                while len(found) < clicks:
                    for name, request in propose(slack, len(found) + 1)[: clicks - len(found)]:
                        found.append(time_click(slack, port, name, request))
                        time.sleep(PAUSE_SECONDS)
    assert end.wrong == [], end.wrong
    click.echo(f"{len(found)} clicks, Slack takes {slack_ms:g} ms over a call. Milliseconds since the click:\n")
    click.echo("| until | median | 90 % | 99 % | most | goal |\n|---|---|---|---|---|---|")
    click.echo(row("acknowledged", [one.acknowledged for one in found], "300"))
    click.echo(row("decided by the gateway", [one.decided for one in found], ""))
    click.echo(row("the request's message edited", [one.edited for one in found], "1000"))
    click.echo(row("the investigation's message edited too", [one.all_edited for one in found], ""))


if __name__ == "__main__":
    main()
