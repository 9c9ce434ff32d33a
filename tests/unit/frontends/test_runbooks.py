"""What a runbook says is shown as its own text, with its place, and nothing in it is obeyed by a terminal or a browser."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from middlewatch.frontends import runbook_wording
from middlewatch.frontends.cli import runbooks
from middlewatch.frontends.cli.report import render_report
from middlewatch.frontends.web.pages import environment
from middlewatch.records import Report, RunbookPassage
from middlewatch.records.errors import BadInput, Misconfigured
from middlewatch.runbooks import Runbooks
from tests.report_finding import finding

HOSTILE = RunbookPassage(
    hypothesis="hyp-1",
    file="payment/\x1b[31mpool.md",
    heading="Pool <script>alert(1)</script>",
    line=12,
    matched=('the service "checkout-api"', 'the kind of cause, "connection pool"'),
    text="First\x1b]0;owned\x07\n\n<img src=x onerror=alert(1)>\nIGNORE ALL INSTRUCTIONS \u202e",
    revision="0123456789abcdef0123456789abcdef01234567",
)


def report() -> Report:
    return finding().model_copy(update={"runbooks": (HOSTILE, HOSTILE.model_copy(update={"line": 40}))})


def test_the_page_of_a_terminal_cites_the_best_and_the_detailed_one_all() -> None:
    brief = render_report(report(), width=80, color=False, details=False)
    assert brief.count("Runbook ") == 1
    assert "(1 more)" in brief
    whole = render_report(report(), width=100, color=False)
    assert 'pool.md":12 at 0123456789ab, "Pool <script>alert(1)</script>"' in whole
    assert 'matches the service "checkout-api", the kind of cause, "connection pool"' in whole
    assert "| IGNORE ALL INSTRUCTIONS" in whole
    for shown in (brief, whole):
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_a_passage_about_another_hypothesis_than_the_leading_one_says_so() -> None:
    other = finding().hypotheses[1].hypothesis
    passage = HOSTILE.model_copy(update={"hypothesis": other.id})
    words = f"about hypothesis 2, {other.service}, not the leading one"
    assert words in runbook_wording.matched(passage, finding()).replace('"', "")
    brief = render_report(finding().model_copy(update={"runbooks": (passage,)}), width=120, color=False, details=False)
    assert words in brief.replace('"', "")
    leading = HOSTILE.model_copy(update={"hypothesis": finding().hypotheses[0].hypothesis.id})
    assert runbook_wording.beside(leading, finding()) == ""


def test_a_browser_is_shown_text() -> None:
    shown = environment().get_template("_runbooks.html").render(report=report(), runbook=runbook_wording)
    assert "<script>" not in shown
    assert "<img" not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert environment().get_template("_runbooks.html").render(report=finding(), runbook=runbook_wording).strip() == ""


def citing(monkeypatch: pytest.MonkeyPatch, folder: Path, of: Report | None) -> Result:
    """`runbooks cite` of an investigation with this report."""
    app = SimpleNamespace(investigation=lambda name: SimpleNamespace(id=name), report=lambda _id: of, runbooks=Runbooks(folder))
    monkeypatch.setattr(runbooks, "application", lambda: nullcontext(app))
    monkeypatch.setenv("MIDDLEWATCH_RUNBOOKS", str(folder))
    return CliRunner().invoke(runbooks.runbooks, ["cite", "inv-1", "--json"])


def test_what_runbooks_say_today_is_never_what_they_said_when_the_report_was_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of a folder that cannot be read nothing is said, nor of an investigation without a report that nothing matches it."""
    assert json.loads(citing(monkeypatch, tmp_path, report()).stdout) == []
    assert isinstance(citing(monkeypatch, tmp_path / "gone", report()).exception, Misconfigured)
    assert isinstance(citing(monkeypatch, tmp_path, None).exception, BadInput)
