"""Write what `middlewatch evaluate --ablate --json` measured into docs/measurements/ranking.md, and draw its pictures.

usage: scripts/publish_ranking.py FOLDER, with ranking.json and assessments.jsonl (of --assessments), or degraded/*.json, or all of
them in it. `make measure-ranking` does it all.
"""

from __future__ import annotations

import sys
from pathlib import Path

from middlewatch.evals.ablation import Ablation
from middlewatch.evals.assessments import kept_in
from middlewatch.evals.publish import publish

PAGE = Path(__file__).resolve().parent.parent / "docs" / "measurements" / "ranking.md"


def main() -> None:
    """Read the figures, write the page."""
    folder = Path(sys.argv[1])
    ranking = folder / "ranking.json"
    degraded = [_read(file) for file in sorted(folder.glob("degraded/*.json"))]
    publish(PAGE, _read(ranking) if ranking.exists() else None, degraded, kept_in(folder / "assessments.jsonl"))


def _read(file: Path) -> Ablation:
    return Ablation.model_validate_json(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
