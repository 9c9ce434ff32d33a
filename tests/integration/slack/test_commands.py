"""Invariants: commands answer whoever typed them, alone; what was typed is text; strangers learn nothing."""

from __future__ import annotations

from typing import Any

import pytest

from middlewatch.records import InvestigationState
from tests.reports import finding
from tests.slack_end import TEAM, texts_in
from tests.slack_limits import check_message, check_notification
from tests.slack_site import INVESTIGATION, USERS, SlackSite


def typed(slack: SlackSite, text: str, person: str = "mia", **update: str) -> str:
    """What somebody is told."""
    answer = slack.deliver(slack.end.command(text, USERS.get(person, person), **update))
    assert answer.status_code == 200
    said: dict[str, Any] = answer.json()
    assert said["response_type"] == "ephemeral"
    check_notification(said["text"])
    check_message(said["blocks"])
    return " ".join(texts_in(said["blocks"]))


def test_investigate(slack: SlackSite) -> None:
    told = typed(slack, "investigate checkout http.server.request.duration")
    (opened,) = slack.app.investigations()
    assert opened.id in told
    assert opened.alert.source == "slack"
    assert opened.alert.symptom is not None
    assert (opened.alert.symptom.service, opened.alert.symptom.metric) == ("checkout", "http.server.request.duration")
    slack.look()
    assert slack.end.names() == [f"{opened.id}/main"]


def test_a_command_that_is_delivered_twice_is_done_once(slack: SlackSite) -> None:
    body = slack.end.command("investigate checkout", USERS["mia"])
    assert slack.deliver(body).status_code == 200
    assert slack.deliver(body, **{"x-slack-retry-num": "1"}).content == b""
    assert len(slack.app.investigations()) == 1


@pytest.mark.parametrize("text", ["investigate", "investigate a b c", "investigate " + "x" * 300])
def test_what_cannot_be_investigated(slack: SlackSite, text: str) -> None:
    assert "takes a service" in typed(slack, text) or "cannot be investigated" in typed(slack, text)
    assert slack.app.investigations() == ()


@pytest.mark.parametrize("text", ["<!channel> *b*", "<@U0LEO>", "<https://evil.example|here>", "`x`\u202e", ":smile:"])
def test_what_was_typed_is_text(slack: SlackSite, text: str) -> None:
    told = typed(slack, text)
    assert "There is no command" in told
    assert text.split(maxsplit=1)[0].replace("\u202e", "\\u202e") in told


def test_status(slack: SlackSite) -> None:
    assert "No investigation yet" in typed(slack, "status")
    slack.web.seed(finding(), INVESTIGATION)
    slack.asked()
    told = typed(slack, "status")
    for part in (INVESTIGATION, "scale_up on checkout", "pending", "asked: member"):
        assert part in told


def test_why(slack: SlackSite) -> None:
    assert "no investigation yet" in typed(slack, "why")
    slack.web.seed(finding(), INVESTIGATION)
    for text in ("why", f"why {INVESTIGATION}"):
        told = typed(slack, text)
        assert "Dissent: " in told
        assert "Confidence: " in told
    assert "no investigation" in typed(slack, "why inv-ffffffffffff")
    assert "is not an id" in typed(slack, "why <!here>")


def test_halt_and_resume(slack: SlackSite) -> None:
    assert "Say why" in typed(slack, "halt")
    assert "Everything is halted" in typed(slack, "halt the wrong cluster")
    halt = slack.app.approvals.halted()
    assert halt is not None
    assert (halt.by, halt.reason) == ("mia", "the wrong cluster")
    assert "HALTED" in typed(slack, "status")
    typed(slack, "resume it was the right one", "leo")
    assert slack.app.approvals.halted() is not None
    assert "lifted" in typed(slack, "resume it was the right one", "mara")
    assert slack.app.approvals.halted() is None


@pytest.mark.parametrize("text", ["status", "why", "investigate checkout", "halt now"])
def test_strangers(slack: SlackSite, text: str) -> None:
    slack.web.seed(finding(), INVESTIGATION)
    told = typed(slack, text, "U0NOBODY")
    assert f"{TEAM}/U0NOBODY" in told
    assert INVESTIGATION not in told
    assert "another workspace" in typed(slack, text, team_id="T0OTHER")
    assert [one.state for one in slack.app.investigations()] == [InvestigationState.CLOSED]
    assert slack.app.approvals.halted() is None


def test_help_is_for_everybody(slack: SlackSite) -> None:
    for text in ("", "help", "HELP"):
        assert "investigate SERVICE" in typed(slack, text, "U0NOBODY")


def test_without_a_policy_it_says_what_is_missing(slack: SlackSite) -> None:
    slack.app.settings.policy_path.unlink()
    assert "policy" in typed(slack, "status").lower()
