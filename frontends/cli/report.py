"""`middlewatch.report/v1` on a terminal, for somebody who has just been woken up.

What is broken comes first, then what kind of trouble it is, how sure that is, when it began, the way it took, the proof, and what
to do. Numbers that take explaining, votes and the whole chain of evidence are on the detailed page. Every state is written out in
words, so that nothing is lost without colour.
"""

from __future__ import annotations

from collections.abc import Sequence

from middlewatch.frontends import model_wording, quantity
from middlewatch.frontends.cli.page import Page, Row, Span, Tone
from middlewatch.frontends.cli.report_details import Details
from middlewatch.frontends.cli.runbook_page import write_passages
from middlewatch.frontends.cli.telling import FACT_COLUMNS, Telling
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.reading import latest
from middlewatch.records import AgentName, FoundCause, Outcome, Position, Report, RiskTier

_BRIEF_HYPOTHESES = 3
_LEAST_OTHER = 0.01
"""Where nothing else reaches one per cent, that it may be something else is no news."""
_BRIEF_STEPS = 1
_BRIEF_LINES = 2
"""What kind of trouble it is, what to do next, and what speaks against the finding, is what the page is read for: it is cut
later than the rest."""
_RISKS = {tier: "runs by policy" if tier is RiskTier.INFO else f"{tier} risk" for tier in RiskTier}
_SIGNALS = {AgentName.METRICS: "metric", AgentName.LOGS: "log", AgentName.TRACES: "trace", AgentName.DEPLOYS: "change"}


def render_report(
    report: Report,
    *,
    width: int,
    color: bool,
    details: bool = True,
    ascii_only: bool = False,
    program: Sequence[str] = ("middlewatch",),
) -> str:
    """Write a report for a terminal.

    Args:
        report: what an investigation came to.
        width: columns of the terminal. No line is longer; below 40 and above 120 it is taken for these.
        color: whether to add the sixteen standard colours (SGR sequences). They repeat what the words say.
        details: everything, with each vote's reason and the chain of evidence; otherwise what fits one screen of 24 lines at 80
            columns, which says how much it leaves out.
        ascii_only: for terminals that cannot show UTF-8; other letters are written as escapes.
        program: the words of a shell that start this program, for the command that shows the rest.

    Returns:
        Lines, each ended by a line feed.
    """
    page = Page(width, Quotation(ascii_only=ascii_only))
    summary = _Summary(report, page, details=details)
    summary.answer()
    summary.when()
    more = Details(report, page, details=True)
    votes = more.votes if details else summary.sides
    if report.outcome is Outcome.FINDING:
        summary.proof()
        votes()
        summary.lists(program)
    else:
        summary.lists(program)
        votes()
        summary.proof()
    if details:
        more.models()
        more.record()
        more.reasons()
        more.evidence()
    else:
        page.command("More", (*program, "show", report.investigation, "--details"))
    return page.text(color=color)


class _Summary(Telling):
    """What everybody reads. The methods are the parts of the page; each writes itself."""

    def answer(self) -> None:
        report, page = self.report, self.page
        sure = Span(f"{quantity.percent(report.confidence)} sure", Tone.STRONG)
        change = quantity.changed(report.change_probability)
        if report.outcome is Outcome.FINDING:
            page.entry("Finding", Span(report.answer, Tone.STRONG))
            self._kind()
            for cause in report.causes[1:]:
                self._second(cause)
            page.entry("Confidence", sure, Span(f" ({quantity.likelihood(report.confidence)}); {change}"))
            return
        page.entry("No finding", Span(self.honest_answer, Tone.STRONG))
        guess = f"; best guess {self.name(self.leading.hypothesis.service)}, " if self.leading else ""
        page.entry("Confidence", Span(change, Tone.STRONG), Span(guess), *([sure] if self.leading else []))

    def when(self) -> None:
        """When it began, and the way that the trouble took."""
        report, page = self.report, self.page
        alert = report.alert
        if report.onset is None:
            page.entry("Began", Span(f"unknown; the alert came at {quantity.stamp(alert.detected_at)} UTC"))
        else:
            ahead = (alert.detected_at - report.onset.at).total_seconds()
            gap = f"{quantity.duration(abs(ahead))} {'before' if ahead >= 0 else 'after'} the alert"
            alerted = f", {gap}" + (f" at {self.clock(alert.detected_at)}" if self.details else "")
            page.entry("Began", Span(self.period(report.onset), Tone.STRONG), Span(f" UTC{alerted}"))
        if self.details:
            symptom = [self.name(part) for part in (alert.symptom.service, alert.symptom.metric) if part] if alert.symptom else []
            page.entry("Alert", Span(page.say.quoted(alert.title) + (f"; symptom: {' '.join(symptom)}" if symptom else "")))
        explanation = self.leading.explanation if self.leading else None
        if report.outcome is Outcome.FINDING and explanation is not None:
            if len(explanation.path) > 1 or explanation.reaches_symptom:
                page.entry("Path", Span(self.path(explanation)))
            room = 1 if self._several else _BRIEF_LINES
            self._list("But", explanation.remarks, most_lines=room, tone=Tone.WAIT)

    def proof(self) -> None:
        """The strongest fact of each signal, on one line each; for a finding, a signal that has none says why."""
        rows: list[Row] = []
        for agent, name in _SIGNALS.items():
            facts = [fact for fact in self.facts() if fact.agent is agent and fact.anomaly.strength > 0 and self.proves(fact)]
            if facts:
                rows.append(self.fact_row(name, facts[0]))
            elif self.report.outcome is Outcome.FINDING:
                rows.append((Span(name), Span(f"none: {self._why_none(agent)}", Tone.SOFT)))
        if rows:
            if self.details:
                self.page.blank()
            self.page.table(FACT_COLUMNS, rows, label="Proof" if self.report.outcome is Outcome.FINDING else "Noticed")

    def sides(self) -> None:
        """Who is for and who against the answer, and what else it may be; without numbers that take explaining."""
        page = self.page
        if self.leading is None:
            self._models()
            return
        finding = self.report.outcome is Outcome.FINDING
        if finding:
            votes = latest(self.leading.votes).values()
            agreeing, opposed = ([v for v in votes if v.position is side] for side in (Position.SUPPORT, Position.OPPOSE))
            spans = [Span(f"for: {', '.join(v.agent for v in agreeing) or 'no agent'}", Tone.WORK)]
            if opposed:
                reason = max(opposed, key=lambda vote: vote.strength).reason
                spans += [Span("; "), Span(f"against: {', '.join(v.agent for v in opposed)}", Tone.FAULT), Span(f", {reason}")]
            page.short_entry("Vote", *spans)
        self._models()
        others = [row for row in self.report.hypotheses if row.hypothesis.id not in self.confidence]
        chances = [
            f"{self.name(row.hypothesis.service)} {quantity.percent(self.chance(row))}" for row in others[:_BRIEF_HYPOTHESES]
        ]
        if not finding:
            chances.append(f"none of these {quantity.percent(self.none_of_these())}")
        full = self._several and self.report.remediations  # the screen: what to do goes before what is less likely
        if chances and not full and (not finding or self.chance(others[0]) >= _LEAST_OTHER):
            hidden = len(others) - _BRIEF_HYPOTHESES
            tail = f" ({hidden} more)" if hidden > 0 else ""
            page.short_entry("Or else" if finding else "Guesses", Span(", ".join(chances)), tail=tail)

    def _models(self) -> None:
        """What language models did, in short."""
        if told := model_wording.in_short(self.report):
            self.page.short_entry("Models", Span(told))

    def lists(self, program: Sequence[str]) -> None:
        """What to do, what it is not, what could not be seen, and what would decide."""
        report = self.report
        if self.details:
            self.page.blank()
        self._proposed(program)
        if self.details or not report.remediations:  # what is proposed is what to do next
            self._list("Next", report.next_steps, most=_BRIEF_STEPS, most_lines=_BRIEF_LINES)
        if self.details and report.considered:
            self._list("Considered", report.considered)
        write_passages(self.page, report, details=self.details)
        self._list("Would decide", report.would_decide)
        self._list("Ruled out", report.ruled_out or ("nothing",))
        self._list(
            "Missing data", report.missing or ("none of what was asked for",), tone=Tone.WAIT if report.missing else Tone.PLAIN
        )

    def _proposed(self, program: Sequence[str]) -> None:
        """What people were asked to decide on, with the command that shows it in full; the first alone on the brief page."""
        found, page = self.report.remediations, self.page
        shown = found if self.details else found[:1]
        for number, one in enumerate(shown, 1):
            more = f" ({len(found) - number} more)" if number == len(shown) < len(found) else ""
            text = f"{one.title} on {self.name(one.target)} ({_RISKS[one.tier]})"
            page.short_entry("Proposed" if number == 1 else "", Span(text, Tone.STRONG), tail=more, most_lines=_BRIEF_LINES)
            page.command("", (*program, "approvals", "show", one.request))

    def _kind(self) -> None:
        cause = self.leading.hypothesis.cause if self.leading else None
        if cause is None:
            return
        text = self.kind(cause, shown=self.details or not self._several)
        if self.details:
            self.page.entry("Kind", Span(text))
            self.page.entry("", Span(cause.why, Tone.SOFT))
        else:
            self.page.short_entry("Kind", Span(text), most_lines=1 if self._several else _BRIEF_LINES)

    @property
    def _several(self) -> bool:
        """Whether there are several causes; then a screen has one line for what takes two otherwise."""
        return len(self.report.causes) > 1

    def _second(self, found: FoundCause) -> None:
        row = next((row for row in self.report.hypotheses if row.hypothesis.id == found.hypothesis), None)
        text = f"{self.name(found.service)}, {quantity.percent(found.confidence)} sure"
        onset = row.explanation.path[0].onset if row and row.explanation else None
        text += f"; began {self.interval(onset)}" if onset else ""
        text += f"; {self.kind(row.hypothesis.cause, shown=self.details)}" if row and row.hypothesis.cause else ""
        write = self.page.entry if self.details else self.page.short_entry
        write("Second cause", Span(text))

    def _list(self, label: str, items: Sequence[str], *, most: int = 1, most_lines: int = 1, tone: Tone = Tone.PLAIN) -> None:
        """Every item in the detailed page; the first ones, on so many lines each, in the brief one."""
        shown = items if self.details else items[:most]
        bullet = "- " if len(shown) > 1 else ""
        for number, item in enumerate(shown, 1):
            shown_label = label if number == 1 else ""
            if self.details:
                self.page.entry(shown_label, Span(item, tone), bullet=bullet)
            else:
                hidden = len(items) - most if number == most else 0
                tail = f" ({hidden} more)" if hidden > 0 else ""
                self.page.short_entry(shown_label, Span(bullet + item, tone), tail=tail, most_lines=most_lines)

    def _why_none(self, agent: AgentName) -> str:
        if agent is AgentName.DEPLOYS and any(fact.agent is agent and fact.anomaly.strength > 0 for fact in self.facts()):
            return "no change of this service is likely the trigger"
        votes = latest(self.leading.votes) if self.leading else {}
        return votes[agent].reason if agent in votes and votes[agent].reason else "nothing was found"
