"""What Slack shows of an investigation: one message with the answer, and in its thread how it came about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from middlewatch.frontends import model_wording, quantity, runbook_wording, similar_wording
from middlewatch.frontends.model_votes import model_votes
from middlewatch.frontends.reading import as_shown, count, latest, tally
from middlewatch.frontends.slack.blocks import (
    SAY,
    Block,
    Content,
    Element,
    Part,
    break_,
    entry,
    fit,
    header,
    items,
    link,
    notification,
    paragraph,
    words,
)
from middlewatch.frontends.wording import Wording, stance_words
from middlewatch.records import (
    AgentName,
    Evidence,
    Handling,
    Handover,
    InvestigationState,
    Outcome,
    Position,
    RankedHypothesis,
    Snapshot,
    TaskKind,
    TaskState,
)
from middlewatch.similar import Earlier

LINES_OF_EVIDENCE = 3
_MORE_EVIDENCE = 8
_HYPOTHESES = 5
SEEN_BEFORE = 3
"""Earlier investigations in the thread; the first of them in the main message."""
_LINES = 6
"""Of what is missing, ruled out, to do next."""
_DOING = {
    TaskKind.PLAN: "the agents are being sent out",
    TaskKind.INVESTIGATE: "the agents look",
    TaskKind.HYPOTHESISE: "hypotheses are being formed",
    TaskKind.VOTE: "the agents vote",
    TaskKind.CONCLUDE: "it is being concluded",
    TaskKind.REASON: "language models look at what the rules answer",
    TaskKind.CHALLENGE: "a language model tries to refute it",
    TaskKind.WRITE: "the report is being written",
}
_STATES = {
    TaskState.READY: "waits",
    TaskState.CLAIMED: "looks",
    TaskState.DONE: "done",
    TaskState.DEAD: "gave up",
}


@dataclass(frozen=True, slots=True)
class Story:
    """What is told of an investigation itself; of one that is closed nothing of it changes any more.

    What rules answer is told as theirs while language models look at it, and gives way to the report.
    """

    headline: str
    parts: tuple[Part, ...]
    details: Content | None
    """What stands first in the thread; None until there is a report."""

    @classmethod
    def of(cls, snapshot: Snapshot, *, url: str = "", before: Sequence[Earlier] = ()) -> Story:
        """The story as it stands.

        Args:
            snapshot: what is known.
            url: of the investigation's page; empty where there is none.
            before: earlier investigations that are like it, the most alike first.
        """
        shown = as_shown(snapshot)
        if shown.report is not None:
            parts = (*_answer(shown, model_wording.by_rules(snapshot)), *_before(before[:1]))
        elif snapshot.investigation.state is InvestigationState.CANCELLED:
            parts = (Part((header(f"Cancelled: {snapshot.investigation.alert.title}"),)),)
        else:
            parts = tuple(_running(snapshot))
        return cls(notification(_headline(shown, preliminary=shown is not snapshot)), parts, _details(snapshot, url, before))


def main_message(
    story: Story, investigation: str, requests: Sequence[Part], handling: Handling, *, told: str = "", url: str = ""
) -> Content:
    """The one message of an investigation.

    Args:
        story: as it stands.
        investigation: its id.
        requests: what is asked of people, as `request_message` shows it.
        handling: who has it.
        told: how severe it is, and how many alerts it is about.
        url: of its page; empty where there is none.
    """
    has = "; ".join(part for part in (told, f"{SAY.named(handling.assignee)} has it" if handling.assignee else "") if part)
    parts = [*story.parts, *requests, Part((_foot(investigation, url, has),))]
    return Content(story.headline, fit(parts, more=_elsewhere(url)))


def _details(snapshot: Snapshot, url: str, before: Sequence[Earlier]) -> Content | None:
    if snapshot.report is None:
        return None
    report, wording = snapshot.report, Wording(snapshot.report)
    lines = {fact.id for fact in _proof(wording)}
    more = [fact for fact in wording.facts() if fact.id not in lines]
    parts = [Part((header("How the answer came about"),))]
    parts += [Part(blocks) for blocks in _hypotheses(wording)]
    parts += _models(wording)
    runbooks = [f"{runbook_wording.place(one, SAY)}: {runbook_wording.matched(one, report, SAY)}" for one in report.runbooks]
    lists = (
        ("More evidence", [wording.fact_line(fact, named=True) for fact in more], _MORE_EVIDENCE),
        ("Runbooks", runbooks, _LINES),
        ("Missing", report.missing or ("none of the data that was asked for",), _LINES),
        ("Next", report.next_steps, _LINES),
        ("Would decide", report.would_decide, _LINES),
        ("Ruled out", report.ruled_out, _LINES),
        ("Considered, and not proposed", report.considered, _LINES),
    )
    parts += [Part(_list(label, lines, most)) for label, lines, most in lists if lines]
    parts += _before(before)
    took = quantity.duration((report.closed_at - report.opened_at).total_seconds())
    parts.append(Part((entry("Took", f"{took}, {count(report.rounds, 'round')}, by {report.engine}"),)))
    return Content(notification("How the answer came about"), fit(parts, more=_elsewhere(url)))


def why(snapshot: Snapshot, *, url: str = "") -> tuple[Block, ...]:
    """Who is for and who against what, for somebody who asks."""
    report, whose = snapshot.report_so_far, model_wording.by_rules(snapshot)
    if report is None:
        return (paragraph(words(f"{snapshot.investigation.id} has no answer yet: {_phase(snapshot)}.")),)
    wording = Wording(report)
    lines = [words(report.answer, bold=True), break_(), words(_confidence(wording))]
    parts = [Part((paragraph(*lines, *([break_(), words(whose)] if whose else [])),))]
    parts += [Part(blocks) for blocks in _hypotheses(wording)]
    return fit([*parts, Part((_foot(snapshot.investigation.id, url),))], more=_elsewhere(url))


def _headline(shown: Snapshot, *, preliminary: bool) -> str:
    report, alert = shown.report, shown.investigation.alert
    if report is not None:
        return f"{'By rules: ' if preliminary else ''}{report.answer} {_confidence(Wording(report))}"
    state = "Cancelled" if shown.investigation.state is InvestigationState.CANCELLED else "Investigating"
    return f"{state}: {alert.title}"


def _running(snapshot: Snapshot) -> Iterator[Part]:
    investigation = snapshot.investigation
    alert = investigation.alert
    yield Part((header(f"Investigating: {alert.title}"),))
    told = [f"alert at {quantity.stamp(alert.detected_at)} UTC from {alert.source}"]
    if alert.symptom is not None:
        symptom = " ".join(SAY.named(part) for part in (alert.symptom.service, alert.symptom.metric) if part)
        told.insert(0, f"symptom {symptom}")
    yield Part((paragraph(words("; ".join(told)), break_(), words(f"Now {_phase(snapshot)}.", bold=True)),))
    lines = [[words(f"{agent}: ", bold=True), words(_progress(snapshot, agent), most=300)] for agent in investigation.agents]
    if lines:
        yield Part((items(lines),))


def _phase(snapshot: Snapshot) -> str:
    left = [status.task.kind for status in snapshot.tasks if status.state in {TaskState.READY, TaskState.CLAIMED}]
    if not left and any(status.state is TaskState.DEAD for status in snapshot.tasks):
        return "it cannot go on: a task was given up, and a person must look"
    return _DOING[left[0]] if left else "it waits for a worker"


def _progress(snapshot: Snapshot, agent: AgentName) -> str:
    tasks = [
        status
        for status in snapshot.tasks
        if status.task.kind is TaskKind.INVESTIGATE and status.task.arguments.get("agent") == agent.value
    ]
    if not tasks:
        return "waits"
    last = tasks[-1]
    facts = sum(fact.agent is agent for fact in snapshot.evidence)
    told = _STATES[last.state] + (f": {last.error}" if last.state is TaskState.DEAD and last.error else "")
    told += f", attempt {last.attempts}" if last.state is TaskState.CLAIMED and last.attempts > 1 else ""
    return f"{told}, {count(facts, 'fact')}" if facts or last.state is TaskState.DONE else told


def _answer(shown: Snapshot, by_rules: str) -> Iterator[Part]:
    report = shown.report
    assert report is not None  # noqa: S101  the caller looked
    wording = Wording(report)
    finding = report.outcome is Outcome.FINDING
    yield Part((header(f"{'Finding' if finding else 'No finding'}{', by rules' if by_rules else ''}: {report.alert.title}"),))
    if by_rules:
        yield Part((paragraph(words(by_rules, bold=True)),))
    lines = [words(wording.honest_answer, bold=True, most=1500), break_(), words(_confidence(wording))]
    cause = wording.leading.hypothesis.cause if finding and wording.leading else None
    if cause is not None:
        lines += [break_(), words(f"Kind: {wording.kind(cause)}", most=500)]
    if report.onset is not None:
        lines += [break_(), words(f"Began {wording.period(report.onset)} UTC")]
    if told := model_wording.in_short(report):
        lines += [break_(), words(f"Language models: {told}")]
    yield Part((paragraph(*lines),))
    facts = _proof(wording)
    if facts:
        yield Part((items([[words(wording.fact_line(fact), most=400)] for fact in facts]),))


def _confidence(wording: Wording) -> str:
    """In words and in per cent; where nothing is found, of the best guess."""
    report = wording.report
    sure = f"{quantity.percent(report.confidence)} ({quantity.likelihood(report.confidence)})"
    if report.outcome is Outcome.FINDING:
        return f"Confidence: {sure}."
    changed = quantity.changed(report.change_probability).capitalize()
    guess = f"; best guess {wording.name(wording.leading.hypothesis.service)}, {sure}" if wording.leading else ""
    return f"{changed}{guess}."


def _proof(wording: Wording) -> list[Evidence]:
    """The strongest facts for the answer, of different signals first."""
    facts = [fact for fact in wording.facts() if fact.anomaly.strength > 0 and wording.proves(fact)]
    firsts = [next(fact for fact in facts if fact.agent is agent) for agent in dict.fromkeys(fact.agent for fact in facts)]
    return [*firsts, *(fact for fact in facts if fact not in firsts)][:LINES_OF_EVIDENCE]


def _hypotheses(wording: Wording) -> Iterator[tuple[Block, ...]]:
    rows = wording.report.hypotheses
    for row in rows[:_HYPOTHESES]:
        yield _hypothesis(wording, row)
    if len(rows) > _HYPOTHESES:
        yield (paragraph(words(f"and {len(rows) - _HYPOTHESES} that are less likely")),)


def _hypothesis(wording: Wording, row: RankedHypothesis) -> tuple[Block, ...]:
    head = paragraph(
        words(f"{row.rank}. {row.hypothesis.statement}", bold=True, most=600),
        words(f" {quantity.percent(wording.chance(row))}; {tally(row) or 'no votes'}"),
    )
    votes = latest(row.votes).values()
    lines = [
        [
            words(
                f"{'Dissent: ' if row.rank == 1 and vote.position is Position.OPPOSE else ''}{vote.agent} {stance_words(vote)}",
                bold=True,
            ),
            words(f": {vote.reason}" if vote.reason else "", most=400),
        ]
        for vote in votes
    ]
    lines += [
        [words(f"{said.speaker} {said.words}", bold=True, most=300), words(f": {said.reason}" if said.reason else "", most=400)]
        for said in model_votes(wording.report, row)
    ]
    return (head, items(lines)) if lines else (head,)


def _models(wording: Wording) -> Iterator[Part]:
    """What language models said beside their votes, and what became of it."""
    work = wording.report.models
    if work is None:
        return
    if prose := model_wording.prose(work):
        yield Part((paragraph(words(f"{model_wording.IN_ITS_WORDS}: ", bold=True), words(prose)),))
    lines = []
    for share in model_wording.shares(work):
        claims = " ".join(SAY.clean(claim.text) for claim in share.claims)
        lines.append([words(share.words, bold=True, most=400), words(f": {claims}" if claims else "", most=900)])
    if lines:
        yield Part((paragraph(words("Language models", bold=True)), items(lines), paragraph(words(model_wording.CLAIMS_CHECKED))))
    if work.calls:
        yield Part((entry("What they cost", model_wording.investigation(work.calls)),))


def _before(before: Sequence[Earlier]) -> Iterator[Part]:
    """Earlier incidents that are like it, and what fixed them."""
    lines = [
        [
            words(f"{quantity.stamp(one.detected_at)} UTC: {similar_wording.fixed(one, SAY)}", bold=True, most=500),
            words(f"; {similar_wording.answer(one, SAY)}", most=500),
            words(f"; {similar_wording.alike(one, SAY)}", most=300),
        ]
        for one in before[:SEEN_BEFORE]
    ]
    if lines:
        yield Part((paragraph(words("Seen before", bold=True)), items(lines)))


def _list(label: str, lines: Sequence[str], most: int) -> tuple[Block, ...]:
    shown: list[list[Element]] = [[words(line, most=400)] for line in lines[:most]]
    if len(lines) > most:
        shown.append([words(f"and {len(lines) - most} more")])
    return (paragraph(words(label, bold=True)), items(shown))


def _foot(investigation: str, url: str, has: str = "") -> Block:
    told = f"{investigation}{f'; {has}' if has else ''}"
    return paragraph(words(told), *([words("; "), link(url, "the whole of it")] if url else []))


def _elsewhere(url: str) -> str:
    return "follow the link for the rest" if url else "the rest is on the web page"


def handover_message(handover: Handover) -> Content:
    """That somebody has it now, and what they were told."""
    who = f"{handover.by} gave it to {handover.to}" if handover.by != handover.to else f"{handover.by} has it"
    note = entry("Note", handover.note, most=2800) if handover.note else paragraph(words("without a note"))
    return Content(notification(who), fit([Part((paragraph(words(who, bold=True)), note))]))


def bare(content: Content) -> Content:
    """A message that Slack finds fault with, in its place."""
    return Content(content.text, (paragraph(words("Slack does not take the whole of this; it is on the web page.")),))
