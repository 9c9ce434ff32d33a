"""What language models did and cost, in words: the same on every face."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from middlewatch.frontends import quantity
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.reading import count
from middlewatch.frontends.wording import is_stalled
from middlewatch.model_costs import ModelCosts
from middlewatch.records import (
    AgentName,
    AgentReasoning,
    CallOutcome,
    ChallengeVerdict,
    CitedClaim,
    InvestigationState,
    ModelCall,
    ModelWork,
    Position,
    Rejection,
    Report,
    Snapshot,
    Voice,
)
from middlewatch.records.model_spend import ModelSum, spends, summed

_SAY = Quotation()
LOOKING = "These are the rules' words. Language models are looking at it, for a minute at most."
STALLED = "These are the rules' words. What was to be done after them was given up: a person must look."
LEFT = "These are the rules' words. It was cancelled before language models had looked at it."
CHECKED = "numbers, names and changes are checked against the evidence; the rest is the model's"
"""Of the outcome in a model's words."""
IN_ITS_WORDS = f"In a language model's words ({CHECKED})"
CLAIMS_CHECKED = "In claims and reasons, numbers and changes are checked against what they cite; the rest is the model's."
_WHY = {
    Rejection.UNCITED: "cited nothing, or what is not there",
    Rejection.CHANGE: "cited no change",
    Rejection.NUMBER: "a number that its evidence does not have",
    Rejection.CONTRADICTORY: "a probability that contradicts its vote",
    Rejection.UNRELATED: "without evidence about what it judges",
    Rejection.SURPLUS: "said before, or more than is looked at",
}
VERDICTS = {
    ChallengeVerdict.STANDS: "could not refute it",
    ChallengeVerdict.UNDECIDED: "neither refuted it nor bore it out",
    ChallengeVerdict.REFUTED: "calls it refuted",
}
"""What the challenger came to."""

COLUMNS = ("calls", "unanswered", "read", "cached", "written", "thought", "dollars", "mean", "longest")


def days(found: ModelCosts) -> str:
    """Which days, and in how many investigations a model was asked."""
    asked = count(found.investigations, "investigation")
    return f"{found.first.isoformat()} to {found.last.isoformat()} (UTC): {asked} in which a language model was asked"


def investigation(calls: Sequence[ModelCall]) -> str:
    """What one investigation's calls add up to, by model."""
    rows = spends(calls)
    models = ", ".join(dict.fromkeys(_SAY.named(row.model) for row in rows))
    return f"{told(summed(rows))}; {models}" if rows else "none was asked"


def by_rules(snapshot: Snapshot) -> str:
    """Of the rules' answer while it is all that there is: that it is theirs, and what comes. Empty where there is a report."""
    if snapshot.report is not None or snapshot.preliminary is None:
        return ""
    if snapshot.investigation.state is not InvestigationState.OPEN:
        return LEFT
    return STALLED if is_stalled(snapshot) else LOOKING


@dataclass(frozen=True, slots=True)
class Share:
    """What one agent's dialogue with its model came to."""

    words: str
    claims: tuple[CitedClaim, ...]


def shares(work: ModelWork) -> tuple[Share, ...]:
    """Of each agent, in their order; `problems` tells of those whose dialogue was given up."""
    order = list(AgentName)
    held = [one for one in work.reasoning if not one.problem]
    return tuple(Share(_share(one), one.claims) for one in sorted(held, key=lambda one: order.index(one.agent)))


def _share(one: AgentReasoning) -> str:
    whose = f"{one.agent} agent's model"
    held = count(len(one.claims), "claim")
    if one.carried_from is not None:
        return f"{whose} was not asked again: {held} of {one.carried_from}, the same incident before, on the facts of today"
    rejected = f", {_rejected(one)}" if one.rejected else ""
    looked = f"; {count(one.tools, 'tool call')}" if one.tools else ""
    found = f", which found {count(len(one.added), 'fact')} more" if one.added else ""
    return f"{whose}: {held} accepted{rejected}{looked}{found}"


def _rejected(one: AgentReasoning) -> str:
    """How much was not accepted and why; why is not known of reports stored before it was kept."""
    why = ", ".join(f"{one.rejected_for[reason]} {_WHY[reason]}" for reason in Rejection if reason in one.rejected_for)
    return f"{one.rejected} rejected" + (f": {why}" if why else "")


def in_short(report: Report) -> str:
    """What models say of the answer, on a line; empty where none was asked."""
    return "; ".join(_in_short(report)) if report.models is not None else ""


def _in_short(report: Report) -> Iterator[str]:
    work, leading = report.models, report.hypotheses[0] if report.hypotheses else None
    assert work is not None  # noqa: S101  the caller looked
    if _unheard(work):
        yield _why_unheard(work)
        yield "this is the rules' answer"
        return
    votes = [vote for vote in leading.votes if vote.voice is Voice.MODEL] if leading else []
    sides = [(sum(vote.position is side for vote in votes), word) for side, word in _SIDES.items()]
    if votes:
        counts = "" if any(vote.weight for vote in votes) else " (counts for nothing)"
        yield ", ".join(f"{number} {word}" for number, word in sides if number) + counts
    if work.challenge is not None and leading is not None and work.challenge.hypothesis == leading.hypothesis.id:
        yield f"challenge: {_SHORT_VERDICTS[work.challenge.verdict]}"
    if carried := sum(one.carried_from is not None for one in work.reasoning):
        yield f"{carried} as before"
    if work.failed:
        yield f"{work.failed} failed{f' ({why})' if (why := _commonest(work)) else ''}"
    if rejected := sum(one.rejected for one in work.reasoning):
        yield f"{rejected} rejected"


def _unheard(work: ModelWork) -> bool:
    """Whether all that models did came to nothing."""
    heard = any(not one.problem for one in work.reasoning) or work.challenge is not None
    return bool(work.reasoning) and not heard and not work.sentence and not work.prose


def _why_unheard(work: ModelWork) -> str:
    """Why no model had a word in it."""
    calls = [call for call in work.calls if call.outcome is not CallOutcome.OVER_BUDGET]
    why = _commonest(work)
    if calls:
        return f"none answered, {why}" if all(call.outcome is not CallOutcome.ANSWERED for call in calls) else f"none helped, {why}"
    return "not asked, the budget allows no call" if work.calls else f"not asked, {why}"


def _commonest(work: ModelWork) -> str:
    """What became of the most agents' models, in a short phrase of ours."""
    problems = Counter(one.problem for one in work.reasoning if one.problem)
    if not problems:
        return ""
    what, _, detail = problems.most_common(1)[0][0].removesuffix(", asked moments ago").partition(": ")
    return _SAY.clean(detail if what == "gave no answer" else what)


_SHORT_VERDICTS = {
    ChallengeVerdict.STANDS: "not refuted",
    ChallengeVerdict.UNDECIDED: "undecided",
    ChallengeVerdict.REFUTED: "REFUTED",
}
_SIDES = {Position.SUPPORT: "for", Position.OPPOSE: "against", Position.ABSTAIN: "undecided"}


def prose(work: ModelWork | None) -> str:
    """The outcome in a model's words, where they held against the evidence."""
    return _SAY.clean(f"{work.sentence} {work.prose}".strip()) if work is not None else ""


def challenged(work: ModelWork) -> str:
    """What became of the attempt to refute the leading hypothesis."""
    made = work.challenge
    return f"the challenger {VERDICTS[made.verdict]}: {_SAY.clean(made.reason)}" if made else ""


def cost(added: ModelSum) -> str:
    """Dollars, and what is not in them."""
    unknown = f"{count(added.unpriced, 'call')} of unknown price"
    if added.dollars is None:
        return unknown if added.unpriced < added.calls else "unknown price"
    known = f"{_at_most(added)}${added.dollars:,.4f}" if added.dollars < 1 else f"{_at_most(added)}${added.dollars:,.2f}"
    return f"{known} and {unknown}" if added.unpriced else known


def _at_most(added: ModelSum) -> str:
    """Before numbers that are bounds: of calls of which nobody said what they took, the most that it can be is counted."""
    return "at most " if added.bounded else ""


def told(added: ModelSum) -> str:
    """All of it, in a sentence without its full stop."""
    failed = f" ({added.unanswered} unanswered)" if added.unanswered else ""
    not_made = f", {added.not_made} not made for want of budget" if added.not_made else ""
    tokens = added.tokens
    cached = f" ({tokens.cached:,} of them cached)" if tokens.cached else ""
    thought = f" ({tokens.reasoning:,} of them thought)" if tokens.reasoning else ""
    latency = ""
    if added.mean_seconds is not None:
        latency = f", {quantity.duration(added.mean_seconds)} a call, the longest {quantity.duration(added.longest_seconds)}"
    return (
        f"{count(added.calls, 'call')}{failed}{not_made}, {_at_most(added)}{tokens.prompt:,} tokens read{cached}, "
        f"{_at_most(added)}{tokens.output:,} written{thought}, {cost(added)}{latency}"
    )


def cells(added: ModelSum) -> tuple[str, ...]:
    """One row of a table, in the order of `COLUMNS`."""
    tokens = added.tokens
    mean = quantity.duration(added.mean_seconds) if added.mean_seconds is not None else "-"
    most = _at_most(added)
    read, written = f"{most}{tokens.prompt:,}", f"{most}{tokens.output:,}"
    shown = (f"{added.calls:,}", f"{added.unanswered:,}", read, f"{tokens.cached:,}", written, f"{tokens.reasoning:,}")
    return (*shown, cost(added), mean, quantity.duration(added.longest_seconds))
