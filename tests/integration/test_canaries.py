"""Invariant: a secret in any field of telemetry, of an alert or of what people type is in no page, message, log or audit event.

For each rule of the redaction there is one made-up secret. Each stands in every field of an investigation and of an alert of its
own, and people type all of them wherever they type; then all that middlewatch shows is read through its own doors. What language
models are sent is held against the same secrets in tests/integration/models/test_model_canaries.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from click.testing import CliRunner
from mcp import Client
from redis import Redis

from middlewatch import alerting, handling, occurrences
from middlewatch import app as application
from middlewatch.app import App
from middlewatch.approval import controls, events, gateway
from middlewatch.context_store import claims
from middlewatch.context_store.occurrences import Change
from middlewatch.frontends.cli import cli
from middlewatch.frontends.mcp.server import create_server
from middlewatch.records import AlertMessage, Decision, Verdict
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import ClickHouse
from tests.alert_data import make_message
from tests.canaries import CANARIES, TEXT, seen_in
from tests.hostile_reports import filled
from tests.reports import finding, inconclusive
from tests.slack_end import workspace
from tests.slack_site import SlackSite, open_slack_site
from tests.store_fixtures import redis
from tests.web_site import WebSite, token

__all__ = ["redis"]

TYPED = "inv-000000000001"
"""The investigation in which people type."""
ONE = ("password",)
"""Where a guard is taken out one secret is enough."""


@dataclass
class Site:
    """An application with a workspace of Slack, and a site, over the same data."""

    slack: SlackSite
    web: WebSite

    @property
    def app(self) -> App:
        return self.web.app

    def put(self, rules: tuple[str, ...]) -> list[str]:
        """An investigation and an alert for each rule, with its secret in every field; returns the investigations."""
        names = [f"inv-{number:012x}" for number in range(1, len(rules) + 1)]
        for name, rule in zip(names, rules, strict=True):
            text, _ = CANARIES[rule]
            self.web.seed(filled(inconclusive() if name == TYPED else finding(), [text + " "]), name)
            (alert,) = self.app.occurrences.receive([message(text)])
            row = self.app.occurrences.row(alert.id)
            self.app.occurrences.store.write([Change(row.occurrence.model_copy(update={"investigation": name}), row.token)])
        return names

    def type(self) -> None:
        """People type a secret wherever they can."""
        mara = self.app.approvals.identify(f"token:{token('mara')}", face="web")
        self.app.handlings.assign(TYPED, "mara", mara, note=TEXT, face="web")
        for part in (TEXT[:500], TEXT[-500:]):
            self.app.handlings.give_feedback(TYPED, Verdict.WRONG, mara, cause=part, face="web")
        request = self.web.propose(note=TEXT)
        self.app.approvals.halt(mara, TEXT, face="web")
        self.app.approvals.decide(request.id, Decision.DENY, mara, digest=request.digest, reason=TEXT, face="web")


def message(text: str) -> AlertMessage:
    """An alert of a sender with a text in every field that can hold one."""
    made = make_message(fingerprint=text[:256], service=text[:256], title=text, severity=text[:64])
    labels = {**made.labels, "pod": text, "instance": text, text[:64]: text}
    texts = {"annotations": {"summary": text, text[:64]: text}, "labels": labels, "reference": text[:256]}
    return made.model_copy(update=texts | {"url": f"https://sender.example/{text}"[:2048], "services": (text[:256],)})


@pytest.fixture
def site(redis: Redis, clickhouse: ClickHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with workspace() as (end, url), open_slack_site(redis, tmp_path, end, url) as slack:
        slack.app.telemetry = clickhouse

        @contextmanager
        def open_app(_settings: Settings) -> Iterator[App]:
            yield slack.app

        monkeypatch.setattr(application, "open_app", open_app)
        monkeypatch.setenv("MIDDLEWATCH_DATA_DIR", str(slack.app.settings.data_dir))
        yield Site(slack, WebSite(slack.app, slack.web.redis, slack.web.policy, slack.web.beside()))


def in_the_browser(site: Site, investigations: list[str]) -> Iterator[tuple[str, str]]:
    """Pages, and what the API answers to a program."""
    visitor, program = site.web.client("mara"), site.web.program("mara")
    (request,) = site.app.approvals.list(limit=1)
    alerts = [f"alerts/{one.id}" for one in site.app.occurrences.list(limit=100)]
    shared = [
        "approvals",
        f"approvals/{request.id}",
        "alerts",
        *alerts,
        "audit",
        "halt",
        "report",
        f"investigations/{TYPED}/handling",
    ]
    pages = ["", "health", *shared, f"investigations/{TYPED}/audit", f"investigations/{TYPED}/feedback"]
    calls = ["investigations", "models/costs", *shared]
    for name in investigations:
        fact = site.app.snapshot(name).evidence[0].id
        pages += [f"investigations/{name}{part}" for part in ("", "/post-mortem.md", "/report.json", f"/evidence/{fact}")]
        calls += [f"investigations/{name}{part}" for part in ("", "/events", "/similar", "/alerts")]
    for client, root, paths in ((visitor, "/", pages), (program, "/api/v1/", calls)):
        for path in paths:
            answer = client.get(root + path)
            assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
            yield root + path, answer.text


def in_the_terminal(site: Site, investigations: list[str]) -> Iterator[tuple[str, str]]:
    """What commands print, for people and for programs."""
    alert = site.app.occurrences.list(limit=1)[0].id
    commands = [["list"], ["alerts", "list"], ["alerts", "show", alert], ["approvals", "list"], ["audit", "show"], ["report"]]
    commands += [["show", name] for name in investigations[::5]] + [["why", TYPED], ["similar", TYPED]]
    for words in commands:
        for options in ([], ["--json"]):
            done = CliRunner().invoke(cli, [*words, *options], prog_name="middlewatch")
            assert done.exception is None, (words, done.exception, done.output)
            yield " ".join([*words, *options]), done.output


def over_mcp(site: Site, investigations: list[str]) -> Iterator[tuple[str, str]]:
    """What another program's model reads through the Model Context Protocol."""
    (request,) = site.app.approvals.list(limit=1)
    names = ("get_investigation", "get_report", "list_evidence", "similar_incidents", "why")
    about = [(name, {"investigation": investigation}) for investigation in investigations[::5] for name in names]

    async def talk() -> list[tuple[str, str]]:
        async with Client(create_server(site.app, f"token:{token('mara')}")) as client:
            asked: list[tuple[str, dict[str, Any]]] = [
                *about,
                ("list_investigations", {}),
                ("get_approval", {"request": request.id}),
            ]
            return [(f"{name} {given}", str(await client.call_tool(name, given))) for name, given in asked]

    yield from anyio.run(talk)


DOORS: Mapping[str, Callable[[Site, list[str]], Iterator[tuple[str, str]]]] = {
    "web": in_the_browser,
    "terminal": in_the_terminal,
    "mcp": over_mcp,
}


def leaks(
    site: Site, logged: str, rules: tuple[str, ...] = tuple(CANARIES), doors: tuple[str, ...] = tuple(DOORS)
) -> dict[str, Any]:
    """Where which secrets are seen."""
    investigations = site.put(rules)
    site.type()
    site.slack.look()
    seen = [each for door in doors for each in DOORS[door](site, investigations)]
    seen += [("slack", f"{post.text} {post.blocks} {post.metadata}") for post in site.slack.end.posts]
    seen += [("audit", str(row.event.model_dump())) for row in site.app.live._audit.read(site.app.settings.tenant)]
    assert site.slack.end.posts
    return {where: found for where, text in [*seen, ("log", logged)] if (found := seen_in(text))}


def test_a_secret_in_every_field_is_seen_nowhere(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert leaks(site, "") == {}
    assert seen_in(caplog.text) == []


def _kept(value: Any, *_names: str) -> Any:
    return value


GUARDS: Mapping[str, tuple[str, Any, str]] = {
    "what is stored of an investigation": ("/investigations/", claims, "redact_completion"),
    "names in an investigation": ("/investigations/", application, "redact_names"),
    "what a sender says": ("alerts", occurrences, "redact_record"),
    "names in an alert": ("alerts", occurrences, "redact_names"),
    "names in the alerts of an investigation": (f"/api/v1/investigations/{TYPED}/alerts", alerting, "redact_names"),
    "what is kept beside the log": ("audit", events, "redact"),
    "reasons of decisions": ("approvals", gateway, "redact_fields"),
    "reasons of a halt": ("halt", controls, "redact_fields"),
    "words at a handover": (f"/investigations/{TYPED}/handling", handling, "redact_fields"),
}
"""What stands between a secret and its readers: where it is seen without it."""


@pytest.mark.parametrize("name", GUARDS)
def test_without_a_guard_a_secret_is_seen(site: Site, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, module, function = GUARDS[name]
    monkeypatch.setattr(module, function, _kept)
    found = leaks(site, "", rules=ONE, doors=("web",))
    assert any(where in each for each in found), found
