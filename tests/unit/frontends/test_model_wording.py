"""Invariant: what models said, and how much of it was rejected, is told by every face in the same words; the rules' answer is
said to be theirs as long as it is all that there is.
"""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import chain
from types import SimpleNamespace
from typing import Any, cast

import pytest

from middlewatch.app import App
from middlewatch.frontends import model_wording
from middlewatch.frontends.cli.report import render_report
from middlewatch.frontends.mcp import telling
from middlewatch.frontends.post_mortem import post_mortem
from middlewatch.frontends.slack.investigation_message import Story, why
from middlewatch.frontends.web.answer_view import answer_view
from middlewatch.frontends.web.pages import environment
from middlewatch.records import (
    AgentName,
    AgentReasoning,
    CallOutcome,
    CitedClaim,
    Handling,
    Investigation,
    InvestigationState,
    ModelCall,
    ModelWork,
    Outcome,
    Rejection,
    Report,
    Scope,
    Snapshot,
    Task,
    TaskKind,
    TaskState,
    TaskStatus,
)
from tests.model_calls import CALLS, call
from tests.report_finding import finding
from tests.slack_limits import check_message, texts_in
from tests.unit.frontends.test_model_votes import reasoned as voted

CLAIM = '"The pool ran dry before its callers slowed down."'
WHY = "2 rejected: 1 cited no change, 1 a number that its evidence does not have"
REJECTED = f"metrics agent's model: 1 claim accepted, {WHY}; 3 tool calls, which found 1 fact more"
FOR = {Rejection.NUMBER: 1, Rejection.CHANGE: 1}
CARRIED = "logs agent's model was not asked again: 1 claim of inv-before, the same incident before, on the facts of today"
FAILED = "The traces agent's model did not answer in time; its rules stand alone."


def told() -> Report:
    """A report in which models did everything that a report tells of."""
    report = voted(weight=0.0)
    assert report.models is not None
    facts = tuple(fact.id for fact in report.evidence[:1])
    claims = (CitedClaim(text=CLAIM, evidence=facts),)
    reasoning = (
        AgentReasoning(agent=AgentName.TRACES, problem="did not answer in time"),
        AgentReasoning(agent=AgentName.LOGS, claims=claims, carried_from="inv-before"),
        AgentReasoning(agent=AgentName.METRICS, claims=claims, rejected=2, rejected_for=FOR, tools=3, added=facts),
    )
    work = report.models.model_copy(
        update={
            "reasoning": reasoning,
            "calls": CALLS,
            "sentence": "It is slow.",
            "prose": "A deploy began it.",
            "problems": (FAILED,),
        }
    )
    return report.model_copy(update={"models": work, "missing": (*report.missing, FAILED)})


def snapshot(report: Report, state: InvestigationState, *, preliminary: bool, task: TaskState = TaskState.READY) -> Snapshot:
    investigation = Investigation(
        tenant=report.tenant, id=report.investigation, scope=Scope(tenant=report.tenant), alert=report.alert, state=state
    )
    made = Task(tenant=report.tenant, investigation=report.investigation, id="r1-write", kind=TaskKind.WRITE)
    return Snapshot(
        investigation=investigation,
        tasks=(TaskStatus(task=made, state=task, attempts=1),),
        evidence=report.evidence,
        report=None if preliminary else report,
        preliminary=report if preliminary else None,
    )


def over_slack(shown: Snapshot) -> str:
    story = Story.of(shown)
    blocks = [block for part in story.parts for block in part.blocks]
    details = list(story.details.blocks) if story.details else []
    for each in (blocks, details):
        if each:
            check_message(each)
    return " ".join(chain([story.headline], texts_in(blocks), texts_in(details)))


def over_mcp(shown: Snapshot) -> dict[str, Any]:
    settings = SimpleNamespace(public_url="https://middlewatch.example.com", data_dir="/data")
    story = SimpleNamespace(rating=None, answered=False, called=False, alerts=(), count=0)
    none = SimpleNamespace(story=lambda _: story, now=lambda: shown.investigation.alert.detected_at)
    app = cast("App", SimpleNamespace(alerting=none, approvals=none, settings=settings))
    report = shown.report or shown.preliminary
    assert report is not None
    found: dict[str, Any] = json.loads(telling.whole(app, shown, report).model_dump_json())
    return found


def on_the_page(report: Report) -> str:
    numbers = {fact.id: number for number, fact in enumerate(report.evidence, 1)}
    shown = {"report": report, "written": True, "models": model_wording, "calls": (), "spent": (), "numbers": numbers}
    answer = answer_view(snapshot(report, InvestigationState.CLOSED, preliminary=False))
    return answer.whose_prose + environment().get_template("_models.html").render(shown)


def test_every_face_tells_what_was_accepted_and_what_was_rejected() -> None:
    report = told()
    shown = snapshot(report, InvestigationState.CLOSED, preliminary=False)
    terminal = " ".join(render_report(report, width=120, color=False).split())
    markdown = post_mortem(report, Handling()).replace("`", "")
    mcp = over_mcp(shown)
    assert mcp["model_work"]["challenge"]["verdict"] == "stands"
    assert mcp["model_work"]["rejected"] == 2
    for face in (terminal, markdown, over_slack(shown), json.dumps(mcp), on_the_page(report).replace("&#39;", "'")):
        checked = (model_wording.CHECKED, model_wording.CLAIMS_CHECKED)
        for words in (REJECTED, CARRIED, CLAIM.strip('"'), "not refuted", FAILED.removesuffix("."), *checked):
            assert words.lower() in face.replace("&#34;", '"').lower(), words


def test_of_reports_that_were_stored_before_why_is_not_known() -> None:
    stored = {"agent": "metrics", "rejected": 2}
    work = ModelWork(reasoning=(AgentReasoning.model_validate(stored),))
    assert [one.words for one in model_wording.shares(work)] == ["metrics agent's model: 0 claims accepted, 2 rejected"]


def test_one_line_tells_where_models_stand_and_what_that_counts() -> None:
    report = told()
    line = (
        "1 for, 1 against (counts for nothing); challenge: not refuted; 1 as before; 1 failed (did not answer in time); 2 rejected"
    )
    assert model_wording.in_short(report) == line
    weighed = voted(weight=0.4)
    assert "counts for nothing" not in model_wording.in_short(weighed)
    brief = render_report(report, width=120, color=False, details=False)
    assert "Models        1 for, 1 against (counts for nothing)" in brief
    assert len(brief.splitlines()) <= 24
    assert model_wording.in_short(finding()) == ""
    assert "Models" not in render_report(finding(), width=120, color=False)


FAILED_CALL = call(1, outcome=CallOutcome.FAILED)
LATE_CALL = call(1, outcome=CallOutcome.TIMED_OUT)


@pytest.mark.parametrize(
    ("problem", "calls", "words"),
    [
        ("gave no answer: 127.0.0.1:9 cannot be reached", (FAILED_CALL,), "none answered, 127.0.0.1:9 cannot be reached"),
        (
            "gave no answer: 127.0.0.1:9 cannot be reached, asked moments ago",
            (FAILED_CALL,),
            "none answered, 127.0.0.1:9 cannot be",
        ),
        ("had no budget left for another call: one investigation may take 0 calls", (CALLS[3],), "not asked, the budget allows no"),
        ("answered in another form than was asked for", CALLS[:1], "none helped, answered in another form than was asked for"),
        ("did not answer in time: models have 60 s", (LATE_CALL,), "none answered, did not answer in time"),
        ("cannot be asked with this configuration (see)", (), "not asked, cannot be asked with this configuration"),
    ],
)
def test_where_no_model_had_a_word_in_it_the_first_line_says_why(problem: str, calls: tuple[ModelCall, ...], words: str) -> None:
    reasoning = tuple(AgentReasoning(agent=agent, problem=problem) for agent in AgentName)
    report = finding().model_copy(update={"models": ModelWork(reasoning=reasoning, problems=("All failed.",), calls=calls)})
    line = model_wording.in_short(report)
    assert line.startswith(words)
    assert line.endswith("; this is the rules' answer")
    assert f"Models        {words}" in render_report(report, width=100, color=False, details=False)
    shown = snapshot(report, InvestigationState.CLOSED, preliminary=False)
    for face in (over_slack(shown), json.dumps(over_mcp(shown)), on_the_page(report), post_mortem(report, Handling())):
        assert words.lower() in face.lower()


def test_the_time_to_the_answer_is_that_of_the_rules_and_that_with_models() -> None:
    report = told()
    shown = snapshot(report, InvestigationState.CLOSED, preliminary=False)
    assert answer_view(shown).figures[-1].figure == "3.4 s with models"
    [write] = shown.tasks
    concluded = Task(tenant=report.tenant, investigation=report.investigation, id="r1-conclude", kind=TaskKind.CONCLUDE)
    ended = [(concluded, 1.2), (write.task, 3.4)]
    tasks = tuple(
        TaskStatus(task=task, state=TaskState.DONE, attempts=1, finished_at=report.opened_at + timedelta(seconds=seconds))
        for task, seconds in ended
    )
    timed = answer_view(shown.model_copy(update={"tasks": tasks}))
    assert timed.figures[-1].figure == "1.2 s by rules, 3.4 s with models"
    alone = answer_view(shown.model_copy(update={"tasks": tasks, "report": finding()}))
    assert alone.figures[-1].figure == "3.4 s"


def test_what_nobody_said_is_told_as_a_bound() -> None:
    assert "at most 9,000 tokens read" in model_wording.investigation((call(1), LATE_CALL))
    assert "at most" not in model_wording.investigation((call(1),))


@pytest.mark.parametrize(
    ("state", "task", "words"),
    [
        (InvestigationState.OPEN, TaskState.CLAIMED, model_wording.LOOKING),
        (InvestigationState.OPEN, TaskState.DEAD, model_wording.STALLED),
        (InvestigationState.CANCELLED, TaskState.READY, model_wording.LEFT),
    ],
)
def test_the_rules_answer_is_said_to_be_theirs(state: InvestigationState, task: TaskState, words: str) -> None:
    shown = snapshot(finding(), state, preliminary=True, task=task)
    assert model_wording.by_rules(shown) == words
    slack = over_slack(shown)
    assert words in slack
    assert "Finding, by rules: " in slack
    assert "By rules: " in slack
    assert Story.of(shown).details is None
    assert words in " ".join(texts_in(list(why(shown))))
    mcp = over_mcp(shown)
    assert mcp["preliminary"] == words
    assert mcp["answer"] == finding().answer
    assert mcp["outcome"] == Outcome.FINDING
    assert mcp["finished"] is (state is not InvestigationState.OPEN)


def test_a_report_is_nobodys_preliminary_answer() -> None:
    shown = snapshot(finding(), InvestigationState.CLOSED, preliminary=False)
    assert model_wording.by_rules(shown) == ""
    assert over_mcp(shown)["preliminary"] == ""
    assert "by rules" not in over_slack(shown).lower()
