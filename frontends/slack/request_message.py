"""What Slack shows of an approval request: what would run, whole, who decides and until when, and what became of it.

A button carries the request's id and the digest of what stands above it, nothing else. There is none where what would run does not
fit a message whole: what a person cannot read here they do not approve here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from middlewatch.cards import Card
from middlewatch.frontends.reading import count
from middlewatch.frontends.request_wording import SHORT_DIGEST, WAITING, RequestWording
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
from middlewatch.records import (
    ApprovalRequest,
    RequestState,
    RiskTier,
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
_MOST_NAMES = 6
_VALUE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._:-]{0,127}) ([0-9a-f]{64})")
S = RequestState
_TOO_LONG = paragraph(
    words("What would run is too long to be shown here whole. Decide on the web page or with the command.", bold=True)
)
_MODAL_BLOCKS = 90
"""Of the 100 that a modal may have."""
_LONGEST_TARGET = 300
_LONGEST_PARAMETERS = 800
"""Characters. What is longer is not cut but decided elsewhere."""


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
    told = RequestWording(card)
    text = f"{remediation.action} on {remediation.target} ({told.risk}): {told.state}"
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
    told, step, remediation = RequestWording(card), card.asked[number], card.request.remediation
    asked = f"{' and '.join(step.whom)} {'is' if len(step.whom) == 1 else 'are'} asked too"
    elements: list[Element] = [
        element for one in step.reaches for user in people.get(one, ()) for element in (mention(user), words(" "))
    ]
    nobody = "" if elements else " Policy names nobody of them in this workspace."
    text = (
        f"{remediation.action} on {SAY.named(remediation.target)} is undecided since {told.clock(card.asked[0].at)} UTC: {asked}."
    )
    end = f" Otherwise {told.nobody}." if told.nobody else ""
    return Content(notification(text), fit([Part((paragraph(*elements, words(f"{text}{end}{nobody}")),))]))


def recovery_message(card: Card) -> Content:
    """How the symptom went on after an execution."""
    remediation = card.request.remediation
    text = f"{remediation.action} on {SAY.named(remediation.target)}: {RequestWording(card).recovery}"
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
    pairs = RequestWording(card).pairs(remediation.parameters)
    if units(SAY.named(remediation.target)) > _LONGEST_TARGET or units(pairs) > _LONGEST_PARAMETERS:
        return None
    return literal(card.request.plan)


def _head(card: Card) -> tuple[Block, ...]:
    """What it does to what, how risky that is, where it stands, and what surrounds it."""
    request, told = card.request, RequestWording(card)
    remediation, waits = request.remediation, request.state in WAITING
    lines = [
        words(told.title, bold=True, most=_LONGEST_TARGET + 200),
        words(f" ({remediation.action}, {told.risk}): "),
        words(told.state, bold=True),
    ]
    if remediation.parameters:
        lines += [break_(), words(f"With {told.pairs(remediation.parameters)}", most=_LONGEST_PARAMETERS + 10)]
    said = (
        (told.why, ""),
        (told.held_up, "Held up: "),
        (told.halted, ""),
        (told.freeze, "Freeze: "),
        (remediation.expected_effect if waits else "", ""),
        (told.undo if waits else "", "Undo: "),
        (told.version if waits else "", "Version: "),
    )
    for text, label in said:
        lines += [break_(), words(f"{label}{text}", most=400)] if text else []
    return (paragraph(*lines),)


def _outcome(card: Card) -> tuple[Block, ...]:
    """Who decided, what came of it, and how the symptom went on."""
    told = RequestWording(card)
    texts = [*map(told.decision, card.request.approvals), told.took, told.result, told.recovery, told.glass]
    lines: list[Element] = [line for text in texts if text for line in (words(text, most=500), break_())]
    return (paragraph(*lines[:-1]),) if lines else ()


def _people(card: Card, url: str = "") -> tuple[Block, ...]:
    request, told = card.request, RequestWording(card)
    lines: list[Element] = []
    if request.state in WAITING and card.needs:
        names = [told.named(person.id) for person in card.deciders[:_MOST_NAMES]]
        more = len(card.deciders) - len(names)
        known = ", ".join(names) + (f" and {count(more, 'other')}" if more > 0 else "")
        lines += [words(f"Decides: {card.needs} ({known or 'policy knows NOBODY who is'})", most=500), break_()]
    if request.state in WAITING and card.overdue:
        lines += [words("Its time is OVER: it can only expire"), break_()]
    elif told.nobody:
        lines += [words(f"If nobody decides: {told.nobody}"), break_()]
    digest = f"; digest {request.digest[:SHORT_DIGEST]}" if request.digest else ""
    page = [words("; "), link(url, "its page")] if url else []
    return (paragraph(*lines, words(f"{request.id}, proposed by {told.proposer}{digest}"), *page),)


def _more(card: Card) -> tuple[Block, ...]:
    """What is read before a decision by somebody who wants to know it all."""
    request, spec = card.request, card.spec
    found = []
    if request.remediation.expected_effect:
        found.append(entry("Why", request.remediation.expected_effect))
    found += [entry("Known", note, most=600) for note in request.notes]
    if spec is not None:
        found += [entry("Touches", spec.blast_radius), entry("Needs first", spec.precondition), entry("Worked if", spec.effect)]
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
    pairs = RequestWording(card).pairs(remediation.parameters)
    said = f"{remediation.action} on {remediation.target}" + (f" with {pairs}" if pairs else "")
    return confirmation(title, f"{said}: {' '.join(card.request.plan)}", yes)


def _view(card: Card) -> Block:
    request = card.request
    value = str(Subject(request.id, request.digest))
    return buttons(f"{request.id}:{request.digest[:SHORT_DIGEST]}", button(VIEW, "Look closer", value))
