"""Invariants: every message stays within Slack's limits and obeys no text, whatever telemetry, alerts, models and people wrote."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewatch.cards import Card
from middlewatch.frontends.slack.blocks import Content, literal
from middlewatch.frontends.slack.investigation_message import Story, main_message, why
from middlewatch.frontends.slack.request_message import (
    Subject,
    asked_message,
    decision_modal,
    request_message,
    request_part,
    untold,
    view_modal,
)
from middlewatch.records import (
    AgentName,
    Handling,
    Investigation,
    InvestigationState,
    Report,
    RequestState,
    RiskTier,
    Scope,
    Snapshot,
    Task,
    TaskKind,
    TaskState,
    TaskStatus,
)
from middlewatch.records.errors import BadInput
from tests.approval_cards import card, request
from tests.hostile import HOSTILE
from tests.hostile_reports import filled
from tests.reports import empty, finding, inconclusive, two_causes
from tests.slack_limits import check_message, check_notification, check_view, texts_in

REPORTS = [empty(), finding(), inconclusive(), two_causes()]
OBEYED = ["<!channel>", "<@U0LEO> ", "<https://evil.example|x>", "*b* _i_ `c`", "&amp;", "@here", ":tada:"]
TEXTS = st.lists(
    st.builds(lambda text, times: (text * times)[:500], HOSTILE | st.sampled_from(OBEYED), st.integers(1, 300)),
    min_size=1,
    max_size=9,
)
URL = "https://middlewatch.example.com/investigations/inv-1"


def check(content: Content) -> None:
    check_notification(content.text)
    check_message(list(content.blocks))


def snapshot(report: Report, tasks: tuple[TaskStatus, ...] = ()) -> Snapshot:
    investigation = Investigation(
        tenant=report.tenant, id="inv-1", scope=Scope(tenant=report.tenant), alert=report.alert, state=InvestigationState.CLOSED
    )
    return Snapshot(investigation=investigation, tasks=tasks, evidence=report.evidence, report=report)


def test_every_report_has_its_messages() -> None:
    for report in REPORTS:
        shown = snapshot(report)
        for url in ("", URL):
            story = Story.of(shown, url=url)
            check(main_message(story, "inv-1", [], Handling(), url=url))
            assert story.details is not None
            check(story.details)
            check_message(list(why(shown, url=url)))


@settings(max_examples=40)
@given(st.sampled_from(REPORTS), TEXTS)
def test_messages_of_reports_hold_any_text(report: Report, texts: list[str]) -> None:
    shown = snapshot(filled(report, texts))
    parts = [request_part(hostile_card(texts), brief=True)]
    story = Story.of(shown)
    check(main_message(story, "inv-1", parts, Handling(), url=URL))
    assert story.details is not None
    check(story.details)
    check_message(list(why(shown)))


@settings(max_examples=40)
@given(TEXTS, st.sampled_from([*TaskState]))
def test_messages_of_what_runs_hold_any_text(texts: list[str], state: TaskState) -> None:
    report = filled(finding(), texts)
    tasks = tuple(
        TaskStatus(
            task=Task(
                tenant=report.tenant, investigation="inv-1", id=f"t{n}", kind=TaskKind.INVESTIGATE, arguments={"agent": agent}
            ),
            state=state,
            attempts=2,
            error=texts[0],
        )
        for n, agent in enumerate(AgentName)
    )
    running = snapshot(report, tasks)
    running = running.model_copy(
        update={"report": None, "investigation": running.investigation.model_copy(update={"state": InvestigationState.OPEN})}
    )
    story = Story.of(running)
    check(main_message(story, "inv-1", [], Handling()))
    assert story.details is None
    check_message(list(why(running)))


def hostile_card(texts: list[str], state: RequestState = RequestState.PENDING) -> Card:
    text = texts[0]
    made = request(state, plan=tuple(texts), notes=tuple(texts), why=text)
    remediation = made.remediation.model_copy(
        update={"target": text[:256] or "x", "parameters": {"p": text}, "note": text, "expected_effect": text}
    )
    return card(made.model_copy(update={"remediation": remediation}), freeze=text)


@settings(max_examples=40)
@given(TEXTS, st.sampled_from([*RequestState]))
def test_messages_of_requests_hold_any_text(texts: list[str], state: RequestState) -> None:
    shown = hostile_card(texts, state)
    check(request_message(shown))
    check_view(view_modal(shown))
    modal = decision_modal(shown)
    if modal is not None:
        check_view(modal)
    check(Content("-", untold(shown.request, texts[0]).blocks))
    check(asked_message(shown, 0, {"leo": ("U0LEO",)}))


@settings(max_examples=40)
@given(TEXTS)
def test_who_can_approve_reads_every_step_whole(texts: list[str]) -> None:
    shown = hostile_card(texts)
    steps = texts_in(list(literal(shown.request.plan) or ()))
    for blocks in (list(request_message(shown).blocks), (decision_modal(shown) or {"blocks": []})["blocks"]):
        if any(block["type"] == "input" or (block["type"] == "actions" and len(block["elements"]) > 1) for block in blocks):
            assert len(steps) == len(shown.request.plan)
            assert set(steps) <= set(texts_in([block for block in blocks if block["type"] == "rich_text"]))


def _buttons(content: Content) -> list[str]:
    return [e["action_id"] for block in content.blocks if block["type"] == "actions" for e in block["elements"]]


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        ({}, ["approve_with_reason", "deny", "view"]),
        ({"plan": ("do it",)}, ["approve", "deny", "view"]),
        ({"plan": ("x" * 3001,)}, ["view"]),
        ({"plan": ("x" * 2900,) * 5}, ["view"]),
        ({"plan": ("x",) * 60}, ["view"]),
        ({"state": RequestState.APPROVED}, []),
        ({"state": RequestState.PREPARING}, []),
        ({"state": RequestState.SUCCEEDED}, []),
    ],
)
def test_buttons_stand_where_something_is_to_be_decided_and_can_be_read(update: dict[str, Any], expected: list[str]) -> None:
    made = request().model_copy(update=update)
    assert _buttons(request_message(card(made))) == expected


def test_a_reason_or_a_high_tier_takes_the_modal() -> None:
    made = request(plan=("do it",))
    strict = made.model_copy(update={"rule": made.rule.model_copy(update={"reason_required": True})})
    high = made.model_copy(update={"rule": made.rule.model_copy(update={"tier": RiskTier.HIGH})})
    assert [_buttons(request_message(card(one)))[0] for one in (made, strict, high)] == [
        "approve",
        "approve_with_reason",
        "approve_with_reason",
    ]
    modal = decision_modal(card(strict))
    assert modal is not None
    assert modal["blocks"][-1]["optional"] is False


def test_a_button_carries_the_request_and_the_digest_and_nothing_else() -> None:
    made = request(plan=("do it",))
    value = next(
        e["value"] for block in request_message(card(made)).blocks if block["type"] == "actions" for e in block["elements"]
    )
    assert Subject.parse(value) == Subject(made.id, made.digest)
    for wrong in ("", made.id, f"{made.id} {made.digest} x", f"{made.id}\n{made.digest}", f"{made.id} {made.digest.upper()}"):
        with pytest.raises(BadInput):
            Subject.parse(wrong)
