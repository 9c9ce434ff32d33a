"""What the parts of a report's page share: names, times, kinds of causes, and facts on one line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from middlewatch.frontends.cli import quantity
from middlewatch.frontends.cli.page import Column, Page, Row, Span, Tone
from middlewatch.records import (
    AgentName,
    AnomalyKind,
    Cause,
    CauseKind,
    Evidence,
    Explanation,
    Onset,
    Outcome,
    Position,
    RankedHypothesis,
    Report,
    Vote,
)

FACT_COLUMNS = (
    Column(),
    Column(elastic=True),
    Column("usual → now", right=True),
    Column("factor", right=True),
    Column("since", prefix="since "),
)
_VOTE_WORDS = {
    Position.SUPPORT: ("for", Tone.WORK),
    Position.OPPOSE: ("against", Tone.FAULT),
    Position.ABSTAIN: ("abstains", Tone.SOFT),
}
_SHOWN_BY = {
    AnomalyKind.METRIC: "the metric",
    AnomalyKind.LOG_PATTERN: "log lines",
    AnomalyKind.OPERATION: "the operation",
    AnomalyKind.EDGE: "the calls",
    AnomalyKind.STRUCTURE: "which calls are made:",
}
_LEAST_ALTERNATIVE = 0.1
"""Other kinds of a cause that are less likely are left to the exported report."""


class Telling:
    """One report, one page, and how things are called on it."""

    def __init__(self, report: Report, page: Page, *, details: bool) -> None:
        self.report = report
        self.page = page
        self.details = details
        self.day: date = (report.onset.at if report.onset else report.alert.detected_at).date()
        self.leading = report.hypotheses[0] if report.hypotheses else None
        self.numbers = {fact.id: number for number, fact in enumerate(report.evidence, 1)}
        self.confidence = {cause.hypothesis: cause.confidence for cause in report.causes}

    def name(self, text: str) -> str:
        return self.page.say.named(text)

    def clock(self, moment: datetime) -> str:
        return quantity.clock(moment, self.day)

    def interval(self, onset: Onset) -> str:
        """When something began, as exactly as it is known."""
        earliest, latest = self.clock(onset.earliest), self.clock(onset.latest)
        return f"at {earliest}" if earliest == latest else f"between {earliest} and {latest}"

    def period(self, onset: Onset) -> str:
        """The same with its date."""
        latest = quantity.clock(onset.latest, onset.earliest.date())
        return quantity.stamp(onset.earliest) + (f" to {latest}" if onset.latest != onset.earliest else "")

    def kind(self, cause: Cause) -> str:
        """What went wrong, how sure that is, what shows it, and what else it may be."""
        unknown = cause.kind is CauseKind.UNKNOWN
        others = [
            f"{_kind(other.kind, other.detail)} {quantity.percent(other.probability)}"
            for other in cause.alternatives
            if other.kind is not CauseKind.UNKNOWN and other.probability >= _LEAST_ALTERNATIVE
        ]
        text = "unknown" if unknown else f"{_kind(cause.kind, cause.detail)}, {quantity.percent(cause.probability)} sure"
        text += f"; perhaps {' or '.join(others)}" if others else ""
        if unknown:
            return f"{text}; nothing that was seen says why"
        if cause.shown_by is AnomalyKind.CHANGE:
            return f"{text}; shown by a change before it"
        if cause.shown_by is not None:
            text += f"; shown by {_SHOWN_BY[cause.shown_by]} {self.subject(cause.shown_by, cause.subject)}"
        return text + (f" on {self.name(cause.instance)}" if cause.instance else "")

    def subject(self, kind: AnomalyKind, text: str) -> str:
        """What a fact is about: a name, or a line of a log."""
        return self.page.say.line(text) if kind is AnomalyKind.LOG_PATTERN else self.name(text)

    def path(self, explanation: Explanation) -> str:
        """The services from the cause to the symptom, each with the time since when a fact shows its trouble."""
        steps = []
        for place, step in enumerate(explanation.path, 1):
            alarmed = explanation.reaches_symptom and place == len(explanation.path)
            dark = step.evidence is None and not alarmed
            seen = self.clock(step.onset.at) if step.onset else "not seen" if dark else ""
            remark = ", ".join(part for part in (seen, "alarmed" if alarmed else "") if part)
            steps.append(f"{self.name(step.service)} ({remark})" if remark else self.name(step.service))
        return " → ".join(steps)

    def facts(self) -> list[Evidence]:
        """The facts that the answer is about: the leading hypothesis's, strongest first; where nothing leads, all of them."""
        if self.leading is None or self.report.outcome is Outcome.INCONCLUSIVE:
            return sorted(self.report.evidence, key=lambda fact: -fact.anomaly.strength)
        hypothesis = self.leading.hypothesis
        about = [
            fact
            for fact in self.report.evidence
            if fact.id in hypothesis.evidence or hypothesis.service in {fact.anomaly.service, fact.anomaly.peer}
        ]
        return sorted(about, key=lambda fact: (fact.anomaly.service != hypothesis.service, -fact.anomaly.strength))

    def fact_row(self, label: str, fact: Evidence) -> Row:
        anomaly = fact.anomaly
        values = quantity.pair(anomaly.baseline, anomaly.observed, anomaly.unit)
        if not values:
            return (Span(label), Span(anomaly.summary, Tone.CHANGE if anomaly.kind is AnomalyKind.CHANGE else Tone.PLAIN))
        since = self.clock(anomaly.onset.at) if anomaly.onset else ""
        factor = quantity.factor(anomaly.factor, anomaly.baseline, anomaly.observed)
        return (Span(label), Span(self.what(fact)), Span(values, Tone.FAULT), Span(factor, Tone.STRONG), Span(since))

    def what(self, fact: Evidence, *, named: bool = False) -> str:
        """What deviated; with the service where that is not the one that the answer blames."""
        anomaly = fact.anomaly
        blamed = self.leading.hypothesis.service if self.leading and self.report.outcome is Outcome.FINDING else ""
        subject = self.subject(anomaly.kind, anomaly.subject)
        text = subject if anomaly.service == blamed and not named else f"{self.name(anomaly.service)}: {subject}"
        text += f" with {self.name(anomaly.peer)}" if anomaly.peer else ""
        return text + (f" on {self.name(anomaly.instance)}" if anomaly.instance else "")

    def chance(self, row: RankedHypothesis) -> float:
        """The probability that this is a cause.

        For a cause that the finding names, its confidence. For the others their share, which takes for granted that one of the
        hypotheses is the cause, times the probability of that, which follows from the confidence in the first of them.
        """
        if row.hypothesis.id in self.confidence:
            return self.confidence[row.hypothesis.id]
        first = self.report.hypotheses[0]
        return min(1.0, row.share * self.report.confidence / first.share) if first.share else 0.0

    def none_of_these(self) -> float:
        """The probability that no hypothesis is the cause."""
        return max(0.0, 1.0 - sum(self.chance(row) for row in self.report.hypotheses))


def latest(votes: Sequence[Vote]) -> dict[AgentName, Vote]:
    """Each agent's last word, in the agents' order."""
    last = {vote.agent: vote for vote in sorted(votes, key=lambda vote: vote.round)}
    return {agent: last[agent] for agent in AgentName if agent in last}


def stance(vote: Vote) -> Span:
    """Where an agent stands, with the strength of its vote."""
    word, tone = _VOTE_WORDS[vote.position]
    return Span(word if vote.position is Position.ABSTAIN else f"{word} {quantity.number(vote.strength, 2)}", tone)


def tally(row: RankedHypothesis) -> str:
    """How many stand where."""
    positions = [vote.position for vote in latest(row.votes).values()]
    counts = [(positions.count(position), word) for position, (word, _) in _VOTE_WORDS.items()]
    return ", ".join(
        f"{number} {'abstain' if position == 'abstains' and number != 1 else position}" for number, position in counts if number
    )


def count(number: int, noun: str) -> str:
    """So many of something."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _kind(kind: CauseKind, detail: str) -> str:
    return f"{kind} ({detail.replace('_', ' ')})" if detail else str(kind)
