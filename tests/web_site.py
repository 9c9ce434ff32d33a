"""The web as people meet it: a real application on a real store, people with tokens, and whatever investigations a test puts there.

A module of tests opens one with::

    @pytest.fixture(scope="module")
    def site(redis: Redis, clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebSite]:
        with open_web_site(redis, clickhouse, tmp_path_factory.mktemp("site")) as made:
            yield made

with `redis` from `tests.store_fixtures`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI
from httpx import Response
from redis import Redis
from starlette.testclient import TestClient

from middlewatch.app import App
from middlewatch.approval.executor import Executor
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.keys import approval_keys
from middlewatch.context_store.store import ContextStore
from middlewatch.context_store.stored import text_of
from middlewatch.frontends.web.site import create_site
from middlewatch.records import (
    DEFAULT_TENANT,
    ApprovalRequest,
    Completion,
    Investigation,
    Report,
    RequestState,
    Task,
    TaskKind,
)
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import ClickHouse
from tests.acceptance.approvals_site import PEOPLE, Site, token, wanted
from tests.approval_data import FakeHands
from tests.report_parts import INVESTIGATION
from tests.telemetry_data import forget_live_telemetry

__all__ = ["BASE", "PEOPLE", "WebSite", "csrf_of", "open_web_site", "token"]

BASE = "http://localhost:8321"
"""Where a browser believes the site to be."""
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class WebSite:
    """An application, its site, and who visits it. People: see `PEOPLE`; each signs in with `token(name)`."""

    app: App
    redis: Redis
    policy: Site
    """Writes the policy anew: `policy.write_policy(extra)`."""
    site: FastAPI
    hands: FakeHands = field(default_factory=lambda: FakeHands(version={"replicas": 3}))
    """What stands in for the target of every action."""
    _seeded: int = 0

    def client(self, person: str | None = None, **options: Any) -> TestClient:
        """A browser of its own; signed in where a person is named."""
        made = TestClient(self.site, base_url=BASE, follow_redirects=False, **options)
        made.headers["sec-fetch-site"] = "same-origin"
        if person is not None:
            answer = sign_in(made, token(person))
            assert answer.status_code == 303, answer.text
        return made

    def program(self, person: str | None = None, **options: Any) -> TestClient:
        """A program with somebody's token in place of a browser."""
        headers = {"Authorization": f"Bearer {token(person)}"} if person else {}
        return TestClient(self.site, base_url=BASE, follow_redirects=False, headers=headers, **options)

    def app_beside(self, **settings: Any) -> App:
        """Another application over the same data, with other settings."""
        other = Settings(data_dir=self.app.settings.data_dir, **settings)
        return App(other, self.app.telemetry, self.app.store, archive_folder=self.app.archive_folder, owner=True)

    def beside(self, **settings: Any) -> FastAPI:
        """Another site over the same data, with other settings."""
        return create_site(self.app_beside(**settings))

    def seed(self, report: Report, investigation: str | None = None) -> Investigation:
        """Put a finished investigation there, with everything that its report cites."""
        self._seeded += 1
        name = investigation or f"inv-{self._seeded:012x}"
        report = Report.model_validate_json(report.model_dump_json().replace(INVESTIGATION, name))
        report = report.model_copy(update={"alert": report.alert.model_copy(update={"source_id": name})})
        opened = self.open(report, name)
        claim = self.app.store.claim("web-site")
        assert claim is not None
        assert claim.task.investigation == name, "something else was waiting to be worked on"
        done = Completion(
            evidence=report.evidence,
            hypotheses=tuple(row.hypothesis for row in report.hypotheses),
            votes=tuple(vote for row in report.hypotheses for vote in row.votes),
            report=report,
        )
        self.app.store.finish(claim, done)
        return self.app.investigation(opened.id)

    def open(self, report: Report, investigation: str) -> Investigation:
        """Put an investigation there that has begun over the alert of a report, and that nobody works on."""
        opened = Investigation(tenant=DEFAULT_TENANT, id=investigation, scope=report.scope, alert=report.alert)
        first = Task(tenant=DEFAULT_TENANT, investigation=investigation, id="r1-plan", kind=TaskKind.PLAN)
        return self.app.store.open(opened, first)[0]

    def propose(self, action: str = "scale_up", **update: object) -> ApprovalRequest:
        """Put an action to people, of which the executor has looked at the target already."""
        made = self.app.approvals.gateway.submit(wanted(action, **{"investigation": "inv-000000000001"} | update))
        while self.look(made.id).state is RequestState.PREPARING:
            assert self.step()
        return self.look(made.id)

    def step(self) -> bool:
        """Let the executor take up one request; False where none waits for it."""
        return Executor(self.app.approvals.desk, self.hands, name="executor:one").step(DEFAULT_TENANT)

    def rewrite(self, request: ApprovalRequest, **update: object) -> ApprovalRequest:
        """Change the stored record past everything that guards it: a state that would take time, or a fault, to come to."""
        changed, keys = self.look(request.id).model_copy(update=update), approval_keys(DEFAULT_TENANT)
        self.redis.hset(keys.requests, request.id, text_of(changed))
        self.redis.hset(keys.states, request.id, str(changed.state))
        return changed

    def look(self, request: str) -> ApprovalRequest:
        """A request as it stands; looking at it is no event."""
        return self.app.approvals.desk.store.look(DEFAULT_TENANT, request).request


@contextmanager
def open_web_site(redis: Redis, clickhouse: ClickHouse, folder: Path, **settings: Any) -> Iterator[WebSite]:
    """An empty one. Both stores are emptied first: whatever was there is of another module."""
    redis.flushall()
    forget_live_telemetry(clickhouse, settings.get("tenant", DEFAULT_TENANT))
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    policy = Site(data, cast("Any", None))
    policy.write_policy()
    policy.write_actions("https://shop.example")
    store = ContextStore(redis, epoch=Epoch())
    app = App(Settings(data_dir=data, **settings), clickhouse, store, archive_folder=data / "archive", owner=True)
    yield WebSite(app, redis, policy, create_site(app))


def sign_in(client: TestClient, with_token: str, **form: str) -> Response:
    """Fill in the form and send it."""
    page = client.get("/sign-in")
    return cast("Response", client.post("/sign-in", data={"token": with_token, "csrf": csrf_of(page), **form}))


def csrf_of(page: Any) -> str:
    """The token of the forms on a page."""
    found = _CSRF.search(page.text)
    assert found, page.text
    return found[1]
