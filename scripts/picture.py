"""Draw the report of the demo's incident as docs/images/finding.svg, as it looks on a terminal of 88 columns.

usage: scripts/picture.py REPORT.json, made with `middlewatch investigate --recording ... --json`
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from middlewatch.frontends.cli.report import render_report
from middlewatch.records import Report

OUTPUT = Path(__file__).resolve().parent.parent / "docs" / "images" / "finding.svg"
WIDTH = 88


def main() -> None:
    """Read the report, write the picture."""
    report = Report.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(render_report(report, width=WIDTH, color=True, details=False)))
    svg = console.export_svg(title="make demo")
    # No fonts from elsewhere: the picture must not call anybody.
    svg = re.sub(r"@font-face\s*{.*?}", "", svg, flags=re.DOTALL).replace("Fira Code", "ui-monospace")
    OUTPUT.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
