"""Invariant: what would run is shown whole and exactly, before who decides, and nothing that others wrote can pass for the page.

The renderings in golden/ are looked at by people. To accept new ones after a change of the layout:
`python -m tests.unit.frontends.test_approval_card`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from middlewatch.cards import Card, asked_now
from middlewatch.frontends.cli.approval_card import render_card
from middlewatch.frontends.cli.page import Page
from middlewatch.records import LOOKING, ActionResult, Escalation, RequestState, Result, Role, Seat
from tests.approval_cards import (
    APPROVED,
    BROKEN,
    EXECUTION,
    EXPIRES,
    FREEZE,
    HALT,
    LEO,
    MARA,
    NOTED,
    NOW,
    approved,
    card,
    done,
    lost,
    request,
)
from tests.hostile import HOSTILE

GOLDEN = Path(__file__).parent / "golden"
SCREEN = 24
PAINT = re.compile(r"\x1b\[(?:1|2|31|33|35|36|0)m")
LABELS = (
    "Request", "Held up", "Halted", "Freeze", "Result", "Executed", "Recovery", "Glass", "Action", "With", "Will run",
    "Runs now", "Ran", "Was to run", "Did not run", "Version", "Why", "Known", "Done before", "Touches", "Needs first",
    "Worked if", "Undo", "Decided", "Who decides", "You", "If too late", "If nobody", "Tier", "Digest", "Next", "More",
    "Untrusted",
)  # fmt: skip
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
        "rollback_deploy again puts revision 41 back",
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


@pytest.mark.parametrize("width", [40, 80])
def test_no_note_about_the_target_is_folded_away_on_the_page_with_the_question(width: int) -> None:
    notes = tuple(f"{'The disruption budget allows no pod to go. ' * 5}({number})" for number in range(9))
    told = " ".join(_text(card(request(notes=notes)), width=width, details=False, question=True).split())
    assert all(f"({number})" in told for number in range(9))
    assert "more)" not in told.split("Known")[1].split("Done before")[0]


def test_what_holds_up_the_look_at_the_target_is_on_the_page() -> None:
    met = "Nothing was sent: no connection."
    assert f"Held up       {met}\n" in _text(card(request(RequestState.PREPARING, why=met)))
    assert "Held up" not in _text(card(request(RequestState.PREPARING, why=LOOKING)))


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
