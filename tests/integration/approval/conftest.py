"""An office over an empty store for each test, and the commands over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from middlewatch.approvals import Approvals
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.script import Server
from middlewatch.frontends.cli import approvals as command
from middlewatch.frontends.cli import cli, proposing
from middlewatch.records.errors import UnknownInvestigation
from middlewatch.settings import Settings
from tests.approval_data import TENANT, Office
from tests.integration.approval.working import open_office
from tests.store_fixtures import redis as server

__all__ = ["office", "server"]


@pytest.fixture
def office(server: Redis, tmp_path: Path) -> Office:
    server.flushall()
    return open_office(server, tmp_path)


@pytest.fixture
def run(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The commands, run by Leo, who is a lead."""
    monkeypatch.setenv("MIDDLEWATCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MIDDLEWATCH_TENANT", TENANT)

    @contextmanager
    def application() -> Iterator[SimpleNamespace]:
        def investigation(_id: str) -> NoReturn:
            raise UnknownInvestigation

        made = Approvals(Settings.load(), Server(office.redis, Epoch(1)), lambda *_: (), lambda *_: 0.0)
        made.desk, made.gateway = office.desk, office.gateway
        yield SimpleNamespace(settings=made.settings, approvals=made, owner=False, investigation=investigation)

    for module in (command, proposing):
        monkeypatch.setattr(module, "application", application)
    monkeypatch.setattr(Approvals, "local_identity", lambda _approvals: "local:leo")
    return lambda *words, **options: CliRunner().invoke(cli, ["approvals", *words], **options)
