"""An approval request on a terminal, for somebody who has just been woken up and has to decide.

What would run comes first and always in full, then on what, why, what it touches, how to take it back, who decides, and what
happens if nobody does. The layout is ours: nothing that somebody else wrote stands at the edge of the page, and prose by whoever
proposed it comes last, in quotation marks, under a label that says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from middlewatch.frontends import quantity
from middlewatch.frontends.cli.page import Page, Span, Tone
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.reading import count
from middlewatch.frontends.wording import RECOVERY_WORDS
from middlewatch.records import (
    ORCHESTRATOR,
    ActionResult,
    Approval,
    Decision,
    Execution,
    Principal,
    Recovery,
    RequestState,
    RiskTier,
    Scalar,
)

if TYPE_CHECKING:
    from middlewatch.cards import Asked, Card

S = RequestState
SHORT_DIGEST = 8
"""Characters of a digest that a person types to approve it: 32 bits of what a thief of keystrokes does not choose."""
_MOST_NAMES = 6
_BRIEF_LINES = 2
_STATES = {
    S.PREPARING: ("the executor looks at the target; then people are asked", Tone.WORK),
    S.PENDING: ("waits for a decision", Tone.WAIT),
    S.APPROVED: ("approved; waits for the executor", Tone.WORK),
    S.EXECUTING: ("is being executed", Tone.WORK),
    S.UNKNOWN: ("UNKNOWN: nobody can tell yet whether it was done", Tone.FAULT),
    S.SUCCEEDED: ("done", Tone.STRONG),
    S.FAILED: ("failed", Tone.FAULT),
    S.DENIED: ("denied", Tone.FAULT),
    S.EXPIRED: ("expired: nothing ran", Tone.WAIT),
    S.SUPERSEDED: ("void: nothing ran", Tone.WAIT),
    S.REFUSED: ("refused: nothing ran", Tone.FAULT),
}
_TENSES = {
    S.EXECUTING: "Runs now",
    S.SUCCEEDED: "Ran",
    S.FAILED: "Was to run",
    S.UNKNOWN: "Was to run",
    **dict.fromkeys((S.DENIED, S.EXPIRED, S.SUPERSEDED, S.REFUSED), "Did not run"),
}
_TIME_OVER = ", its time is OVER: it can only expire"
_AGAIN = frozenset({S.DENIED, S.EXPIRED, S.SUPERSEDED, S.REFUSED, S.FAILED})
_WAITING = frozenset({S.PREPARING, S.PENDING, S.APPROVED})


def render_card(
    card: Card,
    *,
    width: int,
    color: bool,
    details: bool = True,
    question: bool = False,
    ascii_only: bool = False,
    program: Sequence[str] = ("middlewatch",),
) -> str:
    """Write a request for a terminal.

    Args:
        card: the request with what surrounds it.
        width: columns of the terminal. No line is longer; below 40 and above 120 it is taken for these.
        color: whether to add the sixteen standard colours. They repeat what the words say.
        details: everything; otherwise what is read before a decision. What would run is shown whole either way.
        question: whether the question follows at once: no commands then.
        ascii_only: for terminals that cannot show UTF-8.
        program: the words of a shell that start this program, for the commands that follow.

    Returns:
        Lines, each ended by a line feed.
    """
    page = _CardPage(card, Page(width, Quotation(ascii_only=ascii_only)), details=details, question=question, program=program)
    page.head()
    page.outcome()
    page.what()
    page.why()
    page.consequences()
    page.people()
    if not question:
        page.commands()
    page.untrusted()
    page.binding()
    return page.page.text(color=color)


class _CardPage:
    """The methods are the parts of the page, from top to bottom; each writes itself."""

    def __init__(self, card: Card, page: Page, *, details: bool, question: bool, program: Sequence[str]) -> None:
        self.card = card
        self.page = page
        self.details = details
        self.question = question
        self.program = program
        self.request = card.request
        self.day = card.now.date()

    def head(self) -> None:
        """Which request, where it stands, and what holds everything up."""
        words, tone = _STATES[self.request.state]
        left = ""
        if self.request.state in _WAITING and self.card.ends_at is not None:
            left = _TIME_OVER if self.card.overdue else f", {self._left(self.card.ends_at)} left"
        self.page.entry("Request", Span(f"{self.request.id}  "), Span(words, tone), Span(left, Tone.WAIT))
        execution = self.request.execution
        told = execution is not None and execution.result is not None
        if (self.request.state.terminal and not told) or self.request.state is S.UNKNOWN:
            self.page.entry("", Span(self.request.why))
        looking = self.request.state is S.PREPARING  # otherwise it may be the freeze or the halt, which are told below
        if self.request.held_up and (looking or not (self.card.freeze or self.card.halt)):
            self.page.entry("Held up", Span(self.request.held_up, Tone.WAIT))
        halt = self.card.halt
        if halt is not None and not self.request.state.terminal:
            reason = f": {self.page.say.quoted(halt.reason)}" if halt.reason else ""
            said = f"EVERYTHING IS HALTED by {self._named(halt.by)} since {self._clock(halt.at)}{reason}; nothing begins"
            self.page.entry("Halted", Span(said, Tone.FAULT))
        if self.card.freeze and self.request.state in _WAITING:
            skipped = "; the glass is broken, so it begins nevertheless" if self.request.break_glass else ""
            self.page.entry("Freeze", Span(f"{self.card.freeze}{skipped}", Tone.WAIT))

    def outcome(self) -> None:
        """What came of it, where it began."""
        execution = self.request.execution
        if execution is None:
            return
        if execution.result is not None:
            self.page.entry("Result", *self._result(execution.result))
        self.page.entry("Executed", Span(self._took(execution)))
        if execution.recovery is not None:
            after = ""
            if execution.recovered_at and execution.ended_at:
                after = f" after {quantity.duration((execution.recovered_at - execution.ended_at).total_seconds())}"
            note = f". {execution.recovery_note}" if execution.recovery_note else ""
            bad = execution.recovery is Recovery.NOT_RECOVERED
            text = f"{RECOVERY_WORDS[execution.recovery]}{after}{note}"
            self.page.entry("Recovery", Span(text, Tone.FAULT if bad else Tone.PLAIN))
        glass = self.request.break_glass
        if glass is not None:
            review = f"reviewed by {self._named(glass.reviewed_by)}" if glass.reviewed_by else "its review is OPEN"
            broken = f"broken by {self._named(glass.principal)} at {self._clock(glass.at)}"
            self.page.entry("Glass", Span(f"{broken}: {self.page.say.quoted(glass.reason)}; {review}", Tone.WAIT))

    def what(self) -> None:
        """What runs, whole, and on what."""
        remediation, spec = self.request.remediation, self.card.spec
        title = spec.title if spec else "no longer in the catalogue"
        risk = "runs by policy" if self.request.rule.tier is RiskTier.INFO else f"{self.request.rule.tier} risk"
        head = f"{title} on {self._named(remediation.target)}"
        self.page.entry("Action", Span(head, Tone.STRONG), Span(f" ({remediation.action}, {risk})"))
        if remediation.parameters:
            self.page.entry("With", Span(self._pairs(remediation.parameters)))
        label = _TENSES.get(self.request.state, "Will run")
        for number, line in enumerate(self.request.plan, 1):
            several = len(self.request.plan) > 1
            self.page.literal(label if number == 1 else "", line, bullet=f"{number}. " if several else "", tone=Tone.STRONG)
        if not self.request.plan:
            self.page.entry(label, Span("not known yet: the executor looks at the target first", Tone.SOFT))
        if self.request.bound is not None:
            found = self._pairs(self.request.bound.target_version) or "nothing that identifies a version"
            later = "; if that changes first, nothing runs" if self.details and self.request.state in _WAITING else ""
            self.page.entry("Version", Span(f"{found}{later}"))

    def why(self) -> None:
        """The finding that it follows from, and what was done before."""
        remediation = self.request.remediation
        proposer = "middlewatch" if remediation.proposed_by == ORCHESTRATOR else self._named(remediation.proposed_by)
        sure = f", {quantity.percent(remediation.confidence)} sure" if remediation.proposed_by == ORCHESTRATOR else ""
        effect = f"{remediation.expected_effect} " if remediation.expected_effect else ""
        spans = [Span(f"{effect}Proposed by {proposer} for {self._named(remediation.investigation)}{sure}.")]
        self.page.entry("Why", *spans)
        if remediation.instead_of:
            self.page.entry("", Span(f"It takes the place of {self._named(remediation.instead_of)}."))
        notes = self.request.notes
        if self.question:  # what the target itself says is never folded away before a decision
            self.page.entry("Known", Span(" ".join(notes)))
        elif self.details:
            for number, note in enumerate(notes):
                self.page.entry("" if number else "Known", Span(note))
        elif notes:
            more = f" ({len(notes) - 1} more)" if len(notes) > 1 else ""
            self.page.short_entry("Known", Span(notes[0]), tail=more, most_lines=_BRIEF_LINES)
        self._earlier()

    def consequences(self) -> None:
        """What it touches, how it is known that it worked, and how it is taken back."""
        spec, execution = self.card.spec, self.request.execution
        if spec is not None:
            self.page.entry("Touches", Span(spec.blast_radius))
            if self.details:
                self.page.entry("Needs first", Span(spec.precondition))
                self.page.entry("Worked if", Span(spec.effect))
        if execution is not None and execution.undo is not None:
            pairs = self._pairs(execution.undo.parameters)
            self.page.entry("Undo", Span(f"{execution.undo.action}{f' with {pairs}' if pairs else ''}; it needs an approval too"))
        elif spec is not None and not self.request.state.terminal:
            takes_back = f"{spec.undo} takes it back, and needs an approval too" if spec.undo else "NOTHING takes it back"
            self.page.entry("Undo", Span(takes_back, Tone.PLAIN if spec.undo else Tone.WAIT))
        if self.request.undo and self.details:
            undone = self._named(self.request.remediation.undoes or "")
            self.page.entry("", Span(f"It takes back the recorded change {undone}, so no freeze holds it up."))

    def people(self) -> None:
        """Who decided, who may, and what happens if nobody does."""
        for number, approval in enumerate(self.request.approvals):
            self.page.entry("" if number else "Decided", Span(self._decision(approval)))
        if self.request.state not in _WAITING:
            self._tier()
            return
        if self.card.needs:
            known = [self._person(person) if self.details else self._named(person.id) for person in self.card.deciders]
            self.page.entry("Who decides", Span(f"{self.card.needs} ({self._names(known) or 'policy knows NOBODY who is'})"))
            if self.request.state is not S.APPROVED:
                self.page.entry("You", self._you())
        self._no_decision()
        self._tier()

    def binding(self) -> None:
        """What a decision is bound to."""
        if not self.request.digest:
            return
        digest = self.request.digest
        self.page.entry("Digest", Span(digest[:SHORT_DIGEST], Tone.STRONG), Span(digest[SHORT_DIGEST:]))

    def commands(self) -> None:
        """What can be done about it now."""
        for number, words in enumerate(self._following()):
            self.page.command("" if number else "Next", (*self.program, "approvals", *words))
        if self.request.state is S.PENDING and not self.card.objection:
            self.page.entry("", Span("or `deny` in the place of `approve`"))
        if not self.details:
            self.page.command("More", (*self.program, "approvals", "show", self.request.id, "--details"))

    def untrusted(self) -> None:
        """Prose by whoever proposed it: apart, last, and marked as what it is."""
        note = self.request.remediation.note
        if not note:
            return
        who = Span(f"by {self._named(self.request.remediation.proposed_by)}, checked by nobody: ", Tone.WAIT)
        if self.details:
            self.page.entry("Untrusted", who, Span(self.page.say.quoted(note)))
        else:
            self.page.short_entry("Untrusted", who, Span(self.page.say.quoted(note)), most_lines=_BRIEF_LINES)

    # Parts of these

    def _earlier(self) -> None:
        past = self.request.similar
        for number, one in enumerate(past if self.details else past[:1]):
            more = f" ({len(past) - 1} more)" if len(past) > 1 and not self.details else ""
            text = f"{quantity.stamp(one.at)} on {self._named(one.target)}: {one.outcome}"
            self.page.short_entry(
                "" if number else "Done before", Span(f"{text} ({one.request})"), tail=more, most_lines=_BRIEF_LINES
            )

    def _tier(self) -> None:
        rule = self.request.rule
        if self.details:
            for number, step in enumerate(rule.tier_because):
                self.page.entry("" if number else "Tier", Span(f"{rule.tier}: {step}" if number == 0 else step))
        elif self.request.state in _WAITING and len(rule.tier_because) > 1:
            self.page.short_entry("Tier", Span(f"{rule.tier}: {' '.join(rule.tier_because)}"), most_lines=_BRIEF_LINES)

    def _you(self) -> Span:
        viewer = self.card.viewer
        if viewer is None:
            return Span("policy does not know you, so you may look and not decide", Tone.WAIT)
        you = self._person(viewer)
        if not self.card.objection:
            return Span(f"{you}: you may decide", Tone.WORK)
        return Span(f"{you}: you may not approve it ({self.card.objection})", Tone.WAIT)

    def _no_decision(self) -> None:
        """What happens if nobody does anything."""
        end = self.card.ends_at
        if end is None or self.request.rule.requires is None:
            return
        if self.request.state is S.APPROVED:
            self.page.entry("If too late", Span(f"what has not begun by {self._clock(end)} UTC does not run"))
            return
        told = "".join(f"{self._step(step)}; " for step in self.card.asked[1:])
        self.page.entry("If nobody", Span(f"{told}at {self._clock(end)} UTC it expires and nothing runs"))

    def _step(self, step: Asked) -> str:
        names = self._names([self._named(one) for one in step.reaches]) if self.details else ""
        whom = " and ".join(step.whom) + (f" ({names})" if names else "")
        return f"at {self._clock(step.at)} {whom} {'was' if step.done else 'is'} asked too"

    def _decision(self, approval: Approval) -> str:
        verb = "approved" if approval.decision is Decision.APPROVE else "denied"
        role = f", a {approval.role}," if approval.role else ""
        face = f" ({approval.face})" if approval.face else ""
        reason = f": {self.page.say.quoted(approval.reason)}" if approval.reason else ""
        alone = "; who also proposed it, as a sole operator" if approval.sole_operator else ""
        return f"{self._named(approval.principal)}{role} {verb} it at {self._clock(approval.at)}{face}{reason}{alone}"

    def _result(self, result: ActionResult) -> tuple[Span, ...]:
        detail = Span(result.detail or str(result.result).replace("_", " "))
        return (detail, Span(f" (see {self.page.say.named(result.reference)})")) if result.reference else (detail,)

    def _took(self, execution: Execution) -> str:
        text = f"began {self._clock(execution.began_at)}"
        if execution.ended_at is not None:
            text += f", took {quantity.duration(max(0.0, (execution.ended_at - execution.began_at).total_seconds()))}"
        found = f"; found out by {self._named(execution.reconciled_by)}" if execution.reconciled_by else ""
        return f"{text}, by {self._named(execution.executor.partition('/')[0])}{found}"

    def _following(self) -> list[tuple[str, ...]]:
        request, id_ = self.request, self.request.id
        found: list[tuple[str, ...]] = []
        if request.state is S.PENDING and not self.card.overdue:
            found += [("deny" if self.card.objection else "approve", id_)] if self.card.viewer else []
        if request.state is S.APPROVED and self.card.freeze and not request.break_glass:
            found.append(("break-glass", id_, "--help"))
        if request.state is S.UNKNOWN:
            found += [("reconcile", id_, way, "--reason", "'...'") for way in ("--happened", "--did-not-happen")]
        if request.execution is not None and request.execution.undo is not None and request.state is S.SUCCEEDED:
            found.append(("undo", id_))
        if request.state in _AGAIN:
            found.append(("again", id_))
        if request.awaits_review:
            found.append(("review", id_, "--reason", "'...'"))
        return found

    def _person(self, person: Principal) -> str:
        name = f", {person.name}" if person.name and person.name != person.id else ""
        return f"{self._named(person.id)}{name}, a {person.role}"

    def _names(self, names: Sequence[str]) -> str:
        """The first ones, and how many more there are."""
        more = len(names) - _MOST_NAMES
        return ("; " if self.details else ", ").join(names[:_MOST_NAMES]) + (f" and {count(more, 'other')}" if more > 0 else "")

    def _pairs(self, values: Mapping[str, Scalar]) -> str:
        return ", ".join(f"{self._named(name)} {self._named(_scalar(value))}" for name, value in values.items())

    def _named(self, text: str) -> str:
        return self.page.say.named(text)

    def _clock(self, moment: datetime) -> str:
        return quantity.clock(moment, self.day)

    def _left(self, end: datetime) -> str:
        return quantity.duration(max(1.0, float(int((end - self.card.now).total_seconds()))))


def _scalar(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
