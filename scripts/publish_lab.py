"""Write what was measured on the lab's suite into docs/measurements/lab.md.

usage: scripts/publish_lab.py ABLATION.json PREDICTIONS.jsonl RECORDINGS. `make measure-lab` does it all.
"""

from __future__ import annotations

import sys
from pathlib import Path

from middlewatch.evals import tables
from middlewatch.evals.ablation import Ablation
from middlewatch.evals.kinds import kinds_page, labels_below
from middlewatch.evals.publish import with_blocks
from middlewatch.records import Prediction

PAGE = Path(__file__).resolve().parent.parent / "docs" / "measurements" / "lab.md"


def main() -> None:
    """Read the figures and the labels, rewrite the page's blocks."""
    ablation, answers, recordings = map(Path, sys.argv[1:])
    measured = Ablation.model_validate_json(ablation.read_text(encoding="utf-8"))
    lines = answers.read_text(encoding="utf-8").splitlines()
    predictions = [Prediction.model_validate_json(line) for line in lines if line.strip()]
    labels = labels_below(recordings)
    blocks = {
        "vote": tables.overview(measured),
        "quiet moments": tables.quiet(measured),
        "confidence": tables.confidence(measured),
        "sets of agents": tables.by_agents(measured),
        "kinds of fault": tables.by_kind(measured),
        "misses": tables.misses(measured),
        "kinds and second causes": kinds_page(predictions, labels).rstrip("\n"),
        "onsets": tables.onsets(measured),
    }
    PAGE.write_text(with_blocks(PAGE.read_text(encoding="utf-8"), blocks), encoding="utf-8")


if __name__ == "__main__":
    main()
