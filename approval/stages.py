"""The way of every action, as one literal list. Each stage lets a passage on, parks it, or refuses it.

The same list is walked when something is proposed, and each time that the executor takes a request up again: what was true at an
earlier walk is judged again. Without hands (everywhere but in the executor) a passage gets no further than `inspect`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import uuid4

from middlewatch.approval.binding import digest_of_bound, digest_of_shown
from middlewatch.approval.desk import Desk, Hands
from middlewatch.approval.events import GATEWAY, event
from middlewatch.approval.outcomes import approve_by_policy, hold_up, order_of, refuse, settle, void
from middlewatch.approval.similar import latest, similar_actions
from middlewatch.approval.transitions import BINDING, Event, end_of, judge, skips_freezes
from middlewatch.context_store.approvals import Kept, Update
from middlewatch.records import (
    LOOKING,
    ORCHESTRATOR,
    REQUEST_PREFIX,
    ActionResult,
    ActionSpec,
    ApprovalRequest,
    Bound,
    Execution,
    Inspection,
    Remediation,
    RequestState,
    Result,
    RiskTier,
    Rule,
    digest_of,
)
from middlewatch.records.errors import MiddlewatchError, Refused

EXECUTION_LEASE_SECONDS = 30.0
"""How long an executor may be silent before its execution counts as lost."""
EFFECT_SECONDS = 180.0
"""How long what was done may take until its effect is seen; a roll-out of a deployment takes one or two minutes. Chosen."""
PROBE_SECONDS = 2.0
"""Between two looks at the effect."""
RETRY_SECONDS = 5.0
"""Until a beginning that a freeze or a halt holds up is tried again."""

ABOUT = "investigation"
"""The parameter with which an action names the investigation that it follows from."""


@dataclass(frozen=True)
class Passage:
    """A remediation on its way."""

    remediation: Remediation
    name: str = ""
    """Of a person's wish: proposed again under the same name, the same request is found."""
    executor: str = ""
    lease_seconds: float = EXECUTION_LEASE_SECONDS
    hands: Hands | None = None
    kept: Kept | None = None
    spec: ActionSpec | None = None
    rule: Rule | None = None
    undo: bool = False
    evidence_words: str = ""
    inspection: Inspection = field(default_factory=Inspection)
    result: ActionResult | None = None
    ran: bool = False
    """Whether the other end took it on: then it may have to be taken back even where its effect was not seen."""
    parked: bool = False

    @property
    def request(self) -> ApprovalRequest:
        """The request that was recorded for it."""
        assert self.kept is not None  # noqa: S101  the stages after `record_request` have one
        return self.kept.request

    def at(self, *states: RequestState) -> bool:
        """Whether it stands in one of these states."""
        return self.kept is not None and self.request.state in states


Stage = Callable[[Desk, Passage], Passage]


def request_id(remediation: Remediation, name: str = "") -> str:
    """What is proposed once has one id: an investigation that runs again proposes nothing twice, nor do two clicks on `again`."""
    once = remediation.instead_of or ("" if remediation.proposed_by == ORCHESTRATOR else name or uuid4().hex)
    who = "" if remediation.proposed_by == ORCHESTRATOR else remediation.proposed_by
    what = (
        remediation.tenant,
        remediation.investigation,
        remediation.action,
        remediation.target,
        remediation.parameters,
        who,
        once,
    )
    return REQUEST_PREFIX + digest_of(*what)[:12]


def classify(desk: Desk, passage: Passage) -> Passage:
    """The catalogue knows the action, the target offers it, and the parameters are of its schema."""
    remediation = passage.remediation
    spec = desk.catalogue.spec(remediation.action)
    parameters = desk.catalogue.checked(remediation.action, remediation.target, remediation.parameters)
    if parameters.get(ABOUT, "") not in {"", remediation.investigation}:
        raise Refused(f"{remediation.action} is about the investigation that it follows from, and no other.")
    return replace(passage, spec=spec, remediation=remediation.model_copy(update={"parameters": parameters}))


def match_policy(desk: Desk, passage: Passage) -> Passage:
    """Policy has a rule for it; the evidence, which is only ever added to, was enough for its tier."""
    assert passage.spec is not None  # noqa: S101  the stage before
    if passage.kept is not None:
        return replace(passage, rule=desk.rule(passage.spec, passage.remediation, undo=passage.request.undo))
    undo = desk.is_undo(passage.spec, passage.remediation)
    rule = desk.rule(passage.spec, passage.remediation, undo=undo)
    below = passage.remediation.confidence < rule.least_confidence
    if below and passage.remediation.proposed_by == ORCHESTRATOR and rule.tier is not RiskTier.INFO:
        raise Refused(
            f"At a confidence of {passage.remediation.confidence:.0%} nothing riskier than a ticket is proposed "
            f"(the floor is {rule.least_confidence:.0%})."
        )
    remediation, words = desk.with_modalities(passage.remediation, rule)
    return replace(passage, rule=rule, remediation=remediation, undo=undo, evidence_words=words)


def record_request(desk: Desk, passage: Passage) -> Passage:
    """Written once, under an id that follows from what is proposed; durable before anybody hears of it."""
    if passage.kept is not None:
        return passage
    assert passage.rule is not None  # noqa: S101  the stage before
    remediation = passage.remediation
    request = ApprovalRequest(
        tenant=remediation.tenant,
        id=request_id(remediation, passage.name),
        epoch=desk.store.epoch,
        remediation=remediation,
        rule=passage.rule,
        undo=passage.undo,
        why=LOOKING,
        notes=(f"Evidence: {passage.evidence_words}.",),
        created_at=desk.store.now(remediation.tenant),
        similar=similar_actions(latest(desk.store, remediation), remediation),
    )
    proposed = event(
        request,
        "request.proposed",
        remediation.proposed_by,
        parameters=dict(remediation.parameters),
        tier=request.rule.tier,
        evidence=list(remediation.evidence),
        confidence=remediation.confidence,
        instead_of=remediation.instead_of,
    )
    kept, _ = desk.store.propose(Update(request, [proposed], due_in_seconds=0.0))
    desk.seal(request.tenant)
    return replace(passage, kept=kept)


def inspect(desk: Desk, passage: Passage) -> Passage:
    """The executor looks at the target: whether it can be done, and what exactly would be changed."""
    kept = passage.kept
    if passage.hands is None or kept is None or not passage.at(RequestState.PREPARING, RequestState.APPROVED):
        return replace(passage, parked=True)
    remediation = kept.request.remediation
    inspection = passage.hands.inspect(remediation.action, remediation.target, dict(remediation.parameters))
    if inspection.problem and passage.at(RequestState.PREPARING):
        return replace(passage, kept=refuse(desk, kept, inspection.problem), parked=True)
    return replace(passage, inspection=inspection)


def decide(desk: Desk, passage: Passage) -> Passage:
    """People are asked, and the passage waits for them; what is of the lowest tier is decided by policy."""
    if not passage.at(RequestState.PREPARING):
        return passage
    kept, request, rule, spec = passage.kept, passage.request, passage.rule, passage.spec
    assert kept is not None and rule is not None and spec is not None  # noqa: S101, PT018  the stages before
    remediation, version = request.remediation, passage.inspection.version
    plan = desk.catalogue.plan(spec.id, remediation.target, remediation.parameters, version)
    request = request.model_copy(update={"rule": rule, "plan": plan, "notes": (*request.notes, *passage.inspection.notes)})
    bound = Bound(
        tenant=request.tenant,
        investigation=remediation.investigation,
        action_id=spec.id,
        catalogue_hash=spec.digest,
        params=remediation.parameters,
        target=remediation.target,
        target_version=version,
        tier=rule.tier,
        rule_hash=rule.digest,
        shown=digest_of_shown(request),
        expires_at=kept.now + timedelta(seconds=rule.deadline_seconds),
        nonce=uuid4().hex,
    )
    asked = request.model_copy(
        update={
            "state": judge(Event.ASK, desk.attempt(kept)),
            "bound": bound,
            "digest": digest_of_bound(bound),
            "why": "it waits for a decision",
        }
    )
    first_step = min((step.after_seconds for step in rule.escalation), default=rule.deadline_seconds)
    made = event(asked, "request.asked", GATEWAY, expires_at=bound.expires_at.isoformat(), tier=rule.tier)
    asks_nobody = rule.requires is None
    due = 0.0 if asks_nobody else min(first_step, rule.deadline_seconds)
    waiting = desk.store.change(kept, Update(asked, [made], due_in_seconds=due))
    desk.seal(request.tenant)
    if asks_nobody:
        return replace(passage, kept=approve_by_policy(desk, waiting))
    return replace(passage, kept=waiting, parked=True)


def record_intent(desk: Desk, passage: Passage) -> Passage:
    """Everything is judged once more; then the intent is written with the beginning, in one step, and signed. Or nothing runs.

    Looking at the target may have taken minutes: catalogue and policy are asked again, as they are now.
    """
    kept, request = passage.kept, passage.request
    assert kept is not None  # noqa: S101  the stages before
    try:
        passage = match_policy(desk, classify(desk, passage))
        desk.refuse_if_undone(request)
    except Refused as refusal:
        return replace(passage, kept=void(desk, kept, desk.attempt(kept), refusal.message), parked=True)
    spec = passage.spec
    assert spec is not None  # noqa: S101  `classify` found it
    attempt = replace(
        desk.attempt(kept),
        rule=passage.rule,
        catalogue_hash=spec.digest,
        version=passage.inspection.version,
        frozen=desk.frozen(request, kept.now),
    )
    if reason := next(filter(None, (guard(attempt) for guard in BINDING)), ""):
        return replace(passage, kept=void(desk, kept, attempt, reason), parked=True)
    state = judge(Event.BEGIN, attempt)
    bounds = [end_of(request)]
    if not skips_freezes(attempt):
        bounds.append(desk.next_freeze(request, kept.now))
    begun = request.model_copy(
        update={
            "state": state,
            "why": f"{passage.executor} executes it",
            "execution": Execution(executor=f"{passage.executor}/{uuid4().hex[:8]}", fence=kept.revision + 1, began_at=kept.now),
        }
    )
    intent = event(begun, "execution.began", passage.executor, plan=list(request.plan), fence=kept.revision + 1)
    held = desk.store.change(
        kept,
        Update(
            begun,
            [intent],
            due_in_seconds=passage.lease_seconds,
            not_before=kept.now,  # a clock that jumps back may be in a freeze again
            not_after=min((end for end in bounds if end is not None), default=None),
            unless_halted=True,
        ),
    )
    passage = replace(passage, kept=held)
    try:
        desk.audit.seal(request.tenant)
    except MiddlewatchError as error:
        unsigned = ActionResult(result=Result.NOT_DONE, detail=f"Nothing ran: the intent could not be signed ({error}).")
        return replace(record_outcome(desk, replace(passage, result=unsigned)), parked=True)
    return passage


def execute(desk: Desk, passage: Passage) -> Passage:
    """The one place where something is done to the world.

    Signing the intent may have taken long, or this process may have been suspended: an execution that was given up meanwhile is
    not begun late. What is left is the moment between this look and the call itself.
    """
    assert passage.hands is not None and passage.kept is not None  # noqa: S101, PT018  without hands it was parked
    halt = desk.store.hold(passage.kept, lease_seconds=passage.lease_seconds).halt
    if halt is not None:
        return replace(passage, result=ActionResult(result=Result.NOT_DONE, detail=f"Nothing ran: {halt.by} halted everything."))
    try:
        result = passage.hands.run(order_of(passage.request))
        return replace(passage, result=result, ran=result.result is Result.DONE)
    except MiddlewatchError as error:  # an adapter answers where it can; what it raises says that it cannot tell
        return replace(passage, result=ActionResult(result=Result.UNKNOWN, detail=str(error)))


def await_effect(_desk: Desk, passage: Passage) -> Passage:
    """What was done takes effect, or does not within its time."""
    hands, done = passage.hands, passage.result
    assert hands is not None and done is not None  # noqa: S101, PT018  the stages before
    if done.result is not Result.DONE:
        return passage
    deadline = time.monotonic() + EFFECT_SECONDS
    while True:
        try:
            seen = hands.probe(order_of(passage.request))
        except MiddlewatchError as error:
            seen = ActionResult(result=Result.UNKNOWN, detail=str(error))
        if seen.result is Result.DONE:
            return replace(passage, result=seen.model_copy(update={"reference": seen.reference or done.reference}))
        if time.monotonic() > deadline:  # where the last look could not tell either, nobody knows
            late = f"It ran, and within {EFFECT_SECONDS:.0f} s its effect was not seen: {seen.detail or seen.result}"
            return replace(passage, result=ActionResult(result=seen.result, detail=late, reference=done.reference))
        time.sleep(PROBE_SECONDS)


def record_outcome(desk: Desk, passage: Passage) -> Passage:
    """What came of it, by the one who holds the fence. Where that is not known, somebody finds out; it is not tried again."""
    kept, result = passage.kept, passage.result
    assert kept is not None and result is not None  # noqa: S101, PT018  the stages before
    undo = passage.hands.undo(order_of(kept.request)) if passage.hands and passage.ran else None
    return replace(passage, kept=settle(desk, kept, result, actor=passage.executor, undo=undo), parked=True)


STAGES: tuple[Stage, ...] = (
    classify,
    match_policy,
    record_request,
    inspect,
    decide,
    record_intent,
    execute,
    await_effect,
    record_outcome,
)


def walk(desk: Desk, passage: Passage) -> Passage:
    """Walk the stages until one parks the passage.

    Raises:
        Refused: something new is not let through. A request that is there already gets the state that follows instead.
    """
    for stage in STAGES:
        try:
            passage = stage(desk, passage)
        except Refused as refusal:
            kept = passage.kept
            if kept is None:
                raise
            return replace(passage, kept=_refused(desk, kept, stage, refusal), parked=True)
        if passage.parked:
            break
    return passage


def _refused(desk: Desk, kept: Kept, stage: Stage, refusal: Refused) -> Kept:
    """What a refusal on the way means for a request that was recorded."""
    if kept.request.state is RequestState.PREPARING:
        return refuse(desk, kept, refusal.message)
    if kept.request.state is RequestState.APPROVED and stage in {classify, match_policy}:
        return void(desk, kept, desk.attempt(kept), refusal.message)
    return hold_up(desk, kept, refusal.message, seconds=RETRY_SECONDS)  # a freeze or a halt may end before the approval does
