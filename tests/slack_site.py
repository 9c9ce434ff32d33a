"""Slack as people meet it: a workspace on this machine, a real application on a real store, and people with accounts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI
from httpx import Response
from redis import Redis
from starlette.testclient import TestClient

from middlewatch.app import App
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.store import ContextStore
from middlewatch.frontends.slack import SlackFace, slack_face
from middlewatch.frontends.slack.poster import Poster
from middlewatch.records import ApprovalRequest, RequestState
from middlewatch.settings import Settings
from tests.acceptance.approvals_site import PEOPLE, Site
from tests.slack_end import CHANNEL, SECRET, TEAM, TOKEN, Post, SlackEnd, signed
from tests.web_site import WebSite

USERS = {name: f"U0{name.upper()}" for name in PEOPLE}
"""Each has an account in the workspace."""
INVESTIGATION = "inv-000000000001"
EVENTS = "/slack/events"
PUBLIC_URL = "https://middlewatch.example.com"


class AtOnce(Executor):
    """Does what it is given before it returns."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


@dataclass
class SlackSite:
    """An application, its face in Slack, and the workspace. Nothing runs by itself: `look` posts; clicks are dealt with at once."""

    web: WebSite
    end: SlackEnd
    face: SlackFace
    client: TestClient

    @property
    def app(self) -> App:
        return self.web.app

    @property
    def poster(self) -> Poster:
        return self.face._poster

    def another(self) -> SlackFace:
        """The face of another process."""
        made = slack_face(self.app)
        made._pool = cast("Any", AtOnce())
        return made

    def look(self, face: SlackFace | None = None, times: int = 2) -> None:
        """Bring everything up to date, as if the pauses between edits were over each time."""
        for _ in range(times):
            poster = (face or self.face)._poster
            poster._waits.edits.clear()
            poster._waits.until = poster._whole_at = 0.0
            poster.look()

    def deliver(self, body: bytes, **headers: str) -> Response:
        """Let Slack send something."""
        return cast("Response", self.client.post(EVENTS, content=body, headers=signed(body) | headers))

    def click(self, request: str, action: str, person: str, **update: Any) -> Response:
        """Somebody clicks a button of a request's own message."""
        return self.deliver(self.end.click(self.post_of(request), action, USERS[person], **update))

    def post_of(self, request: str) -> Post:
        return self.end.named(f"{INVESTIGATION}/{request}")

    @property
    def main(self) -> Post:
        return self.end.named(f"{INVESTIGATION}/main")

    def asked(self, action: str = "scale_up", **update: object) -> ApprovalRequest:
        """A request that people are asked about, and that is posted."""
        made = self.web.propose(action, **update)
        self.look()
        return made

    def state(self, request: ApprovalRequest) -> RequestState:
        return self.web.look(request.id).state

    def events(self, name: str) -> list[dict[str, Any]]:
        """The data of the audit events of a name."""
        found = self.app.live._audit.read(self.app.settings.tenant)
        return [{"actor": row.event.actor, **row.event.data} for row in found if row.event.event == name]

    def write_policy(self, change: Callable[[str], str] = str) -> None:
        """Everybody, with their accounts; `change` rewrites the text."""
        self.web.policy.write_policy()
        path = self.app.settings.policy_path
        text = path.read_text(encoding="utf-8")
        for name, user in USERS.items():
            text = text.replace(f"[principals.{name}]\n", f'[principals.{name}]\nslack = ["{TEAM}/{user}", "T0OTHER/{user}"]\n')
        path.write_text(change(text), encoding="utf-8")


@contextmanager
def open_slack_site(redis: Redis, folder: Path, end: SlackEnd, api_url: str, **settings: Any) -> Iterator[SlackSite]:
    """An empty one. The store is emptied first."""
    redis.flushall()
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    slack = {
        "slack_bot_token": TOKEN,
        "slack_signing_secret": SECRET,
        "slack_team": TEAM,
        "slack_channel": CHANNEL,
        "slack_api_url": api_url,
        "public_url": PUBLIC_URL,
    }
    policy = Site(data, cast("Any", None))
    policy.write_actions("https://shop.example")
    store = ContextStore(redis, epoch=Epoch())
    app = App(Settings(data_dir=data, **(slack | settings)), cast("Any", None), store, archive_folder=data / "archive", owner=True)
    face = slack_face(app)
    face._pool = cast("Any", AtOnce())
    asgi = FastAPI()
    asgi.include_router(face.router)
    web = WebSite(app, redis, policy, asgi)
    end.users = [*USERS.values()]
    with TestClient(asgi, base_url=PUBLIC_URL, raise_server_exceptions=False) as client:
        made = SlackSite(web, end, face, client)
        made.write_policy()
        app.postings.since()
        yield made


def eventually(holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something holds; of what takes longer than any machine needs it is said that it never does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never comes"
        threading.Event().wait(0.02)
