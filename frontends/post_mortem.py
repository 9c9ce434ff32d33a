"""A post-mortem in Markdown, as an engineer would begin one: what was measured is filled in, what only people know is left blank.

Whatever telemetry, alerts, models or people wrote passes `markdown.plain`, `code` or `quote`, so it renders as its own text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from middlewatch.frontends import quantity
from middlewatch.frontends.acts import act, actor, why
from middlewatch.frontends.markdown import code, plain, quote
from middlewatch.frontends.post_mortem_beside import models_said, runbooks_say, seen_before
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.reading import latest, tally
from middlewatch.frontends.wording import RECOVERY_WORDS, Wording, stance_words
from middlewatch.records import (
    ORCHESTRATOR,
    AnomalyKind,
    ApprovalRequest,
    Decision,
    Evidence,
    Handling,
    Identifier,
    Outcome,
    RankedHypothesis,
    Report,
)
from middlewatch.records.errors import BadInput
from middlewatch.similar import Earlier

if TYPE_CHECKING:
    from middlewatch.app import App
    from middlewatch.auditing import Entry

_FACTS = 30
"""Rows of the evidence table; the exported report has all of them."""
_IMPACT = 8
_CHANGES = 5
_BEFORE = 3
"""Incidents before it that are told."""
_QUIET = ("request.viewed", "trust.")
"""What is no step of an incident."""
_BLANK = "_to be filled in_"
_SAY = Quotation()


def post_mortem_of(app: App, investigation: str) -> str:
    """The post-mortem of a finished investigation, with all that was said and done about it since.

    It links to the web pages where `public_url` says where they are.

    Args:
        app: where it is.
        investigation: its id, whole.

    Raises:
        UnknownInvestigation: there is none.
        BadInput: it has no report.
    """
    from middlewatch.auditing import history  # noqa: PLC0415  what it imports no --help needs

    snapshot = app.snapshot(investigation)
    report = snapshot.report
    if report is None:
        raise BadInput(
            f"The investigation {investigation} has no report yet.", remedy=f"See where it stands: middlewatch show {investigation}"
        )
    requests = app.approvals.of(report.investigation)
    entries = history(app.store.server, report.tenant, {report.investigation, *(one.id for one in requests)}, report.opened_at)
    public = app.settings.public_url
    link = f"{str(public).rstrip('/')}/investigations/{report.investigation}" if public else ""
    before = app.similar.to(snapshot, limit=_BEFORE).earlier
    return post_mortem(report, app.handlings.of(investigation), requests=requests, entries=entries, before=before, link=link)


def post_mortem(
    report: Report,
    handling: Handling,
    *,
    requests: Sequence[ApprovalRequest] = (),
    entries: Sequence[Entry] = (),
    before: Sequence[Earlier] = (),
    link: str = "",
) -> str:
    """Write it.

    Args:
        report: what the investigation came to.
        handling: who had it, and what people found the answer worth.
        requests: those of this investigation.
        entries: what the audit log holds about it, its requests and the halt; oldest first.
        before: earlier investigations that are like it, the most alike first.
        link: address of its page, for a link to it and to each fact; empty where there is none.

    Returns:
        CommonMark with tables, ended by a line feed.
    """
    draft = _Draft(report, handling, sorted(requests, key=lambda one: one.created_at), tuple(entries), link.rstrip("/"))
    parts = (
        draft.head(),
        draft.summary(),
        draft.impact(),
        draft.timeline(),
        draft.cause(),
        draft.evidence(),
        draft.votes(),
        models_said(report, draft.number),
        draft.limits(),
        runbooks_say(report),
        seen_before(before),
        draft.actions(),
        draft.feedback(),
        draft.follow_ups(),
        draft.links(),
    )
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


@dataclass(frozen=True, slots=True)
class _Moment:
    """A row of the timeline; what and who are Markdown already."""

    at: datetime
    what: str
    who: str = ""


class _Draft(Wording):
    """The methods are the sections; each answers with its lines."""

    def __init__(
        self,
        report: Report,
        handling: Handling,
        requests: Sequence[ApprovalRequest],
        entries: tuple[Entry, ...],
        link: str,
    ) -> None:
        super().__init__(report, _SAY)
        self.handling = handling
        self.requests = requests
        self.entries = entries
        self.link = link
        self.found = report.outcome is Outcome.FINDING

    def head(self) -> list[str]:
        report = self.report
        page = f" ([its page]({self.link}))" if self.link else ""
        recording = f", of the recording {code(report.scope.recording)}" if report.scope.recording else ""
        return [
            f"# Post-mortem: {plain(report.alert.title) or code(report.investigation)}",
            "",
            f"- Investigation: {code(report.investigation)}{page}{recording}",
            f"- Written by {plain(report.engine)} from what it measured; times are UTC. What only people know is marked {_BLANK}.",
            f"- Owner: {code(self.handling.assignee) if self.handling.assignee else _BLANK}",
            f"- Status: draft; severity: {_BLANK}",
        ]

    def summary(self) -> list[str]:
        report = self.report
        sure = f"{quantity.percent(report.confidence)} sure ({quantity.likelihood(report.confidence)})"
        verdict = f"Finding, {sure}" if self.found else "No finding: it is not known what caused it"
        lines = ["## Summary", "", plain(report.answer), "", f"- {verdict}"]
        probable = report.change_probability
        sure = f"{quantity.percent(probable)} sure that anything changed" if probable else quantity.changed(probable).capitalize()
        lines.append(f"- {sure} at all")
        if report.onset is not None:
            ahead = (report.alert.detected_at - report.onset.at).total_seconds()
            gap = f"{quantity.duration(abs(ahead))} {'before' if ahead >= 0 else 'after'} the alert"
            lines.append(f"- Began {self.period(report.onset)}, {gap}")
        else:
            lines.append("- When it began is not known")
        return lines

    def impact(self) -> list[str]:
        report, symptom = self.report, self.report.alert.symptom
        lines = ["## Impact", "", f"- Who was affected, how many and how badly: {_BLANK}"]
        ends = [one.execution.recovered_at for one in self.requests if one.execution and one.execution.recovered_at]
        if report.onset is not None and ends:
            lasted = quantity.duration(max(0.0, (min(ends) - report.onset.at).total_seconds()))
            lines.append(f"- Lasted {lasted}: the symptom went away at {quantity.stamp(min(ends))}")
        else:
            lines.append(f"- When it was over: not seen by middlewatch; {_BLANK}")
        if symptom is None:
            return [*lines, "- The alert named no service"]
        lines.append(f"- Alarmed: {' '.join(code(part) for part in (symptom.service, symptom.metric) if part)}")
        facts = [fact for fact in report.evidence if fact.anomaly.service == symptom.service and fact.anomaly.baseline is not None]
        facts.sort(key=lambda fact: (fact.anomaly.subject != symptom.metric, -fact.anomaly.strength))
        if not facts:
            return [*lines, "- No deviation of that service was measured"]
        return [*lines, "", *_table(_FACT_HEADS, [self._fact(fact) for fact in facts[:_IMPACT]])]

    def timeline(self) -> list[str]:
        moments = sorted([*self._seen(), *self._done()], key=lambda moment: moment.at)
        rows = [(quantity.stamp(moment.at), moment.what, moment.who) for moment in moments]
        return ["## Timeline", "", *_table(("time (UTC)", "what", "who"), rows)]

    def cause(self) -> list[str]:
        lines = ["## Root cause", ""]
        if self.leading is None:
            return [*lines, "Unknown: nothing was suspected.", "", f"What it was: {_BLANK}"]
        if not self.found:
            guess = f"the best guess is {code(self.leading.hypothesis.service)}"
            lines += [f"Unknown; {guess}, {quantity.percent(self.report.confidence)} sure.", ""]
        rows = [row for row in self.report.hypotheses if row.hypothesis.id in self.confidence] or [self.leading]
        for row in rows:
            lines += [*self._one_cause(row), ""]
        against = [vote for row in rows for vote in latest(row.votes).values() if vote.agent in row.dissent]
        remarks = [remark for row in rows if row.explanation for remark in row.explanation.remarks]
        lines += ["What speaks against it:", ""]
        lines += [f"- {vote.agent} agent ({stance_words(vote)}): {plain(vote.reason)}" for vote in against]
        lines += [f"- {plain(remark)}" for remark in remarks]
        return lines if against or remarks else [*lines, "- nothing that was seen"]

    def evidence(self) -> list[str]:
        lines = ["## Evidence", ""]
        if not self.report.evidence:
            return [*lines, "None: nothing deviated."]
        first = self.facts()
        facts = [*first, *(fact for fact in self.report.evidence if fact not in first)]
        lines += _table(_FACT_HEADS, [self._fact(fact) for fact in facts[:_FACTS]])
        if len(facts) > _FACTS:
            lines += ["", f"{len(facts) - _FACTS} more are in the report (`middlewatch show {self.report.investigation} --json`)."]
        return lines

    def votes(self) -> list[str]:
        rows = [
            (str(row.rank), code(row.hypothesis.service, in_table=True), quantity.percent(self.chance(row)), tally(row))
            for row in self.report.hypotheses
        ]
        none = ("", "none of these", quantity.percent(self.none_of_these()), "")
        table = _table(("", "suspected", "chance", "agents"), [*rows, none] if len(self.report.causes) <= 1 else rows)
        return ["## What else it may have been", "", *(table if rows else ["Nothing was suspected."])]

    def limits(self) -> list[str]:
        lists = (
            ("## Ruled out", self.report.ruled_out, "nothing"),
            ("## What was missing", self.report.missing, "none of what was asked for"),
            ("What would decide:", self.report.would_decide, ""),
        )
        lines: list[str] = []
        for title, items, nothing in lists:
            if items or nothing:
                lines += ["", title, "", *(f"- {plain(item)}" for item in items or (nothing,))]
        return lines[1:]

    def actions(self) -> list[str]:
        lines = ["## Actions taken", ""]
        if not self.requests:
            lines.append("- Through middlewatch: none")
        for request in self.requests:
            lines += self._action(request)
        lines += [f"- Not proposed: {plain(told)}" for told in self.report.considered]
        return [*lines, f"- Outside middlewatch: {_BLANK}"]

    def feedback(self) -> list[str]:
        lines = ["## Was the answer right?", ""]
        if not self.handling.feedback:
            return [*lines, f"Nobody said so yet: {_BLANK}"]
        for said in self.handling.feedback:
            true = "; the cause, in their words:" if said.cause else ""
            lines += [f"- {code(said.by)} at {quantity.stamp(said.at)}: **{said.verdict}**{true}"]
            lines += ["", quote(said.cause), ""] if said.cause else []
        return lines if lines[-1] else lines[:-1]

    def follow_ups(self) -> list[str]:
        blanks = ("What went well", "What went badly", "Where we were lucky")
        lines = ["## Follow-ups", "", *(f"- {blank}: {_BLANK}" for blank in blanks), ""]
        lines += [f"- Suggested: {plain(step)}" for step in self.report.next_steps]
        lines += [""] if self.report.next_steps else []
        return [*lines, *_table(("action", "owner", "due"), [(_BLANK, "", "")])]

    def links(self) -> list[str]:
        """Where the facts are that stand above by their numbers."""
        return [f"[E{number}]: {self.link}/evidence/{id_}" for id_, number in self.numbers.items()] if self.link else []

    # Parts of these

    def _seen(self) -> Iterator[_Moment]:
        """What telemetry shows, and what middlewatch made of it."""
        report = self.report
        blamed = {cause.change for cause in report.causes}
        changes = [fact for fact in self.facts() if fact.anomaly.kind is AnomalyKind.CHANGE and fact.anomaly.onset]
        for fact in sorted(changes, key=lambda one: one.id not in blamed)[:_CHANGES]:
            assert fact.anomaly.onset is not None  # noqa: S101  asked for above
            remark = " (blamed)" if fact.id in blamed else ""
            yield _Moment(
                fact.anomaly.onset.at, f"change{remark}: {plain(fact.anomaly.in_short, in_table=True)} {self.number(fact.id)}"
            )
        steps = [
            step for row in report.hypotheses[: max(1, len(report.causes))] if row.explanation for step in row.explanation.path
        ]
        for step in {(step.service, step.onset.at): step for step in steps if step.onset}.values():
            if step.onset is not None:
                fact_ = next((fact for fact in report.evidence if fact.id == step.evidence), None)
                yield _Moment(
                    step.onset.at,
                    f"trouble in {code(step.service, in_table=True)} began {self.number(fact_.id) if fact_ else ''}".strip(),
                )
        if report.onset is not None and not any(step.onset and step.onset.at == report.onset.at for step in steps):
            yield _Moment(report.onset.at, "the incident began, as far as the strongest facts tell")
        yield _Moment(
            report.alert.detected_at, f"alert: {plain(report.alert.title, in_table=True)}", code(report.alert.source, in_table=True)
        )
        yield _Moment(report.opened_at, "the investigation began", "middlewatch")
        answer = "answer" if self.found else "no finding"
        sure = f" ({quantity.percent(report.confidence)} sure)" if self.found else ""
        yield _Moment(report.closed_at, f"{answer}{sure}: {plain(report.answer, in_table=True)}", "middlewatch")

    def _done(self) -> Iterator[_Moment]:
        """What people and middlewatch did, by the audit log; halts only up to the last of it."""
        told = [entry for entry in self.entries if not entry.event.startswith(_QUIET)]
        while told and told[-1].event.startswith("halt."):
            told.pop()
        for entry in told:
            words = plain(act(entry.event, entry.data, _SAY, by=entry.actor), in_table=True)
            words += f" ({code(entry.obj)})" if entry.obj and entry.obj != self.report.investigation else ""
            typed = "; ".join(entry.texts.values())
            reason = typed or ("" if entry.event == "request.approved" else why(entry.data))
            words += f": {plain(_SAY.line(reason) if typed else reason, in_table=True)}" if reason else ""
            yield _Moment(datetime.fromisoformat(entry.ts), words, plain(actor(entry.actor, _SAY), in_table=True))

    def _one_cause(self, row: RankedHypothesis) -> list[str]:
        lines = [
            f"**{code(row.hypothesis.service)}**, {quantity.percent(self.chance(row))} sure: {plain(row.hypothesis.statement)}",
            "",
        ]
        if row.hypothesis.cause is not None:
            lines.append(f"- Kind: {plain(self.kind(row.hypothesis.cause))}")
            lines += [f"- Why: {plain(row.hypothesis.cause.why)}"] if row.hypothesis.cause.why else []
        if row.explanation is not None and len(row.explanation.path) > 1:
            lines.append(f"- Path: {plain(self.path(row.explanation))}")
        for vote in latest(row.votes).values():
            cited = [self.number(fact.id) for fact in self.report.evidence if fact.id in vote.evidence]
            lines.append(f"- {vote.agent} agent, {stance_words(vote)}: {plain(vote.reason)} {', '.join(cited)}".rstrip())
        return lines

    def _action(self, request: ApprovalRequest) -> list[str]:
        remediation, execution = request.remediation, request.execution
        proposer = "middlewatch" if remediation.proposed_by == ORCHESTRATOR else code(remediation.proposed_by)
        head = f"- {code(remediation.action)} on {code(remediation.target)} ({code(request.id)}, {request.rule.tier} risk)"
        lines = [f"{head}, proposed by {proposer}: **{request.state}**, {plain(request.why)}"]
        for approval in request.approvals:
            verb = "approved" if approval.decision is Decision.APPROVE else "denied"
            reason = f": {plain(_SAY.line(approval.reason))}" if approval.reason else ""
            lines.append(f"  - {verb} by {plain(actor(approval.principal, _SAY))} at {quantity.stamp(approval.at)}{reason}")
        if request.break_glass is not None:
            lines.append(
                f"  - the glass was broken by {code(request.break_glass.principal)}: {plain(_SAY.line(request.break_glass.reason))}"
            )
        if execution is not None:
            ended = f" to {quantity.clock(execution.ended_at, execution.began_at.date())}" if execution.ended_at else ""
            lines.append(f"  - executed {quantity.stamp(execution.began_at)}{ended}")
            note = f": {plain(execution.recovery_note)}" if execution.recovery_note else ""
            lines += [f"  - {RECOVERY_WORDS[execution.recovery]}{note}"] if execution.recovery else []
        return lines

    def number(self, fact: Identifier) -> str:
        """What a fact is called by."""
        number = f"E{self.numbers[fact]}" if fact in self.numbers else ""
        return f"[{number}]" if self.link and number else number

    def _fact(self, fact: Evidence) -> tuple[str, ...]:
        anomaly = fact.anomaly
        values = quantity.pair(anomaly.baseline, anomaly.observed, anomaly.unit)
        factor = quantity.factor(anomaly.factor, anomaly.baseline, anomaly.observed)
        return (
            self.number(fact.id),
            f"{fact.agent}",
            plain(self.what(fact, named=True) if values else anomaly.in_short, in_table=True),
            plain(f"{values} ({factor})" if values and factor else values, in_table=True),
            self.clock(anomaly.onset.at) if anomaly.onset else "",
        )


_FACT_HEADS = ("", "agent", "what", "usual → now", "since")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [_row(heads), _row(["---"] * len(heads)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
