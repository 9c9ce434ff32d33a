"""What Slack shows of an approval request: what would run, whole, who decides and until when, and what became of it.

A button carries the request's id and the digest of what stands above it, nothing else. There is none where what would run does not
fit a message whole: what a person cannot read here they do not approve here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from middlewatch.cards import Card
from middlewatch.frontends import quantity
from middlewatch.frontends.reading import count
from middlewatch.frontends.slack.blocks import (
    SAY,
    TITLE_CHARACTERS,
    Block,
    Content,
    Element,
    Part,
    break_,
    button,
    buttons,
    confirmation,
    entry,
    fit,
    link,
    literal,
    mention,
    notification,
    paragraph,
    plain,
    units,
    words,
)
from middlewatch.frontends.wording import RECOVERY_WORDS
from middlewatch.records import (
    ORCHESTRATOR,
    Approval,
    ApprovalRequest,
    Decision,
    Execution,
    RequestState,
    RiskTier,
    Scalar,
)
from middlewatch.records.errors import BadInput

APPROVE = "approve"
APPROVE_IN_MODAL = "approve_with_reason"
DENY = "deny"
VIEW = "view"
DECIDE = "decide"
REASON = "reason"
LONGEST_REASON = 2000
"""As the gateway keeps it."""
SHORT_DIGEST = 8
_MOST_NAMES = 6
_VALUE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._:-]{0,127}) ([0-9a-f]{64})")
S = RequestState
_STATES = {
    S.PREPARING: "the executor looks at the target; then people are asked",
    S.PENDING: "waits for a decision",
    S.APPROVED: "approved; waits for the executor",
    S.EXECUTING: "is being executed",
    S.UNKNOWN: "UNKNOWN: nobody can tell yet whether it was done",
    S.SUCCEEDED: "done",
    S.FAILED: "failed",
    S.DENIED: "denied: nothing ran",
    S.EXPIRED: "expired: nothing ran",
    S.SUPERSEDED: "void: nothing ran",
    S.REFUSED: "refused: nothing ran",
}
_TOO_LONG = paragraph(
    words("What would run is too long to be shown here whole. Decide on the web page or with the command.", bold=True)
)
_MODAL_BLOCKS = 90
"""Of the 100 that a modal may have."""
_LONGEST_TARGET = 300
_LONGEST_PARAMETERS = 800
"""Characters. What is longer is not cut but decided elsewhere."""
_WAITING = frozenset({S.PREPARING, S.PENDING, S.APPROVED})


@dataclass(frozen=True, slots=True)
class Subject:
    """What a button is about."""

    request: str
    digest: str

    def __str__(self) -> str:
        """As the button carries it."""
        return f"{self.request} {self.digest}"

    @classmethod
    def parse(cls, value: str) -> Subject:
        """What a button carried.

        Raises:
            BadInput: it is nothing that this version writes.
        """
        found = _VALUE.fullmatch(value)
        if found is None:
            raise BadInput("This button is of another version.", remedy="Look at the message again.")
        return cls(found[1], found[2])


def request_part(card: Card, *, brief: bool = False, url: str = "") -> Part:
    """A request in a message, with its buttons; without them where what would run has no room.

    Args:
        card: the request with what surrounds it.
        brief: whether a request that nobody decides any more is told in two paragraphs.
        url: of its page; empty where there is none.
    """
    head, tail, plan = _head(card), (*_outcome(card), *_people(card, url)), _plan(card)
    short = (*head, *_outcome(card)) if _outcome(card) else head
    if card.request.state is not S.PENDING or card.overdue:
        return Part(short) if brief else Part((*head, *(plan or ()), *tail), short)
    if plan is None:
        return Part((*head, _TOO_LONG, *tail, _view(card)), (*head, _TOO_LONG, _view(card)))
    return Part((*head, *plan, *tail, _buttons(card)), (*head, _TOO_LONG, _view(card)))


def request_message(card: Card, *, url: str = "") -> Content:
    """A request's own message, in the thread."""
    remediation = card.request.remediation
    text = f"{remediation.action} on {remediation.target} ({_risk(card.request)}): {_STATES[card.request.state]}"
    return Content(notification(text), fit([request_part(card, url=url)]))


def untold(request: ApprovalRequest, why: str) -> Part:
    """A request that cannot be shown now, and so cannot be decided here."""
    remediation = request.remediation
    return Part((entry(f"{remediation.action} on {remediation.target}", f"{request.id} is {request.state}; {why}"),))


def asked_message(card: Card, number: int, people: Mapping[str, tuple[str, ...]]) -> Content:
    """The next level is asked: those who are it, by name, so that they are told.

    Args:
        card: of the request.
        number: which of those who were asked, from 1; 0 are those whom the rule requires.
        people: Slack ids in this workspace by principal.
    """
    step, remediation = card.asked[number], card.request.remediation
    asked = f"{' and '.join(step.whom)} {'is' if len(step.whom) == 1 else 'are'} asked too"
    elements: list[Element] = [
        element for one in step.reaches for user in people.get(one, ()) for element in (mention(user), words(" "))
    ]
    nobody = "" if elements else " Policy names nobody of them in this workspace."
    text = (
        f"{remediation.action} on {SAY.named(remediation.target)} is undecided since {_clock(card, card.asked[0].at)} UTC: {asked}."
    )
    end = f" At {_clock(card, card.ends_at)} UTC it expires and nothing runs." if card.ends_at else ""
    return Content(notification(text), fit([Part((paragraph(*elements, words(f"{text}{end}{nobody}")),))]))


def recovery_message(request: ApprovalRequest) -> Content:
    """How the symptom went on after an execution."""
    execution = request.execution
    assert execution is not None  # noqa: S101  the caller looked
    assert execution.recovery is not None  # noqa: S101  likewise
    text = f"{request.remediation.action} on {SAY.named(request.remediation.target)}: {_recovered(execution)}"
    return Content(notification(text), fit([Part((paragraph(words(text, bold=True)),))]))


def decision_modal(card: Card) -> Block | None:
    """Asks for a reason, below the very action that is approved; None where that has no room whole."""
    plan = _plan(card)
    if plan is None:
        return None
    whole = (*_head(card), *plan, *_people(card))
    if fit([Part(whole)], most=_MODAL_BLOCKS) != whole:
        return None
    reason: Block = {
        "type": "input",
        "block_id": REASON,
        "label": plain("Why", 100),
        "optional": not card.request.rule.reason_required,
        "element": {"type": "plain_text_input", "action_id": REASON, "multiline": True, "max_length": LONGEST_REASON},
    }
    return {
        "type": "modal",
        "callback_id": DECIDE,
        "private_metadata": str(Subject(card.request.id, card.request.digest)),
        "title": plain("Approve this?", TITLE_CHARACTERS),
        "submit": plain("Approve", TITLE_CHARACTERS),
        "close": plain("Back", TITLE_CHARACTERS),
        "blocks": [*whole, reason],
    }


def view_modal(card: Card) -> Block:
    """Everything about a request, for one person."""
    plan = _plan(card)
    parts = [Part(_head(card)), Part(plan or (), (_TOO_LONG,)) if plan is not None else Part((_TOO_LONG,))]
    parts += [Part((block,)) for block in (*_outcome(card), *_people(card), *_more(card))]
    return {
        "type": "modal",
        "title": plain("Request", TITLE_CHARACTERS),
        "close": plain("Close", TITLE_CHARACTERS),
        "blocks": [*fit(parts, most=_MODAL_BLOCKS)],
    }


def _plan(card: Card) -> tuple[Block, ...] | None:
    """What would run, to the last character; None where it, or what it runs with, is too long for that."""
    remediation = card.request.remediation
    if units(SAY.named(remediation.target)) > _LONGEST_TARGET or units(_pairs(remediation.parameters)) > _LONGEST_PARAMETERS:
        return None
    return literal(card.request.plan)


def _head(card: Card) -> tuple[Block, ...]:
    """What it does to what, how risky that is, and where it stands."""
    request, spec = card.request, card.spec
    remediation = request.remediation
    title = spec.title if spec else "no longer in the catalogue"
    lines = [
        words(f"{title} on {SAY.named(remediation.target)}", bold=True, most=_LONGEST_TARGET + 200),
        words(f" ({remediation.action}, {_risk(request)}): "),
        words(_STATES[request.state], bold=True),
    ]
    if remediation.parameters:
        lines += [break_(), words(f"With {_pairs(remediation.parameters)}", most=_LONGEST_PARAMETERS + 10)]
    if (request.state.terminal and request.execution is None) or request.state is S.UNKNOWN:
        lines += [break_(), words(request.why, most=400)]
    if request.held_up:
        lines += [break_(), words(f"Held up: {request.held_up}", most=400)]
    if card.halt is not None and not request.state.terminal:
        lines += [break_(), words(f"EVERYTHING IS HALTED by {SAY.named(card.halt.by)}; nothing begins", bold=True)]
    if card.freeze and request.state in _WAITING:
        lines += [break_(), words(card.freeze, most=300)]
    if remediation.expected_effect and request.state in _WAITING:
        lines += [break_(), words(remediation.expected_effect, most=300)]
    if spec is not None and request.state in _WAITING:
        lines += [break_(), words(f"{spec.undo} takes it back" if spec.undo else "NOTHING takes it back")]
    if request.bound is not None and request.state in _WAITING:
        lines += [break_(), words(f"Version {_pairs(request.bound.target_version) or 'unknown'}", most=400)]
    return (paragraph(*lines),)


def _outcome(card: Card) -> tuple[Block, ...]:
    request = card.request
    lines: list[Element] = [line for said in request.approvals for line in (words(_decision(card, said), most=500), break_())]
    execution = request.execution
    if execution is not None:
        lines += [words(_took(card, execution), most=600), break_()]
        if execution.recovery is not None:
            lines += [words(_recovered(execution), bold=True, most=500), break_()]
    return (paragraph(*lines[:-1]),) if lines else ()


def _people(card: Card, url: str = "") -> tuple[Block, ...]:
    request = card.request
    lines: list[Element] = []
    if request.state in _WAITING and card.needs:
        names = [SAY.named(person.id) for person in card.deciders[:_MOST_NAMES]]
        more = len(card.deciders) - len(names)
        known = ", ".join(names) + (f" and {count(more, 'other')}" if more > 0 else "")
        lines += [words(f"Decides: {card.needs} ({known or 'policy knows NOBODY who is'})", most=500), break_()]
    if request.state in _WAITING and card.ends_at is not None:
        over = "Its time is OVER" if card.overdue else f"Expires at {_clock(card, card.ends_at)} UTC; silence never approves"
        lines += [words(over), break_()]
    proposer = "middlewatch" if request.remediation.proposed_by == ORCHESTRATOR else SAY.named(request.remediation.proposed_by)
    digest = f"; digest {request.digest[:SHORT_DIGEST]}" if request.digest else ""
    page = [words("; "), link(url, "its page")] if url else []
    return (paragraph(*lines, words(f"{request.id}, proposed by {proposer}{digest}"), *page),)


def _more(card: Card) -> tuple[Block, ...]:
    """What is read before a decision by somebody who wants to know it all."""
    request, spec = card.request, card.spec
    found = []
    if request.remediation.expected_effect:
        found.append(entry("Why", request.remediation.expected_effect))
    found += [entry("Known", note, most=600) for note in request.notes]
    if spec is not None:
        back = f"{spec.undo} takes it back, and needs an approval too" if spec.undo else "NOTHING takes it back"
        found += [entry("Touches", spec.blast_radius), entry("Needs first", spec.precondition)]
        found += [entry("Worked if", spec.effect), entry("Undo", back)]
    found += [entry("Tier", step, most=400) for step in request.rule.tier_because]
    if request.remediation.note:
        who = SAY.named(request.remediation.proposed_by)
        found.append(entry("Untrusted", f"by {who}, checked by nobody: {SAY.quoted(request.remediation.note)}"))
    if request.digest:
        found.append(entry("Digest", request.digest))
    return tuple(found)


def _buttons(card: Card) -> Block:
    request = card.request
    value = str(Subject(request.id, request.digest))
    approve = _sure(card, "Approve this?", "Approve")
    modal = request.rule.reason_required or request.rule.tier is RiskTier.HIGH or approve is None
    yes = (
        button(APPROVE_IN_MODAL, "Approve…", value, style="primary")
        if modal
        else button(APPROVE, "Approve", value, style="primary", confirm=approve)
    )
    no = button(DENY, "Deny", value, style="danger", confirm=confirmation("Deny this?", "Nothing runs then.", "Deny"))
    return buttons(f"{request.id}:{request.digest[:SHORT_DIGEST]}", yes, no, button(VIEW, "Look closer", value))


def _sure(card: Card, title: str, yes: str) -> Element | None:
    """The exact action once more, in the dialog of a button; None where it does not fit there."""
    remediation = card.request.remediation
    said = f"{remediation.action} on {remediation.target}" + (
        f" with {_pairs(remediation.parameters)}" if remediation.parameters else ""
    )
    return confirmation(title, f"{said}: {' '.join(card.request.plan)}", yes)


def _view(card: Card) -> Block:
    request = card.request
    value = str(Subject(request.id, request.digest))
    return buttons(f"{request.id}:{request.digest[:SHORT_DIGEST]}", button(VIEW, "Look closer", value))


def _decision(card: Card, said: Approval) -> str:
    verb = "approved" if said.decision is Decision.APPROVE else "denied"
    role = f", a {said.role}," if said.role else ""
    reason = f": {SAY.quoted(said.reason)}" if said.reason else ""
    face = f" ({said.face})" if said.face else ""
    alone = "; who also proposed it, as a sole operator" if said.sole_operator else ""
    return f"{SAY.named(said.principal)}{role} {verb} it at {_clock(card, said.at)} UTC{face}{reason}{alone}"


def _took(card: Card, execution: Execution) -> str:
    text = f"Began {_clock(card, execution.began_at)} UTC"
    if execution.ended_at is not None:
        text += f", took {quantity.duration(max(0.0, (execution.ended_at - execution.began_at).total_seconds()))}"
    if execution.result is not None:
        text += f": {execution.result.detail or str(execution.result.result).replace('_', ' ')}"
    return text


def _recovered(execution: Execution) -> str:
    assert execution.recovery is not None  # noqa: S101  the callers looked
    after = ""
    if execution.recovered_at and execution.ended_at:
        after = f" after {quantity.duration((execution.recovered_at - execution.ended_at).total_seconds())}"
    return f"{RECOVERY_WORDS[execution.recovery]}{after}{f'. {execution.recovery_note}' if execution.recovery_note else ''}"


def _risk(request: ApprovalRequest) -> str:
    return "runs by policy" if request.rule.tier is RiskTier.INFO else f"{request.rule.tier} risk"


def _pairs(values: Mapping[str, Scalar]) -> str:
    shown = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()}
    return ", ".join(f"{SAY.named(name)} {SAY.named(value)}" for name, value in shown.items())


def _clock(card: Card, moment: datetime) -> str:
    return quantity.clock(moment, card.now.date())
