"""The page of one investigation: the answer, what to do, why, and the record; whole, or in parts that a live page loads again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse

from middlewatch.app import App
from middlewatch.frontends import model_wording, runbook_wording, similar_wording
from middlewatch.frontends.listening import address_of
from middlewatch.frontends.post_mortem import post_mortem_of
from middlewatch.frontends.reading import Reading, as_shown
from middlewatch.frontends.web.alerts import alerts_view
from middlewatch.frontends.web.answer_view import agents_view, answer_view, newest_first
from middlewatch.frontends.web.audit import audit_view
from middlewatch.frontends.web.axis import Axis, around
from middlewatch.frontends.web.chart_view import chart_view
from middlewatch.frontends.web.facts_view import fact_view, fact_views, hypotheses_view, none_of_these, other_facts
from middlewatch.frontends.web.feedback import feedback_view
from middlewatch.frontends.web.handling import handling_view
from middlewatch.frontends.web.map_view import map_view
from middlewatch.frontends.web.pages import View, render
from middlewatch.frontends.web.requests_view import remediation_view
from middlewatch.frontends.web.timeline_view import Timeline, timeline_view
from middlewatch.frontends.web.visitors import Application, Id, SignedIn
from middlewatch.frontends.web.waterfall_view import waterfall_view
from middlewatch.frontends.wording import Wording
from middlewatch.model_costs import calls_of
from middlewatch.records import Event, Snapshot
from middlewatch.records.errors import BadInput, MiddlewatchError
from middlewatch.records.model_spend import spends

router = APIRouter(include_in_schema=False)

SIMILAR = 4
PATTERNS = 8


def _answer(_app: App, snapshot: Snapshot) -> View:
    return {"answer": answer_view(snapshot), "investigation": snapshot.investigation, "written": snapshot.report is not None}


def _timeline(app: App, snapshot: Snapshot) -> View:
    return {"timeline": _lanes(app, snapshot), "investigation": snapshot.investigation, "started": bool(snapshot.evidence)}


def _chart(app: App, snapshot: Snapshot) -> View:
    chart = app.toolbox.chart_of(snapshot.investigation.id)
    axis: Axis = _lanes(app, snapshot).axis
    return {"drawn": chart_view(chart, axis), "chart": chart, "axis": axis, "investigation": snapshot.investigation}


def _hypotheses(_app: App, snapshot: Snapshot) -> View:
    report = snapshot.report
    shown = hypotheses_view(report) if report else ()
    return {
        "investigation": snapshot.investigation,
        "hypotheses": shown,
        "none_of_these": none_of_these(report) if report else "",
        "others": other_facts(report, shown) if report else (),
        "report": report,
    }


def _progress(_app: App, snapshot: Snapshot) -> View:
    ordered = snapshot.preliminary is not None  # by the rules, below
    facts = None if ordered else fact_views(newest_first(snapshot.evidence)[:20], None)
    return {
        "investigation": snapshot.investigation,
        "agents": agents_view(snapshot),
        "facts": facts,
        "written": snapshot.report is not None,
    }


def _request(app: App, snapshot: Snapshot) -> View:
    request = app.toolbox.trace_of(snapshot.investigation.id)
    return {"waterfall": waterfall_view(request), "investigation": snapshot.investigation}


def _patterns(app: App, snapshot: Snapshot) -> View:
    report = snapshot.report
    services = (report.hypotheses[0].hypothesis.service,) if report and report.hypotheses else ()
    found: View = {"investigation": snapshot.investigation, "services": services, "reason": "", "patterns": None}
    try:
        return {**found, "patterns": app.toolbox.patterns_of(snapshot.investigation.id, services=services, limit=PATTERNS)}
    except MiddlewatchError as error:  # a page is worth reading where its telemetry is gone
        return {**found, "reason": error.message}


def _map(_app: App, snapshot: Snapshot) -> View:
    return {"map": map_view(snapshot.report) if snapshot.report else None, "report": snapshot.report}


def _limits(_app: App, snapshot: Snapshot) -> View:
    return {"report": snapshot.report}


def _runbooks(_app: App, snapshot: Snapshot) -> View:
    return {"report": snapshot.report, "runbook": runbook_wording}


def _models(app: App, snapshot: Snapshot) -> View:
    report, calls = snapshot.report_so_far, calls_of(app, snapshot)
    return {
        "report": report,
        "written": snapshot.report is not None,
        "models": model_wording,
        "calls": calls,
        "spent": spends(calls),
        "numbers": Reading(report).numbers if report else {},
    }


def _similar(app: App, snapshot: Snapshot) -> View:
    return {"precedents": app.similar.to(snapshot, limit=SIMILAR), "words": similar_wording}


def _shown(view: Callable[[App, Snapshot], View]) -> Callable[[App, Snapshot], View]:
    """The same of what the rules answer, while no report is written. All parts of a page mean the same by `report`."""
    return lambda app, snapshot: {**view(app, as_shown(snapshot)), "written": snapshot.report is not None}


PARTS: Final[Mapping[str, Callable[[App, Snapshot], View]]] = MappingProxyType(
    {
        "answer": _answer,
        "timeline": _shown(_timeline),
        "chart": _chart,
        "progress": _progress,
        "hypotheses": _shown(_hypotheses),
        "request": _request,
        "patterns": _shown(_patterns),
        "map": _shown(_map),
        "next": _shown(_limits),
        "limits": _shown(_limits),
        "runbooks": _shown(_runbooks),
        "models": _models,
        "similar": _similar,
    }
)
"""Sections of the page, each by its template `_NAME.html` and what that needs."""
LATE: Final = frozenset({"chart", "request", "patterns", "similar"})
"""Those that ask the telemetry or other investigations: the answer does not wait for them."""


@router.get("/investigations/{investigation}")
def investigation_page(request: Request, app: Application, visitor: SignedIn, investigation: Id, full: str = "") -> Response:
    """The page. `full` has everything in it, for whoever has no JavaScript."""
    cursor = app.live.end(investigation)
    snapshot = app.snapshot(investigation)
    if snapshot.investigation.id != investigation:
        return RedirectResponse(f"/investigations/{snapshot.investigation.id}", 307)
    views: dict[str, Any] = {}
    for name, view in PARTS.items():
        if full or name not in LATE:
            views |= view(app, snapshot)
    return render(
        request,
        "investigation.html",
        page="investigation",
        full=bool(full),
        cursor=str(cursor),
        permalink=f"{address_of(app.settings)}/investigations/{investigation}",
        **remediation_view(app, visitor, snapshot),
        handling=handling_view(app, visitor, investigation),
        story=alerts_view(app, visitor, investigation),
        feedback=feedback_view(app, visitor, investigation),
        audit=audit_view(app, investigation),
        **views,
    )


@router.get("/investigations/{investigation}/evidence/{evidence}")
def evidence_page(request: Request, app: Application, _visitor: SignedIn, investigation: Id, evidence: Id) -> Response:
    """One fact with everything behind it: its course, its samples, the request that shows it, and the query."""
    snapshot = app.snapshot(investigation)
    facts = {fact.id: fact for fact in snapshot.evidence}
    if evidence not in facts:
        raise BadInput(f"The investigation {investigation} has no evidence {evidence!r}.", remedy="Choose one on its page.")
    report = snapshot.report_so_far
    words = Wording(report) if report else None
    view = fact_view(facts[evidence], words.numbers.get(evidence, 1) if words else 1, words)
    chart = app.toolbox.chart_of(investigation, evidence)
    trace = app.toolbox.trace_of(investigation, evidence=evidence)
    about = chart.incident or chart.window
    axis = around([*([chart.onset.earliest] if chart.onset else []), about.start, min(about.end, chart.window.end)])
    return render(
        request,
        "evidence.html",
        page="investigation",
        investigation=snapshot.investigation,
        fact=view,
        chart=chart,
        axis=axis,
        drawn=chart_view(chart, axis),
        waterfall=waterfall_view(trace),
    )


@router.get("/investigations/{investigation}/post-mortem.md")
def post_mortem(app: Application, _visitor: SignedIn, investigation: Id) -> Response:
    """The beginning of a post-mortem, as Markdown."""
    text = post_mortem_of(app, investigation)
    headers = {"Content-Disposition": f'attachment; filename="post-mortem-{app.investigation(investigation).id}.md"'}
    return PlainTextResponse(text, media_type="text/markdown; charset=utf-8", headers=headers)


@router.get("/investigations/{investigation}/report.json")
def report(app: Application, _visitor: SignedIn, investigation: Id) -> Response:
    """The report, `middlewatch.report/v1`."""
    found = app.report(investigation)
    if found is None:
        raise BadInput(f"The investigation {investigation} has no report yet.", remedy="Wait for it.")
    return JSONResponse(found.model_dump(mode="json"))


def _lanes(app: App, snapshot: Snapshot) -> Timeline:
    name = snapshot.investigation.id
    return timeline_view(snapshot, _events(app, name), app.approvals.of(name), app.handlings.of(name), app.approvals.now())


def _events(app: App, investigation: str) -> list[Event]:
    found: list[Event] = []
    read = partial(app.kept.events, investigation)
    while more := read(found[-1].id if found else "", 0.0):
        found.extend(more)
    return found
