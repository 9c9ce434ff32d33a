"""`middlewatch.report/v1` on a terminal, for somebody who has just been woken up.

The answer comes first, then how sure, then when, then the proof, the vote, and what to do; the record follows. Every state is
written out in words, so that nothing is lost without colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from middlewatch.frontends.cli import quantity
from middlewatch.frontends.cli.page import INDENT, Column, Page, Row, Span, Tone
from middlewatch.frontends.cli.quotation import Quotation
from middlewatch.records import AgentName, AnomalyKind, Evidence, Outcome, Position, RankedHypothesis, Report, Sample, Vote

_BRIEF_HYPOTHESES = 3
_BRIEF_STEPS = 1
_FULL_EVIDENCE = 12
"""Facts that are told in full, and below them in one line each; the exported report has all of them."""
_SHORT_EVIDENCE = 30
_SAMPLES = 3
_SAMPLE_LINES = 3

_SIGNALS = {AgentName.METRICS: "metric", AgentName.LOGS: "log", AgentName.TRACES: "trace", AgentName.DEPLOYS: "change"}
_VOTE_WORDS = {
    Position.SUPPORT: ("for", Tone.WORK),
    Position.OPPOSE: ("against", Tone.FAULT),
    Position.ABSTAIN: ("abstains", Tone.SOFT),
}


def render_report(report: Report, *, width: int, color: bool, details: bool = True, ascii_only: bool = False) -> str:
    """Write a report for a terminal.

    Args:
        report: what an investigation came to.
        width: columns of the terminal. No line is longer; below 40 and above 120 it is taken for these.
        color: whether to add the sixteen standard colours (SGR sequences). They repeat what the words say.
        details: everything, with each vote's reason and the chain of evidence; otherwise what fits one screen of 24 lines at 80
            columns, which says how much it leaves out.
        ascii_only: for terminals that cannot show UTF-8; other letters are written as escapes.

    Returns:
        Lines, each ended by a line feed.
    """
    page = Page(width, Quotation(ascii_only=ascii_only))
    view = _View(report, page, details=details)
    view.answer()
    view.when()
    if report.outcome is Outcome.FINDING:
        view.proof()
        view.votes()
        view.lists()
    else:
        view.lists()
        view.votes()
        view.proof()
    if details:
        view.record()
        view.reasons()
        view.evidence()
    else:
        page.entry("More", Span(f"middlewatch investigations show {report.investigation} --details", Tone.SOFT))
    return page.text(color=color)


class _View:
    """One report on one page. The methods are the parts of the page; each writes itself."""

    def __init__(self, report: Report, page: Page, *, details: bool) -> None:
        self._report = report
        self._page = page
        self._details = details
        self._day: date = (report.onset.at if report.onset else report.alert.detected_at).date()
        self._leading = report.hypotheses[0] if report.hypotheses else None
        self._numbers = {fact.id: number for number, fact in enumerate(report.evidence, 1)}

    def answer(self) -> None:
        report, page = self._report, self._page
        sure = Span(f"{quantity.percent(report.confidence)} sure", Tone.STRONG)
        change = f"{quantity.percent(report.change_probability)} that anything changed"
        if report.outcome is Outcome.FINDING:
            page.entry("Finding", Span(report.answer, Tone.STRONG))
            page.entry("Confidence", sure, Span(f" ({quantity.likelihood(report.confidence)}); {change}"))
            return
        honest = "" if "don't know" in report.answer.lower() else "I don't know. "
        page.entry("No finding", Span(honest + report.answer, Tone.STRONG))
        guess = f"; best guess {self._name(self._leading.hypothesis.service)}, " if self._leading else ""
        page.entry("Confidence", Span(change, Tone.STRONG), Span(guess), *([sure] if self._leading else []))

    def when(self) -> None:
        report, page = self._report, self._page
        alert = report.alert
        if report.onset is None:
            page.entry("Began", Span(f"unknown; the alert came at {quantity.stamp(alert.detected_at)} UTC"))
        else:
            ahead = (alert.detected_at - report.onset.at).total_seconds()
            gap = f"{quantity.duration(abs(ahead))} {'before' if ahead >= 0 else 'after'}"
            alerted = f", {gap} the alert" + (f" at {self._clock(alert.detected_at)}" if self._details else "")
            page.entry("Began", Span(f"about {quantity.stamp(report.onset.at)} UTC", Tone.STRONG), Span(alerted))
        if self._details:
            symptom = [self._name(part) for part in (alert.symptom.service, alert.symptom.metric) if part] if alert.symptom else []
            page.entry("Alert", Span(page.say.quoted(alert.title) + (f"; symptom: {' '.join(symptom)}" if symptom else "")))

    def proof(self) -> None:
        """The strongest fact of each signal, on one line each; for a finding, a signal that has none says why."""
        rows: list[Row] = []
        for agent, name in _SIGNALS.items():
            facts = [fact for fact in self._facts() if fact.agent is agent and fact.anomaly.strength > 0]
            if facts:
                rows.append(self._fact_row(name, facts[0]))
            elif self._report.outcome is Outcome.FINDING:
                rows.append((Span(name), Span(f"none: {self._why_none(agent)}", Tone.SOFT)))
        if rows:
            self._page.blank()
            self._page.table(_FACT_COLUMNS, rows, label="Proof" if self._report.outcome is Outcome.FINDING else "Noticed")

    def votes(self) -> None:
        """Who stands where on which cause."""
        page, report = self._page, self._report
        page.blank()
        if self._leading is None:
            page.entry("Vote", Span("there was nothing to vote on"))
            return
        finding = report.outcome is Outcome.FINDING
        shown = report.hypotheses if self._details else report.hypotheses[:_BRIEF_HYPOTHESES]
        hidden = len(report.hypotheses) - len(shown)
        remark = _tally(self._leading) if finding else "guesses, not findings"
        remark += (f"; {_count(hidden, 'more cause')}" if hidden else "") + "; strength in nats"
        page.heading("Vote", Span(remark, Tone.SOFT if finding else Tone.WAIT))
        rows = [self._vote_row(row) for row in shown]
        if self._details or not finding:
            others = max(0.0, 1.0 - sum(self._chance(row) for row in report.hypotheses))
            rows.append((Span(""), Span("none of these"), Span(quantity.percent(others)), *[Span("")] * len(AgentName)))
        page.table(_VOTE_COLUMNS, rows)
        for vote in _latest(self._leading.votes).values():
            if vote.agent in self._leading.dissent or vote.position is Position.OPPOSE:
                write = page.entry if self._details else page.short_entry
                write("Dissent", Span(vote.agent.value, Tone.FAULT), Span(f" ({quantity.number(vote.strength, 2)}): {vote.reason}"))

    def lists(self) -> None:
        """What to do, what it is not, and what could not be seen."""
        report = self._report
        if self._details:
            self._page.blank()
        self._list("Next", report.next_steps, most=_BRIEF_STEPS)
        self._list("Ruled out", report.ruled_out or ("nothing",))
        self._list(
            "Missing data", report.missing or ("none of what was asked for",), tone=Tone.WAIT if report.missing else Tone.PLAIN
        )

    def record(self) -> None:
        """How the report came about."""
        report, page = self._report, self._page
        page.blank()
        took = f"{quantity.duration((report.closed_at - report.opened_at).total_seconds())}, {_count(report.rounds, 'round')}"
        timings = [f"{timing.name} {quantity.duration(timing.seconds)}" for timing in report.timings]
        page.entry("Took", Span("; ".join([took, *timings])))
        if report.freshness:
            page.entry("Data reached", Span(", ".join(self._reached())))
        recording = f", recording {self._name(report.scope.recording)}" if report.scope.recording else ""
        page.entry("Record", Span(f"{report.investigation}{recording}, {report.format} by {report.engine}", Tone.SOFT))

    def reasons(self) -> None:
        """Each hypothesis with the reason of every vote."""
        page = self._page
        if not self._report.hypotheses:
            return
        page.blank()
        page.heading("Reasons", Span("of each vote; E1, E2 ... are the facts below", Tone.SOFT))
        for row in self._report.hypotheses:
            total = f"share {quantity.percent(row.share)}, sum {quantity.number(row.score, 2)} nats"
            page.paragraph(Span(f"{row.rank} {row.hypothesis.statement}", Tone.STRONG), Span(f" ({total})"), hang=INDENT)
            for vote in _latest(row.votes).values():
                cited = ", ".join(f"E{self._numbers[id_]}" for id_ in vote.evidence if id_ in self._numbers)
                reason = f": {vote.reason}" + (f" ({cited})" if cited else "")
                page.paragraph(Span(f"{vote.agent} "), _stance(vote), Span(reason), indent=2 * INDENT, hang=INDENT)

    def evidence(self) -> None:
        """The facts: those of the leading hypothesis in full, the others on a line each."""
        page = self._page
        if not self._report.evidence:
            return
        page.blank()
        page.heading("Evidence")
        full = self._facts()[:_FULL_EVIDENCE]
        for fact in full:
            self._fact(fact)
        rest = [fact for fact in self._report.evidence if fact not in full]
        if not rest:
            return
        page.heading("", Span(f"{_count(len(rest), 'further fact')}", Tone.SOFT))
        page.table(_FACT_COLUMNS, [self._fact_row(f"E{self._numbers[fact.id]}", fact) for fact in rest[:_SHORT_EVIDENCE]])
        if len(rest) > _SHORT_EVIDENCE:
            page.paragraph(Span(f"and {len(rest) - _SHORT_EVIDENCE} more in the exported report", Tone.SOFT))

    def _fact(self, fact: Evidence) -> None:
        page, anomaly = self._page, fact.anomaly
        clock = self._clock
        indent = 3 * INDENT
        page.paragraph(
            Span(f"E{self._numbers[fact.id]} {self._what(fact, named=True)}", Tone.STRONG), hang=2 * INDENT, most_lines=3
        )
        page.paragraph(Span(anomaly.summary), indent=indent)
        values = quantity.pair(anomaly.baseline, anomaly.observed, anomaly.unit)
        factor = quantity.factor(anomaly.factor, anomaly.baseline, anomaly.observed)
        parts = [values + (f" ({factor})" if factor else "")] if values or factor else []
        parts += [f"since {clock(anomaly.onset.at)}"] if anomaly.onset else []
        parts.append(f"strength {quantity.number(anomaly.strength, 2)} nats")
        page.paragraph(Span(", ".join(parts)), indent=indent)
        windows = f"window {clock(anomaly.window.start)} to {clock(anomaly.window.end)}"
        if anomaly.baseline_window is not None:
            windows += f", baseline {clock(anomaly.baseline_window.start)} to {clock(anomaly.baseline_window.end)}"
        asked = ", ".join(f"{name}={_value(value)}" for name, value in sorted(anomaly.query.parameters.items()))
        query = f"{fact.agent} agent, {anomaly.query.source} query {self._name(anomaly.query.name)}{': ' if asked else ''}{asked}"
        page.paragraph(Span(windows, Tone.SOFT), indent=indent)
        page.paragraph(Span(f"{query}; {fact.id}", Tone.SOFT), indent=indent, most_lines=3)
        for sample in anomaly.samples[:_SAMPLES]:
            self._sample(sample, indent)
        if len(anomaly.samples) > _SAMPLES:
            page.paragraph(Span(f"and {_count(len(anomaly.samples) - _SAMPLES, 'more sample')}", Tone.SOFT), indent=indent)

    def _sample(self, sample: Sample, indent: int) -> None:
        where = f" trace {self._name(sample.trace_id)}" if sample.trace_id else ""
        where += f" span {self._name(sample.span_id)}" if sample.span_id else ""
        text = f"{self._clock(sample.time)}{where} {self._page.say.quoted(sample.text)}"
        self._page.paragraph(Span(text), indent=indent, hang=INDENT, most_lines=_SAMPLE_LINES)

    def _list(self, label: str, items: Sequence[str], *, most: int = 1, tone: Tone = Tone.PLAIN) -> None:
        """Every item in the detailed page; the first ones, on a line each, in the brief one."""
        shown = items if self._details else items[:most]
        bullet = "- " if len(shown) > 1 else ""
        for number, item in enumerate(shown, 1):
            shown_label = label if number == 1 else ""
            if self._details:
                self._page.entry(shown_label, Span(item, tone), bullet=bullet)
            else:
                hidden = len(items) - most if number == most else 0
                self._page.short_entry(shown_label, Span(bullet + item, tone), tail=f" ({hidden} more)" if hidden > 0 else "")

    def _facts(self) -> list[Evidence]:
        """The facts that the answer is about: the leading hypothesis's, strongest first; where nothing leads, all of them."""
        if self._leading is None or self._report.outcome is Outcome.INCONCLUSIVE:
            return sorted(self._report.evidence, key=lambda fact: -fact.anomaly.strength)
        hypothesis = self._leading.hypothesis
        about = [
            fact
            for fact in self._report.evidence
            if fact.id in hypothesis.evidence or hypothesis.service in {fact.anomaly.service, fact.anomaly.peer}
        ]
        return sorted(about, key=lambda fact: (fact.anomaly.service != hypothesis.service, -fact.anomaly.strength))

    def _why_none(self, agent: AgentName) -> str:
        votes = _latest(self._leading.votes) if self._leading else {}
        return votes[agent].reason if agent in votes and votes[agent].reason else "nothing was found"

    def _fact_row(self, label: str, fact: Evidence) -> Row:
        anomaly = fact.anomaly
        values = quantity.pair(anomaly.baseline, anomaly.observed, anomaly.unit)
        if not values:
            return (Span(label), Span(anomaly.summary, Tone.CHANGE if anomaly.kind is AnomalyKind.CHANGE else Tone.PLAIN))
        since = self._clock(anomaly.onset.at) if anomaly.onset else ""
        factor = quantity.factor(anomaly.factor, anomaly.baseline, anomaly.observed)
        return (Span(label), Span(self._what(fact)), Span(values, Tone.FAULT), Span(factor, Tone.STRONG), Span(since))

    def _what(self, fact: Evidence, *, named: bool = False) -> str:
        """What deviated; with the service where that is not the one that the answer blames."""
        anomaly = fact.anomaly
        blamed = self._leading.hypothesis.service if self._leading and self._report.outcome is Outcome.FINDING else ""
        subject = (
            self._name(anomaly.subject) if anomaly.kind is not AnomalyKind.LOG_PATTERN else self._page.say.quoted(anomaly.subject)
        )
        text = subject if anomaly.service == blamed and not named else f"{self._name(anomaly.service)}: {subject}"
        text += f" with {self._name(anomaly.peer)}" if anomaly.peer else ""
        return text + (f" on {self._name(anomaly.instance)}" if anomaly.instance else "")

    def _vote_row(self, row: RankedHypothesis) -> Row:
        votes = _latest(row.votes)
        stances = [_stance(votes[agent]) if agent in votes else Span("no vote", Tone.SOFT) for agent in AgentName]
        chance = Span(quantity.percent(self._chance(row)))
        return (Span(str(row.rank)), Span(self._name(row.hypothesis.service), Tone.STRONG), chance, *stances)

    def _chance(self, row: RankedHypothesis) -> float:
        """The probability that this is the cause: its share, which takes for granted that one of the hypotheses is, times the
        probability of that, which follows from the confidence in the first of them.
        """
        first = self._report.hypotheses[0]
        return min(1.0, row.share * self._report.confidence / first.share) if first.share else 0.0

    def _reached(self) -> list[str]:
        texts = []
        for fresh in self._report.freshness:
            if fresh.watermark is None:
                texts.append(f"{fresh.signal} none at all")
            else:
                texts.append(
                    f"{fresh.signal} {self._clock(fresh.watermark)} ({quantity.duration(fresh.lag_seconds or 0.0)} before the end)"
                )
        return texts

    def _name(self, text: str) -> str:
        return self._page.say.named(text)

    def _clock(self, moment: datetime) -> str:
        return quantity.clock(moment, self._day)


_FACT_COLUMNS = (
    Column(),
    Column(elastic=True),
    Column("usual → now", right=True),
    Column("factor", right=True),
    Column("since", prefix="since "),
)
_VOTE_COLUMNS = (
    Column(),
    Column("cause", elastic=True),
    Column("chance", right=True, prefix="chance "),
    *(Column(agent.value, prefix=f"{agent.value} ") for agent in AgentName),
)


def _latest(votes: Sequence[Vote]) -> dict[AgentName, Vote]:
    """Each agent's last word, in the agents' order."""
    last = {vote.agent: vote for vote in sorted(votes, key=lambda vote: vote.round)}
    return {agent: last[agent] for agent in AgentName if agent in last}


def _stance(vote: Vote) -> Span:
    word, tone = _VOTE_WORDS[vote.position]
    return Span(word if vote.position is Position.ABSTAIN else f"{word} {quantity.number(vote.strength, 2)}", tone)


def _tally(row: RankedHypothesis) -> str:
    positions = [vote.position for vote in _latest(row.votes).values()]
    counts = [(positions.count(position), word) for position, (word, _) in _VOTE_WORDS.items()]
    return ", ".join(
        f"{count} {'abstain' if position == 'abstains' and count != 1 else position}" for count, position in counts if count
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _value(value: str | float | list[str]) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
