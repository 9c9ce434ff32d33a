"""Write what `middlewatch lab evaluate` measured into docs/measurements/lab-incidents.md.

usage: scripts/publish_lab_incidents.py ANSWERS.jsonl
"""

from __future__ import annotations

import sys
from pathlib import Path

from middlewatch.evals.lab.evaluation import scores
from middlewatch.evals.lab.evaluation.answers import LabAnswer
from middlewatch.evals.publish import with_blocks

PAGE = Path(__file__).resolve().parent.parent / "docs" / "measurements" / "lab-incidents.md"


def main() -> None:
    """Read the answers, rewrite the page's blocks."""
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    answers = [LabAnswer.model_validate_json(line) for line in lines if line.strip()]
    blocks = {
        "overview": scores.overview(answers),
        "times": scores.times(answers),
        "loads": scores.by_load(answers),
        "faults": scores.by_fault(answers),
        "misses": scores.misses(answers),
    }
    PAGE.write_text(with_blocks(PAGE.read_text(encoding="utf-8"), blocks), encoding="utf-8")


if __name__ == "__main__":
    main()
