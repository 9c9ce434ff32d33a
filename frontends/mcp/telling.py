"""What the store holds of an investigation or a request, as the tools answer it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from middlewatch.frontends import model_wording, quantity
from middlewatch.frontends.alert_wording import course_words, severity_words, state_words
from middlewatch.frontends.mcp.answers import (
    AlertLine,
    CauseLine,
    ClaimTold,
    Essentials,
    FactLine,
    HypothesisLine,
    HypothesisTold,
    InvestigationLine,
    ModelsTold,
    ReportAnswer,
    ShareTold,
)
from middlewatch.frontends.mcp.callers import command, page
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.reading import tally
from middlewatch.frontends.wording import Wording
from middlewatch.records import (
    Evidence,
    Investigation,
    InvestigationState,
    Occurrence,
    RankedHypothesis,
    Report,
    Sample,
    Snapshot,
    TaskState,
    Window,
)

if TYPE_CHECKING:
    from middlewatch.app import App

FACTS, HYPOTHESES, STEPS, ALERTS = 6, 5, 8, 10
"""Of the essentials: what a model takes in at once."""
MOST_OF_A_LIST = 60
"""Entries of a list of the report (chosen, not derived); `left_out` says how many there are beside."""
_UNIT = re.compile(r"[A-Za-z0-9%µ{}/._-]{0,24}")
"""A unit that may stand in words of ours: without blanks, so no sentence. Any other is in `unit` of the whole fact, fenced."""
_SAY = Quotation()
_T = TypeVar("_T")


def investigation_line(app: App, row: Investigation) -> InvestigationLine:
    """One investigation in a list."""
    head = row.headline
    return InvestigationLine(
        investigation=row.id,
        state=row.state,
        title=row.alert.title,
        opened_at=row.opened_at,
        outcome=head.outcome if head else None,
        answer=head.answer if head else "",
        confidence=head.confidence if head else None,
        requests=head.requests if head else (),
        link=page(app, "investigations", row.id),
    )


def fact_line(fact: Evidence) -> FactLine:
    """One fact in a list."""
    anomaly = fact.anomaly
    return FactLine(
        evidence=fact.id,
        agent=fact.agent,
        kind=anomaly.kind,
        service=anomaly.service,
        peer=anomaly.peer,
        subject=anomaly.subject,
        usual_to_now=quantity.pair(anomaly.baseline, anomaly.observed, anomaly.unit if _UNIT.fullmatch(anomaly.unit) else ""),
        factor=quantity.factor(anomaly.factor, anomaly.baseline, anomaly.observed),
        since=anomaly.onset.at if anomaly.onset else None,
        strength=round(anomaly.strength, 3),
        summary=anomaly.summary,
    )


def hypothesis_line(read: Wording, row: RankedHypothesis) -> HypothesisLine:
    """One proposed cause in a list."""
    return HypothesisLine(
        hypothesis=row.hypothesis.id,
        rank=row.rank,
        service=row.hypothesis.service,
        statement=row.hypothesis.statement,
        cause=row.hypothesis.cause.kind if row.hypothesis.cause else None,
        chance=round(read.chance(row), 4),
        votes=tally(row),
        dissent=row.dissent,
    )


def hypothesis_told(read: Wording, row: RankedHypothesis) -> HypothesisTold:
    """One proposed cause, with how it explains the symptom."""
    line = hypothesis_line(read, row)
    return HypothesisTold(**line.model_dump(), evidence=row.hypothesis.evidence, explanation=row.explanation)


def essentials(app: App, snapshot: Snapshot) -> Essentials:
    """Where an investigation stands, and its answer where there is one; the rules' while language models look at it."""
    row, report = snapshot.investigation, snapshot.report_so_far
    read = Wording(report, _SAY) if report else None
    story, now = app.alerting.story(row.id), app.approvals.now()
    return Essentials(
        investigation=row.id,
        state=row.state,
        finished=row.state is not InvestigationState.OPEN,
        what_now=_what_now(app, snapshot),
        title=row.alert.title,
        symptom=row.alert.symptom,
        window=Window(start=row.alert.detected_at, end=row.alert.window_end),
        severity=severity_words(story.rating, now, answered=story.answered, called=story.called) if story.rating else "",
        severity_reasons=story.rating.reasons if story.rating else (),
        alerts=tuple(map(_alert_line, story.alerts[:ALERTS])),
        alert_count=story.count,
        follows=row.alert.follows or "",
        since=row.alert.since,
        preliminary=model_wording.by_rules(snapshot),
        outcome=report.outcome if report else None,
        answer=report.answer if report else "",
        confidence=round(report.confidence, 4) if report else None,
        likelihood=f"{quantity.percent(report.confidence)}, {quantity.likelihood(report.confidence)}" if report else "",
        onset=report.onset if report else None,
        causes=_causes(read) if read else (),
        hypotheses=tuple(hypothesis_line(read, one) for one in read.report.hypotheses[:HYPOTHESES]) if read else (),
        facts=tuple(map(fact_line, read.facts()[:FACTS])) if read else (),
        evidence_count=len(report.evidence if report else snapshot.evidence),
        models=model_wording.in_short(report) if report else "",
        missing=report.missing[:STEPS] if report else (),
        next_steps=report.next_steps[:STEPS] if report else (),
        requests=report.remediations if report else (),
        link=page(app, "investigations", row.id),
    )


def _alert_line(one: Occurrence) -> AlertLine:
    return AlertLine(
        alert=one.id,
        title=one.message.title,
        service=one.service,
        services=one.services if len(one.services) > 1 else (),
        state=state_words(one),
        course=course_words(one),
    )


def whole(app: App, snapshot: Snapshot, report: Report) -> ReportAnswer:
    """The whole report but its facts."""
    read = Wording(report, _SAY)
    told: list[str] = []
    essential = essentials(app, snapshot)
    return ReportAnswer(
        **{name: getattr(essential, name) for name in type(essential).model_fields if name != "hypotheses"},
        ranking=_first("ranking", [one.service for one in report.ranking], told),
        hypotheses=_first("hypotheses", [hypothesis_told(read, one) for one in report.hypotheses], told),
        ruled_out=_first("ruled_out", report.ruled_out, told),
        would_decide=_first("would_decide", report.would_decide, told),
        considered=_first("considered", report.considered, told),
        runbooks=report.runbooks,
        model_work=_model_work(report),
        left_out=tuple(told),
        rounds=report.rounds,
        opened_at=report.opened_at,
        closed_at=report.closed_at,
    )


def _model_work(report: Report) -> ModelsTold | None:
    work = report.models
    if work is None:
        return None
    return ModelsTold(
        prose=model_wording.prose(work),
        checked=(f"{model_wording.IN_ITS_WORDS}.", model_wording.CLAIMS_CHECKED),
        shares=tuple(
            ShareTold(told=one.words, claims=tuple(ClaimTold(text=claim.text, evidence=claim.evidence) for claim in one.claims))
            for one in model_wording.shares(work)
        ),
        rejected=sum(one.rejected for one in work.reasoning),
        challenge=work.challenge,
        problems=work.problems,
        cost=model_wording.investigation(work.calls),
    )


def cut(samples: Sequence[Sample], most: int, longest: int) -> tuple[Sample, ...]:
    """The first samples, each cut at a length, which it then says."""
    return tuple(
        one
        if len(one.text) <= longest
        else one.model_copy(update={"text": f"{one.text[:longest]} [cut, {len(one.text)} characters]"})
        for one in samples[:most]
    )


def _first(name: str, items: Sequence[_T], told: list[str]) -> tuple[_T, ...]:
    if len(items) > MOST_OF_A_LIST:
        told.append(f"{name}: {len(items) - MOST_OF_A_LIST} of {len(items)} are not shown")
    return tuple(items[:MOST_OF_A_LIST])


def _causes(read: Wording) -> tuple[CauseLine, ...]:
    kinds = {row.hypothesis.id: row.hypothesis.cause for row in read.report.hypotheses}
    return tuple(
        CauseLine(
            hypothesis=cause.hypothesis,
            service=cause.service,
            kind=read.kind(kind) if (kind := kinds.get(cause.hypothesis)) else "unknown",
            confidence=round(cause.confidence, 4),
        )
        for cause in read.report.causes
    )


def _what_now(app: App, snapshot: Snapshot) -> str:
    row, report = snapshot.investigation, snapshot.report
    if row.state is InvestigationState.OPEN and (dead := [one.task.id for one in snapshot.tasks if one.state is TaskState.DEAD]):
        return f"It cannot go on: {', '.join(dead)} failed too often. A person must look: {command(app, 'show', row.id)}"
    if row.state is InvestigationState.OPEN:
        so_far = "The rules have answered, and language models look at it" if snapshot.preliminary else "It is still running"
        return f"{so_far}. Call get_investigation with investigation={row.id} and wait_seconds=45 until finished is true."
    if report is None:
        left = "this is what the rules had answered" if snapshot.preliminary else "there is no answer"
        return f"It was cancelled, so {left}. Call investigate to start a new one."
    return f"It is finished. Details: get_report, list_evidence and why, each with investigation={row.id}."
