"""Investigate the last incident of each of some recordings, in one process: one line of JSON for each.

python -m middlewatch.evals.lab.evaluation.replay evals/recordings/lab-incidents/surge
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from middlewatch.evals.lab.evaluation.answers import replay
from middlewatch.settings import Settings


def main() -> None:
    """The command line: folders."""
    with tempfile.TemporaryDirectory(prefix="middlewatch-replay-") as folder:
        settings = Settings.load().model_copy(update={"data_dir": Path(folder) / "data"})
        for answer in replay(map(Path, sys.argv[1:]), settings):
            sys.stdout.write(answer.model_dump_json() + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
