"""How every front end says what a report holds: names, times, kinds of causes, the path, and what a fact is about.

Foreign text passes a `Quotation` here, so the sentences are of one line and hold no character that hides or moves anything. What a
front end obeys besides (HTML, Markdown, mrkdwn) it escapes itself.
"""

from __future__ import annotations

from datetime import datetime

from middlewatch.frontends import quantity
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.reading import POSITION_WORDS, Reading, count
from middlewatch.records import (
    AnomalyKind,
    Cause,
    CauseKind,
    Evidence,
    Explanation,
    InvestigationState,
    Onset,
    Outcome,
    Position,
    Recovery,
    Report,
    Snapshot,
    TaskState,
    Vote,
)

_SHOWN_BY = {
    AnomalyKind.METRIC: "the metric",
    AnomalyKind.LOG_PATTERN: "log lines",
    AnomalyKind.OPERATION: "the operation",
    AnomalyKind.EDGE: "the calls",
    AnomalyKind.STRUCTURE: "which calls are made:",
}
RECOVERY_WORDS = {
    Recovery.WATCHING: "the symptom is being watched",
    Recovery.RECOVERED: "the symptom went away",
    Recovery.NOT_RECOVERED: "the symptom did NOT go away",
    Recovery.NOT_SEEN: "whether the symptom went away could not be seen",
}
_SAY = Quotation()
_LEAST_ALTERNATIVE = 0.1
"""Other kinds of a cause that are less likely are left to the exported report."""


class Wording(Reading):
    """One report, in words."""

    def __init__(self, report: Report, say: Quotation | None = None) -> None:
        super().__init__(report)
        self.say = say or _SAY

    def name(self, text: str) -> str:
        return self.say.named(text)

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

    def kind(self, cause: Cause, *, shown: bool = True) -> str:
        """What went wrong, how sure that is, what else it may be, and what shows it where that is asked for."""
        unknown = cause.kind is CauseKind.UNKNOWN
        others = [
            f"{_kind(other.kind, other.detail)} {quantity.percent(other.probability)}"
            for other in cause.alternatives
            if other.kind is not CauseKind.UNKNOWN and other.probability >= _LEAST_ALTERNATIVE
        ]
        text = "unknown" if unknown else f"{_kind(cause.kind, cause.detail)}, {quantity.percent(cause.probability)} sure"
        text += f"; perhaps {' or '.join(others)}" if others else ""
        if not shown:
            return text
        if unknown:
            return f"{text}; nothing that was seen says why"
        if cause.shown_by is AnomalyKind.CHANGE:
            return f"{text}; shown by a change before it"
        if cause.shown_by is not None:
            text += f"; shown by {_SHOWN_BY[cause.shown_by]} {self.subject(cause.shown_by, cause.subject)}"
        return text + (f" on {self.name(cause.instance)}" if cause.instance else "")

    def subject(self, kind: AnomalyKind, text: str) -> str:
        """What a fact is about: a name, or a line of a log."""
        return self.say.line(text) if kind is AnomalyKind.LOG_PATTERN else self.name(text)

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

    def what(self, fact: Evidence, *, named: bool = False) -> str:
        """What deviated; with the service where that is not the one that the answer blames."""
        anomaly = fact.anomaly
        blamed = self.leading.hypothesis.service if self.leading and self.report.outcome is Outcome.FINDING else ""
        subject = self.subject(anomaly.kind, anomaly.subject)
        text = subject if anomaly.service == blamed and not named else f"{self.name(anomaly.service)}: {subject}"
        text += f" with {self.name(anomaly.peer)}" if anomaly.peer else ""
        return text + (f" on {self.name(anomaly.instance)}" if anomaly.instance else "")

    def fact_line(self, fact: Evidence, *, named: bool = False) -> str:
        """What deviated: usual value, observed value, since when; of a fact without numbers, what it says."""
        anomaly = fact.anomaly
        values = quantity.pair(anomaly.baseline, anomaly.observed, anomaly.unit)
        if not values:
            return anomaly.summary
        factor = quantity.factor(anomaly.factor, anomaly.baseline, anomaly.observed)
        since = f", since {self.clock(anomaly.onset.at)} UTC" if anomaly.onset else ""
        return f"{self.what(fact, named=named)}: {values}{f' ({factor})' if factor else ''}{since}"


def stance_words(vote: Vote) -> str:
    """Where an agent stands, with the strength of its vote in nats."""
    word = POSITION_WORDS[vote.position]
    return word if vote.position is Position.ABSTAIN else f"{word} {quantity.number(vote.strength, 2)}"


def standing(snapshot: Snapshot) -> str:
    """Where an investigation stands that has no report, in words."""
    tasks, row = snapshot.tasks, snapshot.investigation
    done = sum(task.state is TaskState.DONE for task in tasks)
    progress = f"{done} of {count(len(tasks), 'task')} done, {count(len(snapshot.evidence), 'fact')} so far"
    if is_stalled(snapshot):
        dead = [
            f"{one.task.id} after {count(one.attempts, 'attempt')}: {_SAY.clean(one.error)}"
            for one in tasks
            if one.state is TaskState.DEAD
        ]
        return f"stalled, a person must look: {'; '.join(dead)}"
    return f"{'running' if row.state is InvestigationState.OPEN else row.state}: {progress}"


def is_stalled(snapshot: Snapshot) -> bool:
    """Whether no task is left that could go on."""
    states = {task.state for task in snapshot.tasks}
    over = not states & {TaskState.READY, TaskState.CLAIMED}
    return snapshot.investigation.state is InvestigationState.OPEN and over and TaskState.DEAD in states


def _kind(kind: CauseKind, detail: str) -> str:
    return f"{kind} ({detail.replace('_', ' ')})" if detail else str(kind)
