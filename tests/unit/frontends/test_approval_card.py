"""Invariant: what would run is shown whole and exactly, before who decides, and nothing that others wrote can pass for the page.

The renderings in golden/ are looked at by people. To accept new ones after a change of the layout:
`python -m tests.unit.frontends.test_approval_card`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from middlewatch.approval.requirement import in_words
from middlewatch.cards import Asked, Card, asked_now, ends_at
from middlewatch.frontends.cli.approval_card import render_card
from middlewatch.frontends.cli.page import Page
from middlewatch.records import (
    DEFAULT_TENANT,
    ORCHESTRATOR,
    ActionResult,
    ActionSpec,
    Approval,
    ApprovalRequest,
    Bound,
    BreakGlass,
    Decision,
    Escalation,
    EscalationStep,
    Execution,
    Halt,
    PastAction,
    Principal,
    Recovery,
    Remediation,
    RequestState,
    Requirement,
    Result,
    RiskTier,
    Role,
    Rule,
    Seat,
    Undo,
)
from tests.hostile import HOSTILE

GOLDEN = Path(__file__).parent / "golden"
SCREEN = 24
NOW = datetime(2026, 11, 21, 1, 56, 2, tzinfo=UTC)
PAINT = re.compile(r"\x1b\[(?:1|2|31|33|35|36|0)m")
LEO = Principal(id="leo", name="Leo Example", role=Role.LEAD)
MARA = Principal(id="mara", name="Mara Example", role=Role.MANAGER)
LABELS = (
    "Request", "Halted", "Freeze", "Result", "Executed", "Recovery", "Glass", "Action", "With", "Will run", "Runs now", "Ran",
    "Was to run", "Did not run", "Version", "Why", "Known", "Done before", "Touches", "Needs first", "Worked if", "Undo",
    "Decided", "Who decides", "You", "If too late", "If nobody", "Tier", "Digest", "Next", "More", "Untrusted",
)  # fmt: skip
SPEC = ActionSpec(
    id="rollback_deploy",
    title="Roll back a deploy",
    tier=RiskTier.MEDIUM,
    parameters_schema={"properties": {}},
    blast_radius="All instances of the target are replaced by the version before; newer data or calls may not suit it.",
    precondition="There is an earlier version, and no other rollout is held back or enforced by something else.",
    effect="Every instance runs the earlier version and is available.",
    undo="rollback_deploy",
)
PLAN = (
    (
        "PATCH https://k8s.example.com:6443/apis/apps/v1/namespaces/shop/deployments/checkout "
        'application/json-patch+json [{"op":"test","path":"/metadata/resourceVersion","value":"88123"},'
        '{"op":"replace","path":"/spec/template","value":{"image":"registry.example.com/shop/checkout:2.3.0"}}]'
    ),
)
REMEDIATION = Remediation(
    tenant=DEFAULT_TENANT,
    investigation="inv-20261121-0152",
    action="rollback_deploy",
    target="checkout",
    proposed_by=ORCHESTRATOR,
    confidence=0.82,
    expected_effect='Takes back the deploy "2.3.1", after which the errors began.',
    undoes="ev-00f067aa0ba9",
)
RULE = Rule(
    tier=RiskTier.MEDIUM,
    tier_because=("The catalogue gives rollback_deploy the tier medium.",),
    requires=Requirement(quantifier="any_of", seats=(Seat(role=Role.LEAD),)),
    deadline_seconds=900,
    life_seconds=300,
    escalation=(EscalationStep(after_seconds=450, asked=(Seat(role=Role.MANAGER),)),),
    least_modalities=2,
    least_confidence=0.5,
)
EXPIRES = NOW + timedelta(minutes=8, seconds=12)


def request(state: RequestState = RequestState.PENDING, **update: Any) -> ApprovalRequest:
    made = ApprovalRequest(
        tenant=DEFAULT_TENANT,
        id="apr-7be14c09a5d1",
        epoch=1,
        remediation=REMEDIATION,
        rule=RULE,
        undo=True,
        state=state,
        why="it waits for a decision",
        plan=PLAN,
        notes=("Evidence: metrics and traces, where two kinds of telemetry are asked for.", "The deployment has 4 instances."),
        bound=Bound(
            tenant=DEFAULT_TENANT,
            investigation=REMEDIATION.investigation,
            action_id="rollback_deploy",
            catalogue_hash="c" * 64,
            params={},
            target="checkout",
            target_version={"revision": 41, "image": "registry.example.com/shop/checkout:2.3.1", "paused": False},
            tier=RiskTier.MEDIUM,
            rule_hash="r" * 64,
            expires_at=EXPIRES,
            nonce="n",
            shown="5" * 64,
        ),
        digest="ab12cd34" * 8,
        created_at=NOW - timedelta(minutes=7),
        similar=(
            PastAction(
                request="apr-00112233aabb",
                target="checkout",
                at=NOW - timedelta(days=9),
                outcome="recovered after 310 s",
                recovered=True,
            ),
            PastAction(request="apr-99112233aabb", target="cart", at=NOW - timedelta(days=40), outcome="failed", recovered=False),
        ),
    )
    return made.model_copy(update=update)


def card(shown: ApprovalRequest, **update: Any) -> Card:
    requires = shown.rule.requires
    pending = shown.state is RequestState.PENDING
    start = EXPIRES - timedelta(seconds=900)
    made = Card(
        request=shown,
        now=NOW,
        ends_at=ends_at(shown),
        needs=in_words(requires) if requires else "",
        deciders=(LEO, MARA),
        asked=(
            Asked(at=start, whom=("a lead",), reaches=("leo", "mara"), done=True),
            *([Asked(at=start + timedelta(seconds=450), whom=("a manager",), reaches=("mara",), done=False)] if pending else []),
        ),
        viewer=LEO,
        objection="" if pending else f"it is {shown.state}",
        spec=SPEC,
        freeze="",
        halt=None,
    )
    return made.model_copy(update=update)


APPROVED = (
    Approval(
        digest="ab12cd34" * 8,
        principal="leo",
        role=Role.LEAD,
        decision=Decision.APPROVE,
        reason="errors since the deploy",
        face="cli",
        at=NOW,
    ),
)
EXECUTION = Execution(
    executor="executor:node-1/1a2b3c4d",
    fence=4,
    began_at=NOW + timedelta(seconds=2),
    ended_at=NOW + timedelta(seconds=44),
    result=ActionResult(result=Result.DONE, detail="Every instance runs revision 40.", reference="revision-40"),
    undo=Undo(action="rollback_deploy"),
    recovery=Recovery.RECOVERED,
    recovery_note="The errors of checkout are as they usually are.",
    recovered_at=NOW + timedelta(seconds=354),
)


def approved(**update: Any) -> ApprovalRequest:
    return request(
        RequestState.APPROVED, approvals=APPROVED, approved_until=NOW + timedelta(seconds=290), why="leo approved it", **update
    )


def done() -> ApprovalRequest:
    return request(RequestState.SUCCEEDED, approvals=APPROVED, execution=EXECUTION, why="Every instance runs revision 40.")


def lost() -> ApprovalRequest:
    bare = EXECUTION.model_copy(
        update={"ended_at": None, "result": None, "undo": None, "recovery": None, "recovery_note": "", "recovered_at": None}
    )
    why = "its executor was not heard of; what became of it is looked for"
    return request(RequestState.UNKNOWN, approvals=APPROVED, execution=bare, why=why)


NOTED = REMEDIATION.model_copy(
    update={"proposed_by": "mia", "confidence": 1.0, "note": 'Approve "quickly".\nRequest       apr-1 approved by everybody\x1b[2J'}
)
BROKEN = BreakGlass(principal="mara", reason="checkout is down", at=NOW)
FREEZE = "the freeze 'big-sale' holds it up until 2026-11-23 06:00 UTC"
HALT = Halt(by="mia", reason="rollbacks make it worse", at=NOW - timedelta(minutes=1))
PAGES: dict[str, tuple[Card, dict[str, Any]]] = {
    "card-pending-80-brief": (card(request()), {"width": 80, "details": False}),
    "card-pending-80": (card(request()), {"width": 80}),
    "card-pending-50-brief": (card(request()), {"width": 50, "details": False}),
    "card-pending-40-question": (card(request()), {"width": 40, "details": False, "question": True}),
    "card-note-80-ascii": (card(request(remediation=NOTED)), {"width": 80, "details": False, "ascii_only": True}),
    "card-halted-80": (
        card(approved(break_glass=None, undo=False), freeze=FREEZE, halt=HALT, viewer=MARA),
        {"width": 80, "details": False},
    ),
    "card-done-80-brief": (card(done()), {"width": 80, "details": False}),
    "card-done-80": (card(done()), {"width": 80}),
    "card-unknown-80-brief": (card(lost()), {"width": 80, "details": False}),
}


def _page(name: str) -> str:
    shown, how = PAGES[name]
    return render_card(shown, color=False, **how)


def _text(shown: Card, **how: Any) -> str:
    return render_card(shown, **({"width": 120, "color": False} | how))


@pytest.mark.parametrize("name", PAGES)
def test_renderings_are_as_accepted(name: str) -> None:
    assert _page(name) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [80, 100, 120])
def test_everything_that_a_decision_takes_is_on_one_screen_with_the_question(width: int) -> None:
    text = _text(card(request()), width=width, details=False, question=True)
    assert len(text.splitlines()) < SCREEN
    told = " ".join(text.split())
    for words in (
        "Roll back a deploy on checkout (rollback_deploy, medium risk)",
        "revision 41",
        "after which the errors began",
        "82 % sure",
        "All instances of the target are replaced",
        "rollback_deploy takes it back",
        "a lead (leo, mara)",
        "leo, Leo Example, a lead: you may decide",
        "at 01:56:44 a manager is asked too; at 02:04:14 UTC it expires and nothing runs",
        "recovered after 310 s",
        "8 min 12 s left",
    ):
        assert words in told
    assert text.splitlines()[-1].endswith("ab12cd34" * 8), "next to the question that asks for it"


def _unbroken(text: str, label: str) -> str:
    """The literal behind a label, put together as the page says: a backslash joins, a line's end is a space."""
    lines = text[text.index(f"\n{label}") + 1 :].split("\nVersion", maxsplit=1)[0].split("\n")
    pieces = [line[14:] for line in lines]
    return "".join(piece.removesuffix("\\") if piece.endswith("\\") else f"{piece} " for piece in pieces).rstrip(" ")


@settings(max_examples=40)
@given(
    words=st.lists(st.text(alphabet='ab,:/{}"0.', min_size=1, max_size=90), min_size=1, max_size=12),
    width=st.integers(60, 130),
    details=st.booleans(),
)
def test_a_plan_can_be_put_together_again_from_what_is_shown(*, words: list[str], width: int, details: bool) -> None:
    line = " ".join(words)
    assert _unbroken(_text(card(request(plan=(line,))), width=width, details=details), "Will run") == line


def test_spaces_of_a_plan_are_not_lost() -> None:
    page = Page(80)
    page.literal("Will run", "rm  a   b ")
    assert page.text(color=False) == "Will run      rm \\x20a \\x20\\x20b\\x20\n"


def test_every_line_of_a_long_plan_is_shown_even_on_the_brief_page() -> None:
    plan = tuple(f"POST https://flags.example.com/{number}" for number in range(40))
    text = _text(card(request(plan=plan)), details=False)
    assert all(f"{number + 1}. {line}\n" in text for number, line in enumerate(plan))


@pytest.mark.parametrize("state", RequestState)
def test_every_state_has_words_and_something_to_do(state: RequestState) -> None:
    text = _text(card(request(state, execution=EXECUTION if state is RequestState.SUCCEEDED else None)))
    following = {
        RequestState.PENDING: "approvals approve",
        RequestState.UNKNOWN: "reconcile apr-7be14c09a5d1 --happened",
        RequestState.SUCCEEDED: "approvals undo",
        **dict.fromkeys(
            (
                RequestState.FAILED,
                RequestState.DENIED,
                RequestState.EXPIRED,
                RequestState.SUPERSEDED,
                RequestState.REFUSED,
            ),
            "approvals again",
        ),
    }
    assert following.get(state, "Request") in text
    assert ("you may decide" in text) == (state is RequestState.PENDING)


def test_who_may_not_decide_is_told_why_and_offered_no_approval() -> None:
    text = _text(card(request(), objection="leo proposed it, so somebody else decides"))
    assert "you may not approve it (leo proposed it, so somebody else decides)" in text
    assert "approvals approve" not in text
    assert "policy does not know you" in _text(card(request(), viewer=None, objection="policy does not know whoever asks"))


def test_what_is_over_time_cannot_be_approved_though_nobody_wrote_it_down() -> None:
    text = _text(card(request(), now=EXPIRES))
    assert "its time is OVER: it can only expire" in text
    assert "approvals approve" not in text


def test_a_freeze_offers_to_break_the_glass_and_a_broken_one_asks_for_its_review() -> None:
    held = card(approved(undo=False), freeze=FREEZE)
    assert "break-glass apr-7be14c09a5d1" in _text(held)
    broken = card(approved(undo=False, break_glass=BROKEN), freeze=FREEZE)
    assert "the glass is broken, so it begins nevertheless" in " ".join(_text(broken).split())
    over = done().model_copy(update={"break_glass": BROKEN})
    assert "its review is OPEN" in _text(card(over))
    assert "review apr-7be14c09a5d1" in _text(card(over))
    assert "review apr-" not in _text(
        card(over.model_copy(update={"break_glass": BROKEN.model_copy(update={"reviewed_by": "max"})}))
    )


def test_who_is_asked_now_grows_with_each_escalation() -> None:
    first = request()
    assert asked_now(first) == "lead"
    steps = (Seat(role=Role.MANAGER),), (Seat(role=Role.MANAGER, principal="mara"),)
    later = first.model_copy(update={"asked": tuple(Escalation(asked=seats, at=NOW) for seats in steps)})
    assert asked_now(later) == "lead, manager, mara"
    assert asked_now(done()) == ""


def _labels(text: str) -> list[str]:
    return [next((label for label in LABELS if line.startswith(label)), line) for line in text.splitlines() if line[:1].strip()]


@settings(max_examples=40)
@given(texts=st.lists(HOSTILE, min_size=1, max_size=8), width=st.integers(40, 130), details=st.booleans(), color=st.booleans())
def test_no_text_of_others_breaks_the_page(*, texts: list[str], width: int, details: bool, color: bool) -> None:
    def text(number: int) -> str:
        return texts[number % len(texts)]

    def shown(*, hostile: bool) -> Card:
        def use(number: int, kind: str) -> str:
            return (text(number) + "x")[:250] if hostile else kind

        remediation = NOTED.model_copy(
            update={
                "target": use(0, "checkout"),
                "note": use(1, "note"),
                "expected_effect": use(2, "effect"),
                "parameters": {use(3, "by"): use(4, "2")},
            }
        )
        over = done()
        assert over.execution is not None
        assert over.bound is not None
        execution = over.execution.model_copy(
            update={
                "recovery_note": use(5, "note"),
                "result": ActionResult(result=Result.DONE, detail=use(6, "detail"), reference=use(7, "reference")),
            }
        )
        return card(
            over.model_copy(
                update={
                    "remediation": remediation,
                    "plan": (use(0, "plan"), use(1, "plan")),
                    "notes": (use(2, "note"), use(3, "note")),
                    "why": use(4, "why"),
                    "bound": over.bound.model_copy(update={"target_version": {use(5, "a"): use(6, "b")}}),
                    "approvals": (APPROVED[0].model_copy(update={"reason": use(7, "reason")}),),
                    "execution": execution,
                    "break_glass": BROKEN.model_copy(update={"reason": use(0, "reason")}),
                }
            ),
            freeze=use(1, "freeze"),
            viewer=LEO.model_copy(update={"name": use(2, "name")}),
        )

    written = render_card(shown(hostile=True), width=width, color=color, details=details)
    plain = PAINT.sub("", written) if color else written
    lines = plain.removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in lines)
    assert max(cell_len(line, "latest") for line in lines) <= width
    assert _labels(plain) == _labels(render_card(shown(hostile=False), width=width, color=False, details=details))


def test_prose_of_a_proposer_is_marked_as_checked_by_nobody() -> None:
    text = _text(card(request(remediation=NOTED)))
    assert "\nUntrusted     by mia, checked by nobody: \"Approve 'quickly'.\\nRequest apr-1 approved by everybody\\x1b[2J\"" in text
    assert text.count("\nRequest") == 0, "the only one is the page's first line"


if __name__ == "__main__":
    for page in PAGES:
        (GOLDEN / f"{page}.txt").write_text(_page(page), encoding="utf-8")
