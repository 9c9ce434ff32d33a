"""A report is never lost for what is wrong with approvals; and what was recorded proposes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from middlewatch.approvals import OVER, Approvals
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.script import Server
from middlewatch.records import Report, Scope
from middlewatch.settings import Settings
from tests.reports import finding

ACTIONS = """\
[runbooks.try]
title = "Try"
tier = "low"
blast_radius = "None."
command = ["/bin/true"]

[targets.{target}]
runbooks = ["try"]
"""


@pytest.fixture
def report() -> Report:
    live = finding()
    return live.model_copy(update={"scope": Scope(tenant=live.tenant)})


def approvals(server: Redis, folder: Path, report: Report, actions: str) -> Approvals:
    server.flushall()
    settings = Settings(data_dir=folder, tenant=report.tenant)
    settings.actions_path.write_text(actions)
    return Approvals(settings, Server(server, Epoch(1)), lambda _tenant, _investigation: report.evidence, lambda *_: 0.0)


@pytest.mark.parametrize("actions", ["[targets", "[target.checkout]\n"])
def test_a_mistake_in_the_configuration_is_said_in_the_report(server: Redis, tmp_path: Path, report: Report, actions: str) -> None:
    told = approvals(server, tmp_path, report, actions).propose(report)
    assert told.answer == report.answer
    assert not told.remediations
    assert "actions.toml" in " ".join(told.considered)


def test_without_a_policy_the_report_says_so(server: Redis, tmp_path: Path, report: Report) -> None:
    actions = ACTIONS.format(target=f'"{report.causes[0].service}"').replace(
        "[targets", '[webhook.w]\nurl = "http://127.0.0.1:1"\nsecret = "s"\n\n[targets'
    )
    actions += 'webhook = { connection = "w", actions = ["open_ticket"] }\n'
    told = approvals(server, tmp_path, report, actions).propose(report)
    assert not told.remediations
    assert "policy" in " ".join(told.considered)


def test_nothing_follows_from_what_was_recorded(server: Redis, tmp_path: Path, report: Report) -> None:
    recorded = report.model_copy(update={"scope": Scope(tenant=report.tenant, recording="old")})
    told = approvals(server, tmp_path, recorded, ACTIONS.format(target="checkout")).propose(recorded)
    assert (told.remediations, told.considered) == ((), (OVER,))
