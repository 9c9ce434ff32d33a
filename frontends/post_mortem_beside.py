"""The sections of a post-mortem about what stands beside the evidence: language models, runbooks, and incidents before it.

Each is lines of Markdown, or none where there is nothing to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from middlewatch.frontends import model_wording, quantity, runbook_wording, similar_wording
from middlewatch.frontends.markdown import code, plain
from middlewatch.frontends.model_votes import model_votes
from middlewatch.records import Identifier, Report
from middlewatch.similar import Earlier


def models_said(report: Report, number: Callable[[Identifier], str]) -> list[str]:
    """What language models said, what of it was rejected, and what it cost.

    Args:
        report: whose.
        number: what a fact is called by; empty of one that is not known.
    """
    work = report.models
    if work is None:
        return []
    lines = [
        "## What language models said",
        "",
        f"What they say is theirs: {plain(model_wording.in_short(report)) or 'nothing'}.",
        "",
    ]
    if words := model_wording.prose(work):
        lines.append(f"- {model_wording.IN_ITS_WORDS}: {plain(words)}")
    for share in model_wording.shares(work):
        lines.append(f"- {plain(share.words)}")
        lines += [
            f"  - {plain(claim.text)} {', '.join(filter(None, map(number, claim.evidence)))}".rstrip() for claim in share.claims
        ]
    for said in model_votes(report, report.hypotheses[0]) if report.hypotheses else ():
        lines.append(f"- {plain(said.speaker)} {plain(said.words)}: {plain(said.reason)}")
    return [*lines, f"- {model_wording.CLAIMS_CHECKED}", f"- Cost: {plain(model_wording.investigation(work.calls))}"]


def runbooks_say(report: Report) -> list[str]:
    """Which sections of runbooks were cited, and why."""
    lines = [f"- {plain(runbook_wording.place(one))}: {plain(runbook_wording.matched(one, report))}" for one in report.runbooks]
    return ["## Runbooks", "", *lines] if lines else []


def seen_before(earlier: Sequence[Earlier]) -> list[str]:
    """Incidents before it that are like it, and what fixed them."""
    lines: list[str] = []
    for one in earlier:
        lines += [
            f"- {code(one.investigation)} at {quantity.stamp(one.detected_at)}: {plain(similar_wording.answer(one))}",
            f"  - {plain(similar_wording.fixed(one))}",
            f"  - {plain(similar_wording.alike(one))}",
        ]
    return ["## Seen before", "", *lines] if lines else []
