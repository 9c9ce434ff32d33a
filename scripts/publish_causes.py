"""Write how often kinds of causes are right into docs/measurements/causes.md, below its heading `Figures`.

usage: scripts/publish_causes.py PREDICTIONS.jsonl RECORDINGS, after `middlewatch evaluate RECORDINGS --output PREDICTIONS.jsonl`
"""

from __future__ import annotations

import sys
from pathlib import Path

from middlewatch.evals.kinds import kinds_page, labels_below
from middlewatch.records import Prediction

PAGE = Path(__file__).resolve().parent.parent / "docs" / "measurements" / "causes.md"
HEADING = "## Figures\n"


def main() -> None:
    """Read the predictions and the labels, replace the figures."""
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    predictions = [Prediction.model_validate_json(line) for line in lines if line.strip()]
    text, _, _ = PAGE.read_text(encoding="utf-8").partition(HEADING)
    PAGE.write_text(f"{text}{HEADING}{kinds_page(predictions, labels_below(Path(sys.argv[2])))}", encoding="utf-8")


if __name__ == "__main__":
    main()
