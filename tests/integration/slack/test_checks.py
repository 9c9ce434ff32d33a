"""Invariants: the doctor says what of Slack does not fit and what to do; the manifest that people paste fits the face."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from middlewatch.doctor import Health
from middlewatch.frontends.slack import slack_face
from middlewatch.frontends.slack.checks import check_slack
from middlewatch.frontends.slack.face import COMMAND, PATH
from middlewatch.records.errors import Misconfigured
from middlewatch.settings import Settings
from tests.contract.actions.loopback import Answer
from tests.slack_site import SlackSite

MANIFEST = Path(__file__).resolve().parents[3] / "docs" / "slack-manifest.json"


def check(slack: SlackSite, **update: Any) -> tuple[Health, str]:
    (found,) = check_slack(slack.app.settings.model_copy(update=update))
    return found.health, f"{found.found} {found.remedy}"


def test_all_is_well(slack: SlackSite) -> None:
    assert check(slack) == (Health.OK, "the bot is in C0INCIDENTS of T0TEAM; HTTP, at /slack/events ")
    assert check_slack(Settings(data_dir=slack.app.settings.data_dir)) == ()


def test_what_does_not_fit(slack: SlackSite) -> None:
    health, words = check(slack, slack_team="T0OTHER")
    assert health is Health.BROKEN
    assert "of the workspace T0TEAM" in words
    health, words = check(slack, slack_channel="C0NOWHERE")
    assert health is Health.BROKEN
    assert "/invite @middlewatch" in words
    slack.end.fail("auth.test", Answer(200, {"ok": False, "error": "invalid_auth"}))
    assert "MIDDLEWATCH_SLACK_BOT_TOKEN" in check(slack)[1]
    slack.end.fail("auth.test", Answer(503, {}))
    assert check(slack)[0] is Health.NOTICE


@pytest.mark.parametrize("name", ["slack_team", "slack_channel", "slack_signing_secret"])
def test_what_is_missing_is_named(slack: SlackSite, name: str) -> None:
    health, words = check(slack, **{name: None})
    assert health is Health.BROKEN
    assert f"MIDDLEWATCH_{name.upper()}" in words
    slack.app.settings = slack.app.settings.model_copy(update={name: None})
    with pytest.raises(Misconfigured, match=f"MIDDLEWATCH_{name.upper()}"):
        slack_face(slack.app)


def test_the_manifest_names_what_is_served() -> None:
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    (command,) = manifest["features"]["slash_commands"]
    assert command["command"] == COMMAND
    assert command["url"].endswith(PATH)
    assert manifest["settings"]["interactivity"]["request_url"].endswith(PATH)
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == {"chat:write", "commands", "channels:history", "groups:history"}
