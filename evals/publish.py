"""Write what was measured into a page whose prose is written by hand.

A block of the page is what stands between `<!-- measured: NAME -->` and `<!-- end of NAME -->`; everything else is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from middlewatch.evals import tables
from middlewatch.evals.ablation import Ablation
from middlewatch.evals.assessments import Assessed
from middlewatch.evals.charts import accuracy_by_agents, reliability_diagram
from middlewatch.evals.degradations import DEGRADATIONS
from middlewatch.records.errors import BadInput

RELIABILITY_PICTURE = "ranking-reliability.svg"
AGENTS_PICTURE = "ranking-agents.svg"


def publish(page: Path, measured: Ablation | None, degraded: Sequence[Ablation], incidents: Sequence[Assessed] = ()) -> None:
    """Rewrite the blocks of the page for which there are figures, and the pictures beside it.

    Args:
        page: a Markdown file with blocks.
        measured: on recordings as they are; None where they were not measured anew.
        degraded: the same on degraded recordings, and on the same ones as they are; nothing where they were not measured anew.
        incidents: what the agents found in what was measured; nothing where constants are not to be judged anew.
    """
    blocks = {}
    if measured is not None:
        blocks = {
            "vote": tables.overview(measured),
            "quiet moments": tables.quiet(measured),
            "confidence": tables.confidence(measured),
            "reliability": tables.reliability(measured),
            "onsets": tables.onsets(measured),
            "sets of agents": tables.by_agents(measured),
            "kinds of fault": tables.by_kind(measured),
            "misses": tables.misses(measured),
        }
    if degraded:
        blocks["degraded input"] = tables.by_degradation(in_order(degraded))
    if incidents:
        blocks["constants"] = tables.left_out(incidents)
    page.write_text(with_blocks(page.read_text(encoding="utf-8"), blocks), encoding="utf-8")
    if measured is not None:
        (page.parent / AGENTS_PICTURE).write_text(accuracy_by_agents(measured), encoding="utf-8")
        if measured.vote.confidence is not None:
            (page.parent / RELIABILITY_PICTURE).write_text(reliability_diagram(measured.vote.confidence), encoding="utf-8")


def with_blocks(text: str, blocks: Mapping[str, str]) -> str:
    """The text with the content of these blocks replaced.

    Raises:
        BadInput: the text has no such block.
    """
    for name, content in blocks.items():
        begin, end = f"<!-- measured: {name} -->", f"<!-- end of {name} -->"
        block = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        if not block.search(text):
            raise BadInput(f"The page has no block {name!r}.", remedy=f"Put {begin} and {end} where it belongs.")
        text = block.sub(lambda _: f"{begin}\n{content}\n{end}", text, count=1)  # noqa: B023  used within the iteration
    return text


def in_order(ablations: Sequence[Ablation]) -> list[Ablation]:
    """As they are first, then in the order of `DEGRADATIONS`."""
    order = list(DEGRADATIONS)
    return sorted(ablations, key=lambda each: [order.index(name) for name in each.degraded])
