"""Invariant: in shadow mode nobody is told of anything, asked or acted for, however much the user has configured."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from middlewatch import shadow
from middlewatch.alerts import service_alert
from middlewatch.app import App
from middlewatch.context_store.audit import AuditStore
from middlewatch.context_store.keys import PREFIX, approval_keys
from middlewatch.records import Outcome, Report
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import ClickHouse
from tests.acceptance.approvals_site import TARGET, Site
from tests.acceptance.incident import DETECTED, WINDOW, record_incident
from tests.live_telemetry import insert_live
from tests.telemetry_data import moment

USERS: dict[str, Any] = {
    "slack_bot_token": "xoxb-1",
    "slack_signing_secret": "x",
    "slack_team": "T01",
    "slack_channel": "C01",
    "token": "mara-token",
    "audit_copies": ("https://elsewhere.example/copies",),
}


@pytest.fixture
def user(tmp_path: Path, tenant: str) -> Settings:
    """Somebody who has people, actions that may run by themselves, and a chat."""
    folder = tmp_path / "user"
    folder.mkdir()
    site = Site(folder, None)  # type: ignore[arg-type]  # nothing is called
    site.write_policy()
    site.write_actions("https://shop.example")
    for name in ("policy.toml", "actions.toml"):
        file = folder / name
        file.write_text(file.read_text().replace(TARGET, "cart"))
    files: dict[str, Any] = {
        "policy_file": folder / "policy.toml",
        "actions_file": folder / "actions.toml",
        "services_file": folder / "services.toml",
    }
    return Settings(data_dir=folder, tenant=tenant, **files, **USERS)


@contextmanager
def opened(user: Settings, clickhouse: ClickHouse, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """A shadow over the user's tables, which are those of the test process: it can open no second engine."""

    @contextmanager
    def tables(*_: object) -> Iterator[ClickHouse]:
        yield clickhouse

    monkeypatch.setattr(shadow, "open_telemetry", tables)
    own = user.model_copy(update={"data_dir": folder / "own"})
    with shadow.open_shadow(own, user) as app, shadow.answering(app):
        yield app


def answered(app: App) -> Report:
    end = moment(DETECTED + WINDOW)
    alert = service_alert(app.settings.tenant, "shop", None, moment(DETECTED), end, source="shadow")
    name = app.investigate(alert).id
    for _ in app.follow(name):
        pass
    report = app.report(name)
    assert report is not None
    assert (report.outcome, report.causes[0].service) == (Outcome.FINDING, "cart")
    return report


def test_nobody_is_told_and_nothing_is_proposed(
    user: Settings, clickhouse: ClickHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_live(clickhouse, user.tenant, record_incident(tmp_path / "night"))
    before = {file.name for file in user.data_dir.iterdir()}
    threads = {one.name for one in threading.enumerate()}
    with opened(user, clickhouse, tmp_path, monkeypatch) as app:
        report = answered(app)
        running = {one.name for one in threading.enumerate() if one.name.startswith("middlewatch-")} - threads
        log = AuditStore(app.store.server).sealed(user.tenant)
        asked = app.approvals.list()
        kept = [
            app.store.server.redis.exists(key)
            for key in (approval_keys(user.tenant).notes, f"{PREFIX}:watched:{{{user.tenant}}}:raised")
        ]
        received = app.occurrences.list()
        assert (report.remediations, report.considered, asked, log.log_size, kept, received) == ((), (), (), 0, [0, 0], ())
        assert running == {"middlewatch-shadow"}, "nothing runs but the worker"
        users = App(user, clickhouse, app.store, archive_folder=tmp_path, owner=False)
        assert users.approvals.propose(report).remediations, "with the user's settings the same answer proposes an action"
        assert app.approvals.list(), "which would be seen here"
    left = {file.name for file in user.data_dir.iterdir()} - {"lock", "users", "audit"}
    assert left == before, "the user's own store is not opened"


def test_every_setting_that_no_answer_follows_from_is_as_if_it_had_not_been_made(user: Settings, tmp_path: Path) -> None:
    """Also those that come later: who adds one by which somebody can be told has nothing to think of here."""
    silent, unmade = shadow.silenced(user), Settings.model_construct(data_dir=tmp_path)
    for name in set(Settings.model_fields) - shadow._KEPT:
        assert getattr(silent, name) == getattr(unmade, name), name
    assert (silent.data_dir, silent.tenant) == (user.data_dir, user.tenant)
    telling = ("slack", "token", "url", "file", "secret", "copies", "oidc")
    assert [name for name in shadow._KEPT if any(word in name for word in telling)] == []
