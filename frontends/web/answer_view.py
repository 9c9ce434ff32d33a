"""The top of the page: the answer in one sentence, and what somebody at 2 a.m. asks next: how sure, what hurts, since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from middlewatch.frontends import model_wording, quantity
from middlewatch.frontends.model_votes import calibration
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.reading import count
from middlewatch.frontends.wording import Wording, is_stalled
from middlewatch.records import Evidence, InvestigationState, Outcome, Report, Snapshot, TaskState, TaskStatus

_SAY = Quotation()
_MOST_FAILED = 8
"""Tasks that are told; one would do."""


@dataclass(frozen=True, slots=True)
class KeyFact:
    """One of the figures under the answer."""

    name: str
    figure: str
    text: str


@dataclass(frozen=True, slots=True)
class AnswerView:
    """What is read first."""

    sentence: str
    note: str
    state: str
    look: str
    """Which class of `state-...` it is drawn with."""
    figures: tuple[KeyFact, ...]
    prose: str = ""
    whose_prose: str = f"{model_wording.IN_ITS_WORDS}:"
    """The same in a language model's words."""


@dataclass(frozen=True, slots=True)
class AgentView:
    """How far an agent is."""

    name: str
    state: str
    look: str
    words: str
    facts: int
    seconds: str


def answer_view(snapshot: Snapshot) -> AnswerView:
    """The answer, or where the investigation stands."""
    report = snapshot.report_so_far
    if report is None:
        return _no_answer(snapshot)
    words = Wording(report)
    finding = report.outcome is Outcome.FINDING
    cause = report.hypotheses[0].hypothesis.cause if report.hypotheses else None
    also = [f"{words.name(one.service)}, {quantity.percent(one.confidence)} sure" for one in report.causes[1:]]
    note = f"What went wrong: {words.kind(cause)}." if finding and cause else ""
    note += f" A second cause: {'; '.join(also)}." if also else ""
    outcome = "finding" if finding else "inconclusive"
    open_ = snapshot.report is None
    note += f" {model_wording.by_rules(snapshot)}"
    return AnswerView(
        sentence=_SAY.clean(words.honest_answer),
        note=_SAY.clean(note.strip()),
        state=f"{outcome}, by rules" if open_ else outcome,
        look="working" if open_ else "resolved" if finding else "inconclusive",
        figures=(_confidence(report, words), _impact(snapshot), _began(report, words), _effort(snapshot, report, asked=open_)),
        prose=model_wording.prose(report.models),
    )


def agents_view(snapshot: Snapshot) -> tuple[AgentView, ...]:
    """What each agent is doing; the last round of each."""
    last: dict[str, TaskStatus] = {}
    for status in snapshot.tasks:
        if status.task.kind == "investigate":
            last[str(status.task.arguments.get("agent"))] = status
    return tuple(_agent(name, status, snapshot) for name, status in last.items())


def newest_first(facts: Sequence[Evidence]) -> list[Evidence]:
    """While nothing is decided, the strongest facts first: the order says nothing about the cause."""
    return sorted(facts, key=lambda fact: -fact.anomaly.strength)


def _no_answer(snapshot: Snapshot) -> AnswerView:
    found = snapshot.investigation
    title = _SAY.clean(found.alert.title)
    if found.state is InvestigationState.CANCELLED:
        return AnswerView(f"Cancelled without an answer: {title}", "", "cancelled", "expired", ())
    if is_stalled(snapshot):
        note = "No task is left that could go on: a person must look. Mend what failed, then have it investigated again."
        return AnswerView(f"It cannot go on: {title}", note, "stalled", "approval", _failed(snapshot))
    agents = agents_view(snapshot)
    reported, failed = (sum(one.state == state for one in agents) for state in ("reported", "failed"))
    when = f"{failed} failed: the answer comes without, and says so." if failed else "The answer comes when all have."
    figures = (
        KeyFact("Agents", f"{reported} of {len(agents)} reported" if agents else "starting", when),
        KeyFact("Facts so far", str(len(snapshot.evidence)), "Their order says nothing about the cause."),
    )
    note = "It reads, and changes nothing. Wait for the verdict before you act on a single fact."
    return AnswerView(f"No cause yet: {title}", note, "investigating", "working", figures)


def _failed(snapshot: Snapshot) -> tuple[KeyFact, ...]:
    """What was given up, and why."""
    dead = [one for one in snapshot.tasks if one.state is TaskState.DEAD]
    return tuple(
        KeyFact(f"Failed after {count(one.attempts, 'attempt')}", _SAY.clean(one.task.id), f"{_SAY.clean(one.error)}.")
        for one in dead[:_MOST_FAILED]
    )


def _confidence(report: Report, words: Wording) -> KeyFact:
    sure = quantity.percent(report.confidence)
    changed = f"{quantity.changed(report.change_probability)} at all"
    if report.outcome is Outcome.FINDING:
        text = f"{quantity.likelihood(report.confidence).capitalize()} that this is where it started; {changed}."
        text += f" Calibrated {calibration(report.calibration)}." if report.calibration else ""
        return KeyFact("Confidence in where", f"{sure} sure", text)
    guess = f"Best guess {words.name(words.leading.hypothesis.service)}, {sure}; not enough to name it." if words.leading else ""
    return KeyFact("Confidence", quantity.changed(report.change_probability).capitalize(), guess)


def _impact(snapshot: Snapshot) -> KeyFact:
    """The strongest fact about what alarmed."""
    symptom = snapshot.investigation.alert.symptom
    if symptom is None:
        return KeyFact("Symptom", "not named", "The alert names no service.")
    own = [fact for fact in snapshot.evidence if fact.anomaly.service == symptom.service and fact.anomaly.observed is not None]
    own.sort(key=lambda fact: (fact.anomaly.subject != symptom.metric, -fact.anomaly.strength))
    if not own:
        return KeyFact("Symptom", _SAY.clean(symptom.service), "Nothing unusual was seen in it beside the alert.")
    worst = own[0].anomaly
    figure = _SAY.clean(quantity.pair(worst.baseline, worst.observed, worst.unit))
    return KeyFact(f"Symptom: {_SAY.clean(symptom.service)}", figure, f"{_SAY.clean(worst.summary)}.")


def _began(report: Report, words: Wording) -> KeyFact:
    alert = report.alert
    if report.onset is None:
        return KeyFact("Began", "unknown", f"The alert came at {quantity.stamp(alert.detected_at)} UTC.")
    onset = report.onset
    ahead = (alert.detected_at - onset.at).total_seconds()
    gap = f"{quantity.duration(abs(ahead))} {'before' if ahead >= 0 else 'after'} the alert"
    earliest, latest = words.clock(onset.earliest), words.clock(onset.latest)
    figure = earliest if earliest == latest else f"{earliest} to {latest}"
    return KeyFact("Began", figure, f"UTC; most likely at {words.clock(onset.at)}, {gap}.")


def _taken(snapshot: Snapshot, report: Report) -> str:
    """Until rules had answered, which is shown at once, and until models were done; each as it was recorded."""
    whole = quantity.duration((report.closed_at - report.opened_at).total_seconds())
    if not report.models:
        return whole
    answered = snapshot.answered_at
    if answered is None:
        return f"{whole} with models"
    seconds = max(0.0, (answered - report.opened_at).total_seconds())
    return f"{quantity.duration(seconds)} by rules, {whole} with models"


def _effort(snapshot: Snapshot, report: Report, *, asked: bool) -> KeyFact:
    models = "language models were asked after that" if report.models else "no model was asked"
    models = "language models are being asked" if asked else models
    alone = "" if report.models or asked else " alone"
    text = f"By rules{alone}, in {count(report.rounds, 'round')}, out of {count(len(report.evidence), 'fact')}; {models}."
    return KeyFact("Time to the answer", _taken(snapshot, report), text)


_STATES = {
    TaskState.DONE: ("reported", "resolved"),
    TaskState.CLAIMED: ("working", "working"),
    TaskState.READY: ("waits for a worker", "expired"),
    TaskState.DEAD: ("failed", "approval"),
}


def _agent(name: str, status: TaskStatus, snapshot: Snapshot) -> AgentView:
    state, look = _STATES[status.state]
    own = [fact for fact in snapshot.evidence if fact.agent == name]
    best = max(own, key=lambda fact: fact.anomaly.strength, default=None)
    words = best.anomaly.in_short if best else "nothing found" if status.state is TaskState.DONE else ""
    if status.state is TaskState.DEAD:
        words = status.error
    taken = status.result.get("seconds") if status.result else None
    seconds = quantity.duration(float(taken)) if isinstance(taken, int | float) else ""
    return AgentView(name, state, look, _SAY.clean(words), len(own), seconds)
