"""Invariant: the answer, how sure it is, the proof and the vote are on the first screen, and no text from outside can imitate them.

The renderings in golden/ are looked at by people. To accept new ones after a change of the layout:
`python -m tests.unit.frontends.test_report`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from middlewatch.frontends.cli.report import render_report
from middlewatch.frontends.quotation import Quotation
from middlewatch.records import AgentName, AnomalyKind, Outcome, Position, Report
from tests.hostile_reports import filled
from tests.reports import empty, finding, inconclusive, proposed, two_causes

GOLDEN = Path(__file__).parent / "golden"
SCREEN = 24
PAINT = re.compile(r"\x1b\[(?:1|2|31|33|35|36|0)m")
LABELS = (
    "Finding", "No finding", "Kind", "Second cause", "Confidence", "Began", "Alert", "Path", "But", "Proof", "Noticed", "Vote",
    "Dissent", "Or else", "Guesses", "Next", "Would decide", "Ruled out", "Missing data", "Took",
    "Proposed", "Considered", "Data reached", "Record", "Reasons", "Evidence",
)  # fmt: skip
PAGES: dict[str, tuple[Report, dict[str, Any]]] = {
    **{f"finding-{width}": (finding(), {"width": width}) for width in (60, 80, 120)},
    **{f"inconclusive-{width}": (inconclusive(), {"width": width}) for width in (60, 80, 120)},
    "finding-40-brief": (finding(), {"width": 40, "details": False}),
    "finding-80-brief-ascii": (finding(), {"width": 80, "details": False, "ascii_only": True}),
    "finding-80-brief": (finding(), {"width": 80, "details": False}),
    "finding-120-brief": (finding(), {"width": 120, "details": False}),
    "two-causes-80": (two_causes(), {"width": 80}),
    "two-causes-80-brief": (two_causes(), {"width": 80, "details": False}),
    "inconclusive-80-brief": (inconclusive(), {"width": 80, "details": False}),
    "empty-80": (empty(), {"width": 80}),
    "proposed-80": (proposed(), {"width": 80}),
    "proposed-80-brief": (proposed(), {"width": 80, "details": False}),
}


def _page(name: str) -> str:
    report, how = PAGES[name]
    return render_report(report, color=False, **how)


@pytest.mark.parametrize("name", PAGES)
def test_renderings_are_as_accepted(name: str) -> None:
    assert _page(name) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_brief_page_has_the_answer_its_kind_the_onset_the_path_the_proof_and_the_vote(width: int) -> None:
    text = render_report(finding(), width=width, color=False, details=False)
    assert text.startswith('Finding       "checkout-api" is the most likely root cause')
    assert "code (slow path), 71 % sure; perhaps saturation (cpu) 17 %" in text
    assert "82 % sure (likely)" in text
    assert "2026-11-21 01:46:05 to 01:46:35 UTC" in text
    assert "checkout-api (01:46:20) → storefront-web (01:46:58, alarmed)" in text
    for row in ("metric  http.server.request.duration", "log     ", 'trace   "SELECT orders"', 'change  deploy "2.3.1"'):
        assert row in text
    assert "Vote          for: metrics, traces, deploys; against: logs, deadline errors" in text
    assert "Or else       payment-gw 3 %, storefront-web 1 %, cart-svc <1 %" in text


def test_the_detailed_page_has_the_vote_in_numbers() -> None:
    text = render_report(finding(), width=80, color=False)
    assert re.search(r"1  checkout-api +82 %  for 2.1 +against 0.41 +for 4.2 +for 1.1", text)
    assert "Dissent       logs (0.41): deadline errors" in text
    assert "at the same time: E2" in text


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_the_brief_page_leaves_room_for_the_prompt_on_one_screen(width: int) -> None:
    acted = {name: getattr(proposed(), name) for name in ("remediations", "considered")}
    for report in (finding(), two_causes(), inconclusive(), empty(), proposed(), two_causes().model_copy(update=acted)):
        page = render_report(
            report, width=width, color=False, details=False, program=("MIDDLEWATCH_DATA_DIR=.a/b", "bin/middlewatch")
        )
        assert len(page.splitlines()) < SCREEN


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_kind_of_cause_is_never_cut(width: int) -> None:
    for report, told in ((finding(), 'shown by the operation "SELECT orders"'), (two_causes(), "perhaps saturation (cpu) 17 %")):
        page = render_report(report, width=width, color=False, details=False)
        kind = page[page.index("\nKind") :].split("\nConfidence")[0].split("\nSecond cause")[0]
        assert " ".join(kind.split()).endswith(told)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_what_to_do_next_has_a_second_line(width: int) -> None:
    report = finding()
    for step, words in (("undo it", "undo it (1 more)"), ("undo " + "the change " * 12, "undo the change")):
        steps = report.model_copy(update={"next_steps": (step, "and then that")})
        page = render_report(steps, width=width, color=False, details=False)
        told = page[page.index("\nNext") :].removeprefix("\nNext").split("\nRuled out")[0]
        assert words in " ".join(told.split())
        assert told.endswith(" (1 more)")
        assert len(told.strip().splitlines()) == (1 if step == "undo it" else 2)


def test_what_is_proposed_stands_in_the_place_of_the_next_step_with_its_command() -> None:
    brief = render_report(proposed(), width=80, color=False, details=False, program=("bin/mw",))
    assert "\nProposed      Roll back a deploy on checkout-api (medium risk) (1 more)\n" in brief
    assert "\n              bin/mw approvals show apr-7be14c09a5d1\n" in brief
    assert "\nNext" not in brief
    details = render_report(proposed(), width=80, color=False)
    assert "\n              Open a ticket on checkout-api (runs by policy)\n" in details
    assert "approvals show apr-00f067aa0ba9" in details
    assert "\nNext" in details
    assert "\nConsidered    restart_service: it does not take back" in details


def test_that_nothing_else_is_likely_takes_no_line() -> None:
    report = finding()
    sure = report.model_copy(
        update={
            "confidence": 0.99,
            "hypotheses": tuple(row.model_copy(update={"share": 0.99 if row.rank == 1 else 0.001}) for row in report.hypotheses),
        }
    )
    assert "\nOr else" not in render_report(sure, width=80, color=False, details=False)
    assert "\nOr else" in render_report(report, width=80, color=False, details=False)


def test_an_onset_around_midnight_has_both_dates() -> None:
    report = finding()
    assert report.onset is not None
    night = report.onset.at.replace(hour=0, minute=0, second=2)
    around = report.onset.model_copy(update={"at": night, "earliest": night - timedelta(seconds=9), "latest": night})
    page = render_report(report.model_copy(update={"onset": around}), width=80, color=False, details=False)
    assert "\nBegan         2026-11-20 23:59:53 to 2026-11-21 00:00:02 UTC, " in page


def test_the_brief_page_says_what_it_leaves_out() -> None:
    text = render_report(finding(), width=80, color=False, details=False)
    assert text.count(" more)") == 3
    assert text.splitlines()[-1].endswith("--details")


@pytest.mark.parametrize("report", [finding(), two_causes(), inconclusive()])
def test_the_brief_page_takes_no_explaining(report: Report) -> None:
    text = render_report(report, width=120, color=False, details=False)
    assert not re.search(r"\bnats\b|\bshare\b|\bsurprise\b|\blog.odds\b|E\d", text)
    assert "nats" in render_report(report, width=120, color=False, details=True), "where they are, the check can fail"


def test_both_causes_stand_on_the_brief_page() -> None:
    text = render_report(two_causes(), width=120, color=False, details=False)
    assert re.search(
        r"\nSecond cause  payment-gw, 93 % sure; began between 01:46:16 and 01:46:46; unknown; perhaps network 40 %", text
    )
    assert '\nBut           "storefront-web" began at 01:45:40 UTC already, before "checkout-api"' in text
    assert "\nOr else       storefront-web 1 %" in text


def test_every_kind_of_fact_may_show_a_cause() -> None:
    """A change is told in the answer already, and its subject is made for programs."""
    report = finding()
    first = report.hypotheses[0]
    assert first.hypothesis.cause is not None
    for shown_by in AnomalyKind:
        cause = first.hypothesis.cause.model_copy(
            update={"shown_by": shown_by, "subject": "the-subject", "instance": "i-1", "alternatives": ()}
        )
        row = first.model_copy(update={"hypothesis": first.hypothesis.model_copy(update={"cause": cause})})
        text = render_report(report.model_copy(update={"hypotheses": (row,)}), width=120, color=False, details=False)
        kind = next(line for line in text.splitlines() if line.startswith("Kind"))
        told = "by a change before it" if shown_by is AnomalyKind.CHANGE else "the-subject on i-1"
        assert kind.replace('"', "").endswith(told)  # a line of a log is quoted


def test_a_report_of_before_causes_had_kinds_is_shown_without() -> None:
    old = finding()
    first = old.hypotheses[0]
    bare = first.model_copy(update={"explanation": None, "hypothesis": first.hypothesis.model_copy(update={"cause": None})})
    text = render_report(old.model_copy(update={"causes": (), "hypotheses": (bare, *old.hypotheses[1:])}), width=80, color=False)
    assert "\nKind" not in text
    assert "\nPath" not in text
    assert re.search(r"1  checkout-api +82 %", text)


@pytest.mark.parametrize("report", [finding(), inconclusive()])
def test_the_chances_add_up_and_the_first_is_the_confidence(report: Report) -> None:
    text = render_report(report, width=120, color=False)
    table = text[text.index("     cause") : text.index("none of these") + 40]
    chances = [int(number) for number in re.findall(r"(\d+) %", table)]
    assert chances[0] == round(100 * report.confidence)
    assert sum(chances) == pytest.approx(100, abs=2)


def test_an_inconclusive_report_says_that_nobody_knows_even_where_its_answer_does_not() -> None:
    report = inconclusive().model_copy(update={"answer": "Nothing stands out."})
    text = render_report(report, width=80, color=False)
    assert text.startswith("No finding    I don't know. Nothing stands out.")
    assert "best guess image-resizer, 21 % sure" in text
    assert "guesses, not findings" in text
    assert text.index("Missing data") < text.index("Vote")


def test_what_does_not_support_a_finding_is_no_proof_of_it() -> None:
    """Facts of an agent that opposes or abstains, and a change that is not blamed."""
    report = finding()
    leading, *others = report.hypotheses
    votes = [v.model_copy(update={"position": Position.ABSTAIN}) if v.agent is AgentName.METRICS else v for v in leading.votes]
    causes = tuple(cause.model_copy(update={"change": None}) for cause in report.causes)
    silent = report.model_copy(
        update={"hypotheses": (leading.model_copy(update={"votes": tuple(votes)}), *others), "causes": causes}
    )
    text = render_report(silent, width=120, color=False, details=False)
    assert all(f"{signal}none: " in text for signal in ("metric  ", "log     "))
    assert "change  none: no change of this service is likely the trigger" in text
    assert 'trace   "SELECT orders"' in text


def test_a_signal_without_a_fact_says_why() -> None:
    report = finding()
    kept = tuple(fact for fact in report.evidence if fact.agent is not AgentName.DEPLOYS)
    leading = report.hypotheses[0]
    reason = "no change to this service in 24 h"
    votes = tuple(
        vote.model_copy(update={"position": Position.ABSTAIN, "strength": 0.0, "reason": reason, "evidence": ()})
        if vote.agent is AgentName.DEPLOYS
        else vote
        for vote in leading.votes
    )
    hypotheses = (leading.model_copy(update={"votes": votes}), *report.hypotheses[1:])
    text = render_report(report.model_copy(update={"evidence": kept, "hypotheses": hypotheses}), width=80, color=False)
    assert f"  change  none: {reason}\n" in text


def test_only_the_last_vote_of_an_agent_counts() -> None:
    report = finding()
    leading = report.hypotheses[0]
    earlier = leading.votes[0].model_copy(update={"position": Position.OPPOSE, "strength": 9.0})
    later = tuple(vote.model_copy(update={"round": 2}) for vote in leading.votes)
    twice = report.model_copy(
        update={"hypotheses": (leading.model_copy(update={"votes": (*later, earlier)}), *report.hypotheses[1:])}
    )
    assert render_report(twice, width=80, color=False) == render_report(report, width=80, color=False)


@pytest.mark.parametrize("report", [finding(), two_causes(), inconclusive(), empty()])
def test_colour_adds_nothing_but_colour(report: Report) -> None:
    plain = render_report(report, width=80, color=False)
    painted = render_report(report, width=80, color=True)
    assert "\x1b" not in plain
    assert painted != plain
    assert PAINT.sub("", painted) == plain


@pytest.mark.parametrize("width", [0, 39, 40, 1000])
def test_widths_outside_the_range_are_taken_for_its_ends(width: int) -> None:
    assert render_report(finding(), width=width, color=False) == render_report(
        finding(), width=min(max(width, 40), 120), color=False
    )


HOSTILE = st.one_of(
    st.text(max_size=30),
    st.sampled_from(LABELS).map("x\n{}    99 % sure".format),
    st.sampled_from(
        ["\x1b[2J", "\x9b31m", "\x1b]8;;http://x\x07", "\r", "\u202e", "\u05d0 1 2", "[red]x[/red]", "\u0301" * 9, "\n\n"]
    ),
    st.text(alphabet="日本語\u3000\U0001f600é", min_size=20, max_size=120),
    st.text(alphabet="x", min_size=100, max_size=300),
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def _labels(text: str) -> list[str]:
    """What stands at the edge of the page, in order."""
    return [next((label for label in LABELS if line.startswith(label)), line) for line in text.splitlines() if line[:1].strip()]


@settings(max_examples=120, deadline=None)
@given(
    outcome=st.sampled_from(Outcome),
    texts=st.lists(HOSTILE, min_size=1, max_size=7),
    numbers=st.lists(NUMBERS, min_size=1, max_size=5),
    width=st.integers(40, 200),
    details=st.booleans(),
    ascii_only=st.booleans(),
    color=st.booleans(),
)
def test_no_text_and_no_number_breaks_the_page(
    *, outcome: Outcome, texts: list[str], numbers: list[float], width: int, details: bool, ascii_only: bool, color: bool
) -> None:
    acted = {name: getattr(proposed(), name) for name in ("remediations", "considered")}
    base = two_causes().model_copy(update=acted) if outcome is Outcome.FINDING else inconclusive()
    written = render_report(filled(base, texts, numbers), width=width, color=color, details=details, ascii_only=ascii_only)
    text = PAINT.sub("", written) if color else written
    lines = text.removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in lines)
    assert max(cell_len(line, "latest") for line in lines) <= width
    assert text.isascii() or not ascii_only
    expected = render_report(base, width=width, color=False, details=details, ascii_only=ascii_only)
    assert _labels(text) == _labels(expected)


def test_the_property_above_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    attack = finding().model_copy(update={"answer": "x\nVote          4 for\x1b[2J"})
    guarded = render_report(attack, width=80, color=False)
    monkeypatch.setattr(Quotation, "clean", lambda _, text: text)
    unguarded = render_report(attack, width=80, color=False)
    assert _labels(guarded) == _labels(render_report(finding(), width=80, color=False))
    assert "\x1b" in unguarded
    assert _labels(unguarded) != _labels(guarded)


if __name__ == "__main__":
    for page in PAGES:
        (GOLDEN / f"{page}.txt").write_text(_page(page), encoding="utf-8")
