"""What runbooks say, on a terminal's page: quoted, since people wrote it and nobody checked it."""

from __future__ import annotations

from middlewatch.frontends import runbook_wording as words
from middlewatch.frontends.cli.page import INDENT, Page, Span, Tone
from middlewatch.records import Report

LINES = 12
"""Of a section on the detailed page."""


def write_passages(page: Page, report: Report, *, details: bool) -> None:
    """The best of them on a line; or all, with why they are cited and what they say."""
    passages = report.runbooks
    if not details:
        more = f" ({len(passages) - 1} more)" if len(passages) > 1 else ""
        for passage in passages[:1]:
            page.short_entry("Runbook", Span(words.beside(passage, report, page.say) + words.place(passage, page.say)), tail=more)
        return
    for number, passage in enumerate(passages):
        page.entry("" if number else "Runbooks", Span(words.place(passage, page.say), Tone.STRONG))
        page.entry("", Span(words.matched(passage, report, page.say), Tone.SOFT))
        told = words.lines(passage, page.say)
        for line in told[:LINES]:
            page.paragraph(Span(f"| {line}"), indent=3 * INDENT, hang=INDENT)
        if len(told) > LINES:
            page.paragraph(Span(f"| and {len(told) - LINES} more lines", Tone.SOFT), indent=3 * INDENT)
