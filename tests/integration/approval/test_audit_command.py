"""Invariant: what the commands show and export is what the store holds, without deleted texts or what a terminal obeys."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from middlewatch.app import App
from middlewatch.auditing import open_audit
from middlewatch.context_store.audit import Private
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.script import Server
from middlewatch.context_store.store import ContextStore
from middlewatch.frontends.cli import audit as command
from middlewatch.frontends.cli import cli
from middlewatch.policies import init_policy
from middlewatch.records import AuditEvent
from middlewatch.records.errors import BadInput, Refused
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import ClickHouse
from tests.store_fixtures import redis

__all__ = ["redis"]

Run = Callable[..., Result]
REASON = Private.of("the graphs \x1b[2J say so")


@pytest.fixture
def run(redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command over a store that holds one decision."""
    redis.flushall()
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setenv("MIDDLEWATCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MIDDLEWATCH_AUDIT_COPIES", f"{copies}")
    settings, server = Settings.load(), Server(redis, Epoch())
    init_policy(settings, getpass.getuser(), force=False)

    @contextmanager
    def application() -> Iterator[App]:
        store = ContextStore(redis, epoch=Epoch())
        yield App(settings, cast("ClickHouse", None), store, tmp_path / "archive", owner=False)

    monkeypatch.setattr(command, "application", application)
    event = AuditEvent(
        tenant=settings.tenant,
        actor="alice",
        event="request.approved",
        obj="req-1",
        data={"reason": {"sha256": REASON.digest}, "n": 3},
    )
    open_audit(settings, server).append(settings.tenant, [event], [REASON])
    return lambda *words, **options: CliRunner().invoke(cli, ["audit", *map(str, words)], **options)


def test_show_has_what_was_typed_until_it_is_deleted(run: Run) -> None:
    shown = run("show").output
    assert "alice  request.approved  req-1" in shown
    assert 'reason "the graphs \\x1b[2J say so"' in shown
    assert "\x1b" not in shown
    (entry,) = json.loads(run("show", "--json", "--request", "req-1").output)
    assert (entry["seq"], entry["texts"]) == (0, {REASON.digest: REASON.text})
    assert run("forget", REASON.digest, input="n").exit_code != 0
    assert "deleted" in run("forget", REASON.digest, "--yes").output
    after = run("show").output
    assert f"reason deleted, sha256 {REASON.digest}" in after
    assert f"{getpass.getuser()}  audit.text_forgotten\n        digest {REASON.digest}" in after
    assert isinstance(run("forget", REASON.digest, "--yes").exception, BadInput)


def test_a_text_is_deleted_by_nobody_but_a_manager(run: Run, tmp_path: Path) -> None:
    policy = tmp_path / "data" / "policy.toml"
    policy.write_text(
        policy.read_text(encoding="utf-8").replace('role = "manager"', 'role = "lead"', 1).replace(', "high"]', "]")
        + '\n[principals.chief]\nrole = "manager"\nlocal = ["the-chief"]\n',
        encoding="utf-8",
    )
    assert "takes a manager" in str(run("forget", REASON.digest, "--yes").exception)
    policy.unlink()
    assert isinstance(run("forget", REASON.digest, "--yes").exception, Refused)
    assert 'reason "the graphs' in run("show").output


def test_show_says_when_there_is_nothing(run: Run) -> None:
    assert run("show", "--request", "req-9").output == "Nothing is logged about that.\n"


def test_an_export_verifies_with_what_was_copied(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "log"
    assert "1 event" in run("export", file).output
    assert isinstance(run("export", file).exception, BadInput)
    assert json.loads(run("export", file, "--force", "--json").output)["events"] == 1
    (copied,) = (tmp_path / "copies").iterdir()
    checked = run("verify", file, "--public-key", tmp_path / "data" / "audit" / "default.pub", "--checkpoint", copied)
    assert (checked.exit_code, checked.output.startswith("good: ")) == (0, True)


def test_another_key_asks_first(run: Run) -> None:
    assert run("rekey", input="n").exit_code != 0
    assert isinstance(run("rekey", "--yes").exception, BadInput)
