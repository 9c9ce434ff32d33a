"""Invariant: a post-mortem holds what was measured and done, with its times, and no text in it is anything but text.

The pages in golden/ are looked at by people. To accept new ones after a change: `python -m tests.unit.frontends.test_post_mortem`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middlewatch.auditing import Entry
from middlewatch.frontends.post_mortem import post_mortem
from middlewatch.records import Evidence, Feedback, Handling, Handover, Outcome, Report, Verdict
from tests.approval_cards import NOW, done, request
from tests.hostile_reports import filled
from tests.reports import empty, finding, inconclusive, proposed, two_causes
from tests.unit.frontends.test_markdown import LINKED, MARKDOWN, RENDERER

GOLDEN = Path(__file__).parent / "golden"
LINK = "https://middlewatch.example/investigations/inv-1"
HANDLING = Handling(
    acknowledged_by="mia",
    acknowledged_at=NOW,
    handovers=(Handover(by="mia", to="leo", at=NOW + timedelta(minutes=1), note="the shop is slow"),),
    feedback=(Feedback(by="leo", at=NOW + timedelta(hours=1), verdict=Verdict.PARTLY, cause="the index\nwas dropped", face="cli"),),
)
ACTED = {"action": "rollback_deploy", "target": "checkout"}


def entry(minute: int, actor: str, event: str, obj: str = "apr-7be14c09a5d1", *, text: str = "", **data: Any) -> Entry:
    digest = "d" * 64
    told = data | ({"reason": {"sha256": digest}} if text else {})
    at = (NOW + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")
    return Entry(seq=minute, ts=at, actor=actor, event=event, obj=obj, digest="", data=told, texts={digest: text} if text else {})


def entries(text: str = "errors since the deploy") -> tuple[Entry, ...]:
    return (
        entry(0, "mia", "investigation.acknowledged", "inv-20261121-015200-7be1"),
        entry(1, "system:orchestrator", "request.proposed", **ACTED),
        entry(2, "leo", "request.viewed", **ACTED),
        entry(3, "mia", "halt.set", "", text=text),
        entry(4, "leo", "request.approved", text=text, **ACTED),
        entry(5, "executor:node-1", "execution.succeeded", why="Every instance runs revision 40.", **ACTED),
        entry(9, "mia", "halt.set", ""),
    )


PAGES: dict[str, Callable[[], str]] = {
    "post-mortem-finding.md": lambda: post_mortem(finding(), HANDLING, requests=[done(), request()], entries=entries(), link=LINK),
    "post-mortem-inconclusive.md": lambda: post_mortem(inconclusive(), Handling()),
    "post-mortem-two-causes.md": lambda: post_mortem(two_causes(), Handling()),
    "post-mortem-empty.md": lambda: post_mortem(empty(), Handling()),
}


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_as_accepted(name: str) -> None:
    assert PAGES[name]() == (GOLDEN / name).read_text(encoding="utf-8")


def test_it_tells_who_did_what_and_when_in_order() -> None:
    written = PAGES["post-mortem-finding.md"]()
    timeline = written[written.index("## Timeline") : written.index("## Root cause")].splitlines()[4:]
    times = [row.split(" | ")[0] for row in timeline if row]
    assert times == sorted(times)
    assert len([row for row in timeline if "halted everything" in row]) == 1, "a halt after all of it is of another incident"
    assert not any("was shown" in row for row in timeline)
    for words in ("acknowledged it", "approved `rollback_deploy` on checkout", "`errors since the deploy`"):
        assert any(words in row for row in timeline), words


def headings(markdown: str) -> list[str]:
    tokens = RENDERER.parse(markdown)
    texts = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return ["# Post-mortem" if text.startswith("Post-mortem: ") else text for text in texts]


@settings(max_examples=60, deadline=None)
@given(outcome=st.sampled_from(Outcome), texts=st.lists(MARKDOWN, min_size=1, max_size=7))
def test_no_text_becomes_a_link_an_image_html_or_a_heading(outcome: Outcome, texts: list[str]) -> None:
    base = two_causes() if outcome is Outcome.FINDING else inconclusive()
    report = filled(base.model_copy(update={"considered": proposed().considered}), texts)
    said, told = texts[0][:500], " ".join(texts)
    handling = HANDLING.model_copy(update={"feedback": (HANDLING.feedback[0].model_copy(update={"cause": said}),)})
    action = done()
    approvals = (action.approvals[0].model_copy(update={"reason": told[:2000]}),)
    remediation = action.remediation.model_copy(update={"target": (told or "x")[:256], "note": told[:4000]})
    action = action.model_copy(update={"approvals": approvals, "remediation": remediation, "why": told})
    written = post_mortem(report, handling, requests=[action], entries=entries(told), link=LINK)
    expected = post_mortem(base, handling, requests=[action], entries=entries(told), link=LINK)

    assert headings(written) == headings(expected)
    for table, rows in groupby(written.splitlines(), key=lambda row: row.startswith("|")):
        assert not table or len({row.count("|") for row in rows}) == 1, "a cell is cut in two"
    for token in RENDERER.parse(written):
        assert token.type not in {"html_block", "fence", "code_block", "hr"}
        for leaf in token.children or ():
            assert leaf.type not in {"html_inline", "image", "s_open"}
            if leaf.type == "link_open":
                assert str(leaf.attrs["href"]).startswith(LINK)
            elif leaf.type == "text":
                assert not LINKED.search(leaf.content), leaf.content


def test_the_property_above_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    attack = finding().model_copy(update={"answer": "x\n\n# owned\n\n![x](http://evil.test/a.png)"})
    guarded = post_mortem(attack, Handling())
    monkeypatch.setattr("middlewatch.frontends.post_mortem.plain", lambda text, **_: text)
    assert "owned" not in headings(guarded)
    assert "owned" in headings(post_mortem(attack, Handling()))


def test_a_fact_is_called_by_the_number_that_every_face_gives_it() -> None:
    report: Report = finding()
    first: Evidence = report.evidence[0]
    assert f"[E1]: {LINK}/evidence/{first.id}\n" in post_mortem(report, Handling(), link=f"{LINK}/")
    assert "[E1]" not in post_mortem(report, Handling())


if __name__ == "__main__":
    for page, write in PAGES.items():
        (GOLDEN / page).write_text(write(), encoding="utf-8")
