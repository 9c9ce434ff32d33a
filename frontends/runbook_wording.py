"""How every front end cites a runbook: its file, line and heading, and what in it the hypothesis matches."""

from __future__ import annotations

from middlewatch.frontends.quotation import Quotation
from middlewatch.records import Report, RunbookPassage

_SAY = Quotation()


def place(passage: RunbookPassage, say: Quotation = _SAY) -> str:
    """Where it is written, so that it can be found."""
    at = f" at {passage.revision[:12]}" if passage.revision else ""
    return f"{say.named(passage.file)}:{passage.line}{at}, {say.quoted(passage.heading)}"


def matched(passage: RunbookPassage, report: Report, say: Quotation = _SAY) -> str:
    """Which hypothesis it is about, where that is not the leading one, and why it is cited."""
    return f"{beside(passage, report, say)}matches {', '.join(map(say.clean, passage.matched))}"


def beside(passage: RunbookPassage, report: Report, say: Quotation = _SAY) -> str:
    """Of a passage about another hypothesis than the leading one: about which; empty otherwise."""
    other = next((row for row in report.hypotheses[1:] if row.hypothesis.id == passage.hypothesis), None)
    return f"about hypothesis {other.rank}, {say.named(other.hypothesis.service)}, not the leading one; " if other else ""


def lines(passage: RunbookPassage, say: Quotation = _SAY) -> list[str]:
    """What it says, line by line, made harmless and without empty lines."""
    return [say.clean(line) for line in passage.text.split("\n") if line.strip()]
