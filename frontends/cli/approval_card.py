"""An approval request on a terminal, for somebody who has just been woken up and has to decide.

What would run comes first and always in full, then on what, why, what it touches, how to take it back, who decides, and what
happens if nobody does. The layout is ours: nothing that somebody else wrote stands at the edge of the page, and prose by whoever
proposed it comes last, in quotation marks, under a label that says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from middlewatch.frontends import quantity
from middlewatch.frontends.cli.page import Page, Span, Tone
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.reading import count
from middlewatch.frontends.request_wording import NOT_DONE, SHORT_DIGEST, WAITING, RequestWording
from middlewatch.records import Recovery, RequestState

if TYPE_CHECKING:
    from middlewatch.cards import Asked, Card

S = RequestState
_MOST_NAMES = 6
_BRIEF_LINES = 2
_TONES = {
    S.PREPARING: Tone.WORK,
    S.APPROVED: Tone.WORK,
    S.EXECUTING: Tone.WORK,
    S.PENDING: Tone.WAIT,
    S.EXPIRED: Tone.WAIT,
    S.SUPERSEDED: Tone.WAIT,
    S.SUCCEEDED: Tone.STRONG,
}
"""Of where a request stands; the rest is bad news."""
_TIME_OVER = ", its time is OVER: it can only expire"


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
        self.words = RequestWording(card, page.say)

    def head(self) -> None:
        """Which request, where it stands, and what holds everything up."""
        left = ""
        if self.request.state in WAITING and self.card.ends_at is not None:
            left = _TIME_OVER if self.card.overdue else f", {self._left(self.card.ends_at)} left"
        state = Span(self.words.state, _TONES.get(self.request.state, Tone.FAULT))
        self.page.entry("Request", Span(f"{self.request.id}  "), state, Span(left, Tone.WAIT))
        for label, text, tone in (
            ("", self.words.why, Tone.PLAIN),
            ("Held up", self.words.held_up, Tone.WAIT),
            ("Halted", self.words.halted, Tone.FAULT),
            ("Freeze", self.words.freeze, Tone.WAIT),
        ):
            if text:
                self.page.entry(label, Span(text, tone))

    def outcome(self) -> None:
        """What came of it, where it began."""
        execution = self.request.execution
        bad = execution is not None and execution.recovery is Recovery.NOT_RECOVERED
        for label, text, tone in (
            ("Result", self.words.result, Tone.PLAIN),
            ("Executed", self.words.took, Tone.PLAIN),
            ("Recovery", self.words.recovery, Tone.FAULT if bad else Tone.PLAIN),
            ("Glass", self.words.glass, Tone.WAIT),
        ):
            if text:
                self.page.entry(label, Span(text, tone))

    def what(self) -> None:
        """What runs, whole, and on what."""
        remediation = self.request.remediation
        head = Span(self.words.title, Tone.STRONG)
        self.page.entry("Action", head, Span(f" ({remediation.action}, {self.words.risk})"))
        if remediation.parameters:
            self.page.entry("With", Span(self.words.pairs(remediation.parameters)))
        label = self.words.tense
        for number, line in enumerate(self.request.plan, 1):
            several = len(self.request.plan) > 1
            self.page.literal(label if number == 1 else "", line, bullet=f"{number}. " if several else "", tone=Tone.STRONG)
        if not self.request.plan:
            self.page.entry(label, Span("not known yet: the executor looks at the target first", Tone.SOFT))
        if self.words.version:
            later = "; if that changes first, nothing runs" if self.details and self.request.state in WAITING else ""
            self.page.entry("Version", Span(f"{self.words.version}{later}"))

    def why(self) -> None:
        """The finding that it follows from, and what was done before."""
        remediation = self.request.remediation
        self.page.entry("Why", Span(self.words.proposal))
        if remediation.instead_of:
            self.page.entry("", Span(f"It takes the place of {self.words.named(remediation.instead_of)}."))
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
        spec = self.card.spec
        if spec is not None:
            self.page.entry("Touches", Span(spec.blast_radius))
            if self.details:
                self.page.entry("Needs first", Span(spec.precondition))
                self.page.entry("Worked if", Span(spec.effect))
        if self.words.undo:
            nothing = spec is not None and spec.undo is None and not self.request.state.terminal
            self.page.entry("Undo", Span(self.words.undo, Tone.WAIT if nothing else Tone.PLAIN))
        if self.request.undo and self.details:
            undone = self.words.named(self.request.remediation.undoes or "")
            self.page.entry("", Span(f"It takes back the recorded change {undone}, so no freeze holds it up."))

    def people(self) -> None:
        """Who decided, who may, and what happens if nobody does."""
        for number, approval in enumerate(self.request.approvals):
            self.page.entry("" if number else "Decided", Span(self.words.decision(approval)))
        if self.request.state not in WAITING:
            self._tier()
            return
        if self.card.needs:
            known = [self.words.person(person) if self.details else self.words.named(person.id) for person in self.card.deciders]
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
        who = Span(f"by {self.words.named(self.request.remediation.proposed_by)}, checked by nobody: ", Tone.WAIT)
        if self.details:
            self.page.entry("Untrusted", who, Span(self.page.say.quoted(note)))
        else:
            self.page.short_entry("Untrusted", who, Span(self.page.say.quoted(note)), most_lines=_BRIEF_LINES)

    # Parts of these

    def _earlier(self) -> None:
        past = self.request.similar
        for number, one in enumerate(past if self.details else past[:1]):
            more = f" ({len(past) - 1} more)" if len(past) > 1 and not self.details else ""
            text = f"{quantity.stamp(one.at)} on {self.words.named(one.target)}: {one.outcome}"
            self.page.short_entry(
                "" if number else "Done before", Span(f"{text} ({one.request})"), tail=more, most_lines=_BRIEF_LINES
            )

    def _tier(self) -> None:
        rule = self.request.rule
        if self.details:
            for number, step in enumerate(rule.tier_because):
                self.page.entry("" if number else "Tier", Span(f"{rule.tier}: {step}" if number == 0 else step))
        elif self.request.state in WAITING and len(rule.tier_because) > 1:
            self.page.short_entry("Tier", Span(f"{rule.tier}: {' '.join(rule.tier_because)}"), most_lines=_BRIEF_LINES)

    def _you(self) -> Span:
        may = self.card.viewer is not None and not self.card.objection
        return Span(self.words.you, Tone.WORK if may else Tone.WAIT)

    def _no_decision(self) -> None:
        """What happens if nobody does anything."""
        if not self.words.nobody:
            return
        if self.request.state is S.APPROVED:
            self.page.entry("If too late", Span(self.words.nobody))
            return
        told = "".join(f"{self._step(step)}; " for step in self.card.asked[1:])
        self.page.entry("If nobody", Span(f"{told}{self.words.nobody}"))

    def _step(self, step: Asked) -> str:
        names = self._names([self.words.named(one) for one in step.reaches]) if self.details else ""
        whom = " and ".join(step.whom) + (f" ({names})" if names else "")
        return f"at {self.words.clock(step.at)} {whom} {'was' if step.done else 'is'} asked too"

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
        if request.state in NOT_DONE:
            found.append(("again", id_))
        if request.awaits_review:
            found.append(("review", id_, "--reason", "'...'"))
        return found

    def _names(self, names: Sequence[str]) -> str:
        """The first ones, and how many more there are."""
        more = len(names) - _MOST_NAMES
        return ("; " if self.details else ", ").join(names[:_MOST_NAMES]) + (f" and {count(more, 'other')}" if more > 0 else "")

    def _left(self, end: datetime) -> str:
        return quantity.duration(max(1.0, float(int((end - self.card.now).total_seconds()))))
