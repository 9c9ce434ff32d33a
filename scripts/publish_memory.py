"""Investigate recordings and write into docs/measurements/memory.md how well earlier incidents of the same fault are found.

usage: scripts/publish_memory.py DATA_DIRECTORY RECORDING...
"""

from __future__ import annotations

import sys
from pathlib import Path

from middlewatch.app import open_app
from middlewatch.evals import memory
from middlewatch.evals.publish import with_blocks
from middlewatch.settings import Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "measurements" / "memory.md"


def main() -> None:
    """Investigate, compare, rewrite the page's blocks."""
    data, *recordings = map(Path, sys.argv[1:])
    with open_app(Settings(data_dir=data)) as app, app.working():
        cases = [case for recording in recordings for case in memory.investigated(app, recording)]
    blocks = {"overview": memory.overview(cases), "pairs": memory.likenesses(cases), "misses": memory.misses(cases)}
    PAGE.write_text(with_blocks(PAGE.read_text(encoding="utf-8"), blocks), encoding="utf-8")
    print(f"{len(cases)} incidents")


if __name__ == "__main__":
    main()
