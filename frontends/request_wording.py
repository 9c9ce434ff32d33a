"""How every front end says what an approval request holds: where it stands, who decides, what happens otherwise, what came of it.

Foreign text passes a `Quotation` here, so every sentence is of one line and holds no character that hides or moves anything. What a
front end obeys besides it escapes itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from middlewatch.frontends import quantity
from middlewatch.frontends.quotation import Quotation
from middlewatch.frontends.wording import RECOVERY_WORDS
from middlewatch.records import (
    ORCHESTRATOR,
    ActionSpec,
    Approval,
    Decision,
    Execution,
    Principal,
    RequestState,
    RiskTier,
    Scalar,
)

if TYPE_CHECKING:
    from middlewatch.cards import Asked, Card

S = RequestState
SHORT_DIGEST: Final = 8
"""Characters of a digest that are told apart at a glance: 32 bits of what a thief of clicks does not choose."""
STATES: Final[Mapping[RequestState, str]] = {
    S.PREPARING: "the executor looks at the target; then people are asked",
    S.PENDING: "waits for a decision",
    S.APPROVED: "approved; waits for the executor",
    S.EXECUTING: "is being executed",
    S.UNKNOWN: "UNKNOWN: nobody can tell yet whether it was done",
    S.SUCCEEDED: "done",
    S.FAILED: "failed",
    S.DENIED: "denied",
    S.EXPIRED: "expired: nothing ran",
    S.SUPERSEDED: "void: nothing ran",
    S.REFUSED: "refused: nothing ran",
}
TENSES: Final[Mapping[RequestState, str]] = {
    S.EXECUTING: "Runs now",
    S.SUCCEEDED: "Ran",
    S.FAILED: "Was to run",
    S.UNKNOWN: "Was to run",
    **dict.fromkeys((S.DENIED, S.EXPIRED, S.SUPERSEDED, S.REFUSED), "Did not run"),
}
WAITING: Final = frozenset({S.PREPARING, S.PENDING, S.APPROVED})
"""Nothing has begun, and it may."""
NOT_DONE: Final = frozenset({S.DENIED, S.EXPIRED, S.SUPERSEDED, S.REFUSED, S.FAILED})
"""It is over, and may be asked for again."""
_SAY = Quotation()


class RequestWording:
    """One request, in words. Empty words stand for nothing to be said."""

    def __init__(self, card: Card, say: Quotation | None = None) -> None:
        self.card = card
        self.request = card.request
        self.say = say or _SAY
        self.day = card.now.date()
        """The day that times are of where they name none."""

    @property
    def title(self) -> str:
        spec = self.card.spec
        what = spec.title if spec else f"{self.request.remediation.action}, no longer in the catalogue,"
        return f"{self.say.clean(what)} on {self.named(self.request.remediation.target)}"

    @property
    def risk(self) -> str:
        return "runs by policy" if self.request.rule.tier is RiskTier.INFO else f"{self.request.rule.tier} risk"

    @property
    def state(self) -> str:
        return STATES[self.request.state]

    @property
    def tense(self) -> str:
        return TENSES.get(self.request.state, "Will run")

    @property
    def why(self) -> str:
        """How it came to where it stands, where nothing else says so."""
        execution = self.request.execution
        told = execution is not None and execution.result is not None
        over = self.request.state.terminal and not told
        return self.say.clean(self.request.why) if over or self.request.state is S.UNKNOWN else ""

    @property
    def held_up(self) -> str:
        looking = self.request.state is S.PREPARING  # otherwise it may be the freeze or the halt, which are told apart
        told = not looking and (self.card.freeze or self.card.halt)
        return "" if told else self.say.clean(self.request.held_up)

    @property
    def halted(self) -> str:
        halt = self.card.halt
        if halt is None or self.request.state.terminal:
            return ""
        reason = f": {self.say.quoted(halt.reason)}" if halt.reason else ""
        return f"EVERYTHING IS HALTED by {self.named(halt.by)} since {self.clock(halt.at)}{reason}; nothing begins"

    @property
    def freeze(self) -> str:
        if not self.card.freeze or self.request.state not in WAITING:
            return ""
        skipped = "; the glass is broken, so it begins nevertheless" if self.request.break_glass else ""
        return self.say.clean(self.card.freeze) + skipped

    @property
    def result(self) -> str:
        execution = self.request.execution
        if execution is None or execution.result is None:
            return ""
        found = execution.result
        detail = self.say.clean(found.detail) or str(found.result).replace("_", " ")
        return f"{detail} (see {self.named(found.reference)})" if found.reference else detail

    @property
    def took(self) -> str:
        return "" if self.request.execution is None else self._took(self.request.execution)

    @property
    def recovery(self) -> str:
        execution = self.request.execution
        if execution is None or execution.recovery is None:
            return ""
        after = ""
        if execution.recovered_at and execution.ended_at:
            after = f" after {quantity.duration((execution.recovered_at - execution.ended_at).total_seconds())}"
        note = f". {self.say.clean(execution.recovery_note)}" if execution.recovery_note else ""
        return f"{RECOVERY_WORDS[execution.recovery]}{after}{note}"

    @property
    def glass(self) -> str:
        broken = self.request.break_glass
        if broken is None:
            return ""
        review = f"reviewed by {self.named(broken.reviewed_by)}" if broken.reviewed_by else "its review is OPEN"
        return f"broken by {self.named(broken.principal)} at {self.clock(broken.at)}: {self.say.quoted(broken.reason)}; {review}"

    @property
    def version(self) -> str:
        """What is known of the target's version, where it was looked at."""
        bound = self.request.bound
        return "" if bound is None else self.pairs(bound.target_version) or "nothing that identifies a version"

    @property
    def proposer(self) -> str:
        by = self.request.remediation.proposed_by
        return "middlewatch" if by == ORCHESTRATOR else self.named(by)

    @property
    def proposal(self) -> str:
        remediation = self.request.remediation
        sure = f", {quantity.percent(remediation.confidence)} sure" if remediation.proposed_by == ORCHESTRATOR else ""
        effect = f"{self.say.clean(remediation.expected_effect)} " if remediation.expected_effect else ""
        return f"{effect}Proposed by {self.proposer} for {self.named(remediation.investigation)}{sure}."

    @property
    def undo(self) -> str:
        execution, spec = self.request.execution, self.card.spec
        if execution is not None and execution.undo is not None:
            pairs = self.pairs(execution.undo.parameters)
            return f"{execution.undo.action}{f' with {pairs}' if pairs else ''}; it needs an approval too"
        if spec is None or self.request.state.terminal:
            return ""
        before = dict([*self.request.bound.target_version.items()][:1]) if self.request.bound else {}
        return undo_words(spec, self.pairs(before)) or "NOTHING takes it back"

    @property
    def you(self) -> str:
        """Whether the viewer may approve it, and why not."""
        viewer = self.card.viewer
        if viewer is None:
            return "policy does not know you, so you may look and not decide"
        you = self.person(viewer)
        return f"{you}: you may not approve it ({self.card.objection})" if self.card.objection else f"{you}: you may decide"

    @property
    def nobody(self) -> str:
        """What happens where nobody does anything."""
        end = self.card.ends_at
        if end is None or self.request.rule.requires is None or self.request.state not in WAITING:
            return ""
        if self.request.state is S.APPROVED:
            return f"what has not begun by {self.clock(end)} UTC does not run"
        return f"at {self.clock(end)} UTC it expires and nothing runs"

    def step(self, step: Asked) -> str:
        """One level that is asked besides."""
        return f"at {self.clock(step.at)} {' and '.join(step.whom)} {'was' if step.done else 'is'} asked too"

    def decision(self, approval: Approval) -> str:
        """Who said what, when and where."""
        verb = "approved" if approval.decision is Decision.APPROVE else "denied"
        role = f", a {approval.role}," if approval.role else ""
        face = f" ({approval.face})" if approval.face else ""
        reason = f": {self.say.quoted(approval.reason)}" if approval.reason else ""
        alone = "; who also proposed it, as a sole operator" if approval.sole_operator else ""
        return f"{self.named(approval.principal)}{role} {verb} it at {self.clock(approval.at)}{face}{reason}{alone}"

    def person(self, person: Principal) -> str:
        """An id, a name and a role."""
        name = f", {self.say.clean(person.name)}" if person.name and person.name != person.id else ""
        return f"{self.named(person.id)}{name}, a {person.role}"

    def pairs(self, values: Mapping[str, Scalar]) -> str:
        """Parameters, or what identifies a version."""
        return ", ".join(f"{self.named(name)} {self.named(scalar(value))}" for name, value in values.items())

    def named(self, text: str) -> str:
        """A foreign name."""
        return self.say.named(text)

    def clock(self, moment: datetime) -> str:
        """A time of the day, with its date where that is another."""
        return quantity.clock(moment, self.day)

    def _took(self, execution: Execution) -> str:
        text = f"began {self.clock(execution.began_at)}"
        if execution.ended_at is not None:
            text += f", took {quantity.duration(max(0.0, (execution.ended_at - execution.began_at).total_seconds()))}"
        found = f"; found out by {self.named(execution.reconciled_by)}" if execution.reconciled_by else ""
        return f"{text}, by {self.named(execution.executor.partition('/')[0])}{found}"


def undo_words(spec: ActionSpec, version: str = "") -> str:
    """What takes an action back; empty where nothing does.

    Args:
        spec: of the action.
        version: of the target before it, in words, where that is known.
    """
    if not spec.undo:
        return ""
    if spec.undo != spec.id:
        return f"{spec.undo} takes it back, and needs an approval too"
    return f"{spec.undo} again puts {version or 'what was there before'} back, by another approval"


def scalar(value: Scalar) -> str:
    """A parameter's value as people type it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
