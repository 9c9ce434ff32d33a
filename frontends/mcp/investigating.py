"""Tools that start, follow and read investigations."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio.to_thread
from mcp.server.mcpserver import Context
from pydantic import Field

from middlewatch.alerts import recorded_alert, service_alert
from middlewatch.frontends.mcp import telling
from middlewatch.frontends.mcp.answers import (
    Essentials,
    EvidenceList,
    FactTold,
    InvestigationList,
    ReportAnswer,
    Similar,
    VoteTold,
    Why,
)
from middlewatch.frontends.mcp.callers import page
from middlewatch.frontends.mcp.serving_tools import STARTS, tool_of
from middlewatch.frontends.model_wording import by_rules
from middlewatch.frontends.reading import latest
from middlewatch.frontends.steps import PRELIMINARY, WHOLE
from middlewatch.frontends.wording import Wording
from middlewatch.live import Cursor, Update
from middlewatch.records import (
    MCP,
    AgentName,
    Alert,
    AnomalyKind,
    InvestigationState,
    Position,
    RankedHypothesis,
    Report,
    Snapshot,
    UtcDatetime,
    Voice,
    Vote,
)
from middlewatch.records.errors import BadInput

if TYPE_CHECKING:
    from mcp.server.mcpserver.tools import Tool

    from middlewatch.app import App

WAIT_SECONDS = 45.0
"""How long an answer is waited for where nobody says: clients give a call up after a minute (the reference client's default)."""
LONGEST_WAIT_SECONDS = 600.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 2.0
"""Between two looks, longer and longer while nothing happens. No thread is held meanwhile: any number of clients may wait."""
SAMPLES, LONGEST_SAMPLE = 10, 600
"""Of one fact: lines, and characters of each."""
_DOING = {
    "task.claimed": "at work",
    "evidence.appended": "found facts",
    "task.finished": "done with a task",
    "task.failed": "failed, will be tried again",
}

Id = Annotated[str, Field(description="id of an investigation, such as inv-0123456789ab", max_length=128)]
Limit = Annotated[int, Field(ge=1, le=50, description="at most so many")]
Offset = Annotated[
    int, Field(ge=0, le=10**6, description="how many to leave out from the beginning: next_offset of the page before")
]
Wait = Annotated[
    float, Field(ge=0, le=LONGEST_WAIT_SECONDS, description="how long to wait for it to finish; then it is told how it stands")
]


class Investigating:
    """The tools of this module, over one application."""

    def __init__(self, app: App) -> None:
        self._app = app

    def tools(self) -> list[Tool]:
        """All of them."""
        return [
            tool_of(self.investigate, title="Investigate an incident", annotations=STARTS),
            tool_of(self.get_investigation, title="How an investigation stands"),
            tool_of(self.list_investigations, title="Investigations"),
            tool_of(self.get_report, title="The report of an investigation"),
            tool_of(self.list_evidence, title="Facts of an investigation"),
            tool_of(self.get_evidence, title="One fact"),
            tool_of(self.why, title="Votes and dissent on a hypothesis"),
            tool_of(self.similar_incidents, title="Similar incidents"),
        ]

    async def investigate(  # noqa: PLR0913  the tool's arguments
        self,
        ctx: Context[Any, Any],
        *,
        service: Annotated[str | None, Field(description="the service that is degraded, by its name in the telemetry")] = None,
        metric: Annotated[str | None, Field(description="the metric of that service that alarmed")] = None,
        at: Annotated[
            UtcDatetime | None, Field(description="when it was noticed, ISO 8601 with its offset; now where absent")
        ] = None,
        recording: Annotated[str | None, Field(description="in place of a service: the name of an imported recording")] = None,
        incident: Annotated[str | None, Field(description="which incident of the recording; needed where it has several")] = None,
        wait_seconds: Wait = WAIT_SECONDS,
    ) -> Essentials:
        """Find out which service caused an incident, with evidence and how sure that is.

        Four agents (metrics, logs, traces, deploys) look at the telemetry, write evidence and vote on hypotheses; this takes
        seconds to minutes. Give either `service` (and, if known, `metric` and `at`) or `recording`. Progress is reported while it
        runs. If it is not finished after `wait_seconds`, the answer has finished=false and the id to ask get_investigation with;
        the investigation goes on either way, also if you disconnect. What rules answer while language models still look at it is
        said to be `preliminary`. The same service and time again joins the investigation that is already open. The answer may be
        inconclusive: then say so.
        """
        alert, scope = await anyio.to_thread.run_sync(partial(self._alert, service, metric, at, recording, incident))
        opened = await anyio.to_thread.run_sync(partial(self._app.investigate, alert, recording=scope))
        return await self._follow(ctx, opened.id, wait_seconds)

    async def get_investigation(self, ctx: Context[Any, Any], *, investigation: Id, wait_seconds: Wait = 0.0) -> Essentials:
        """Say how an investigation stands: its answer, confidence, leading hypotheses and strongest facts, or that it still runs.

        With `wait_seconds` it waits that long for the end, and reports progress.
        """
        await anyio.to_thread.run_sync(self._app.investigation, investigation)
        return await self._follow(ctx, investigation, wait_seconds)

    def list_investigations(self, *, limit: Limit = 20, offset: Offset = 0) -> InvestigationList:
        """List investigations, newest first, each with its answer if it has one."""
        found = self._app.investigations(limit=offset + limit + 1)
        shown = found[offset : offset + limit]
        more = len(found) > offset + limit
        return InvestigationList(
            investigations=tuple(telling.investigation_line(self._app, row) for row in shown),
            next_offset=offset + limit if more else None,
        )

    def get_report(self, *, investigation: Id) -> ReportAnswer:
        """Read the whole report of an investigation: every hypothesis, how it explains the symptom, what was ruled out.

        While language models look at the rules' answer it is theirs, and `preliminary` says so. Facts are not in it;
        list_evidence pages through them.
        """
        snapshot = self._app.snapshot(investigation)
        return telling.whole(self._app, snapshot, _report(snapshot))

    def list_evidence(  # noqa: PLR0913  the tool's arguments
        self,
        *,
        investigation: Id,
        service: Annotated[str | None, Field(description="only facts about this service, or about calls with it")] = None,
        agent: Annotated[AgentName | None, Field(description="only this agent's")] = None,
        kind: Annotated[AnomalyKind | None, Field(description="only facts of this kind")] = None,
        order: Annotated[Literal["strength", "onset"], Field(description="strongest first, or earliest first")] = "strength",
        limit: Limit = 20,
        offset: Offset = 0,
    ) -> EvidenceList:
        """List the facts of an investigation, also while it runs. Strength is in nats: how much a fact speaks for its service."""
        snapshot = self._app.snapshot(investigation)
        facts = [
            fact
            for fact in (snapshot.report.evidence if snapshot.report else snapshot.evidence)
            if (service is None or service in {fact.anomaly.service, fact.anomaly.peer})
            and (agent is None or fact.agent is agent)
            and (kind is None or fact.anomaly.kind is kind)
        ]
        if order == "strength":
            facts.sort(key=lambda fact: -fact.anomaly.strength)
        else:
            facts.sort(key=lambda fact: fact.anomaly.onset.at if fact.anomaly.onset else fact.anomaly.window.end)
        return EvidenceList(
            investigation=investigation,
            facts=tuple(map(telling.fact_line, facts[offset : offset + limit])),
            total=len(facts),
            next_offset=offset + limit if len(facts) > offset + limit else None,
        )

    def get_evidence(
        self, *, investigation: Id, evidence: Annotated[str, Field(description="id of a fact, such as ev-...", max_length=128)]
    ) -> FactTold:
        """Read one fact whole: values with unit, baseline and window, onset, the query behind it, and samples of raw telemetry."""
        snapshot = self._app.snapshot(investigation)
        facts = snapshot.report.evidence if snapshot.report else snapshot.evidence
        fact = next((one for one in facts if one.id == evidence), None)
        if fact is None:
            raise BadInput(f"The investigation has no fact {evidence!r}.", remedy="list_evidence has their ids.")
        anomaly = fact.anomaly
        plain = {
            name: getattr(anomaly, name)
            for name in FactTold.model_fields
            if name not in {"samples", "digest"} and hasattr(anomaly, name)
        }
        return FactTold(
            **plain,
            investigation=investigation,
            evidence=fact.id,
            agent=fact.agent,
            round=fact.round,
            samples=telling.cut(anomaly.samples, SAMPLES, LONGEST_SAMPLE),
            samples_left_out=max(0, len(anomaly.samples) - SAMPLES),
            cited_by=tuple(one.id for one in snapshot.hypotheses if fact.id in one.evidence),
            digest=fact.digest,
            link=page(self._app, "investigations", investigation, "evidence", fact.id),
        )

    def why(
        self,
        *,
        investigation: Id,
        hypothesis: Annotated[
            str | None, Field(description="id of a hypothesis, or its service; the leading one where absent", max_length=256)
        ] = None,
    ) -> Why:
        """Say why a hypothesis leads or does not: every agent's vote with its reason, who dissents, the facts, and the path.

        What language models say stands beside it, each with what it counts.
        """
        snapshot = self._app.snapshot(investigation)
        report = _report(snapshot)
        read, row = Wording(report), _chosen(report, hypothesis)
        challenge = report.models.challenge if report.models else None
        votes = tuple(_vote(vote) for vote in latest(row.votes).values())
        return Why(
            investigation=investigation,
            hypothesis=telling.hypothesis_told(read, row),
            votes=votes,
            models=tuple(_vote(vote) for vote in row.votes if vote.voice is Voice.MODEL),
            challenge=challenge if challenge and challenge.hypothesis == row.hypothesis.id else None,
            preliminary=by_rules(snapshot),
            against=tuple(vote for vote in votes if vote.position is Position.OPPOSE),
            facts=tuple(map(telling.fact_line, read.about(row)[: 2 * telling.FACTS])),
            others=tuple(
                telling.hypothesis_line(read, one) for one in report.hypotheses[: telling.HYPOTHESES + 1] if one is not row
            ),
        )

    def similar_incidents(self, *, investigation: Id, limit: Limit = 5) -> Similar:
        """Find earlier investigations like this one, and what came of them: the answer, people's feedback, and what was tried."""
        found = self._app.similar.to(self._app.snapshot(investigation), limit=limit)
        return Similar(investigation=investigation, earlier=found.earlier, seen=found.seen, looked_at=found.looked_at)

    def told(self, investigation: str) -> Essentials:
        """The report of an investigation; while it runs, how it stands."""
        snapshot = self._app.snapshot(investigation)
        report = snapshot.report_so_far
        return telling.whole(self._app, snapshot, report) if report else telling.essentials(self._app, snapshot)

    def _alert(
        self, service: str | None, metric: str | None, at: datetime | None, recording: str | None, incident: str | None
    ) -> tuple[Alert, str]:
        if (service is None) == (recording is None) or (recording is None and incident is not None):
            raise BadInput("Give either a service (with metric and at), or a recording (with incident).")
        if recording is None:
            now = datetime.now(UTC)
            return service_alert(self._app.settings.tenant, service or "", metric, at or now, now, source=MCP), ""
        return recorded_alert(self._app.settings.tenant, self._app.recordings(), recording, incident), recording

    async def _follow(self, ctx: Context[Any, Any], investigation: str, wait_seconds: float) -> Essentials:
        """Tell of progress until it ends or the time is up. Whoever stops waiting stops nothing else."""
        deadline, cursor, seen, pause = time.monotonic() + wait_seconds, Cursor(), 0, FIRST_PAUSE_SECONDS
        while True:
            row = await anyio.to_thread.run_sync(self._app.investigation, investigation)
            if row.state is not InvestigationState.OPEN and not seen:
                break  # it was over before anybody asked
            updates, cursor = await anyio.to_thread.run_sync(self._app.live.since, investigation, cursor)
            for words in filter(None, map(_words, updates)):
                seen += 1
                await ctx.report_progress(seen, None, words)
            left = deadline - time.monotonic()
            stalled = any(update.kind == "investigation.stalled" for update in updates)
            if row.state is not InvestigationState.OPEN or stalled or left <= 0:
                break
            pause = FIRST_PAUSE_SECONDS if updates else min(2 * pause, LONGEST_PAUSE_SECONDS)
            await anyio.sleep(min(pause, left))
        snapshot = await anyio.to_thread.run_sync(self._app.snapshot, investigation)
        return telling.essentials(self._app, snapshot)


def _words(update: Update) -> str:
    """What an agent does, without a word of telemetry; empty where nobody does anything yet."""
    agent = update.data.get("agent")
    who = agent if isinstance(agent, str) and agent in {*AgentName} else "orchestrator"
    written = update.data.get("written")
    if update.kind == "evidence.appended" and isinstance(written, int):
        return f"{who}: {written} facts"
    if update.kind == "task.ready":
        return ""
    if update.kind in _DOING:
        return f"{who}: {_DOING[update.kind]}"
    return WHOLE[update.kind] if update.kind == PRELIMINARY else update.kind.replace(".", " ").replace("_", " ")


def _report(snapshot: Snapshot) -> Report:
    """The report, or what rules answer while language models look at it."""
    report = snapshot.report_so_far
    if report is None:
        raise BadInput(
            f"The investigation {snapshot.investigation.id} has no report yet.",
            remedy="get_investigation says how it stands, and waits with wait_seconds.",
        )
    return report


def _chosen(report: Report, wanted: str | None) -> RankedHypothesis:
    rows = report.hypotheses
    found = [row for row in rows if wanted in {None, row.hypothesis.id}] or [
        row for row in rows if row.hypothesis.service == wanted
    ]
    if not found:
        raise BadInput("There is no such hypothesis.", remedy="get_report has all of them, with their ids.")
    return found[0]


def _vote(vote: Vote) -> VoteTold:
    return VoteTold(
        agent=vote.agent,
        position=vote.position,
        strength=round(vote.strength, 3),
        reason=vote.reason,
        evidence=vote.evidence,
        voice=vote.voice,
        model=vote.model,
        weight=round(vote.weight, 3),
    )
