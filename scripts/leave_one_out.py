"""Judge values of any global constant by leaving one system out at a time; `make measure-ranking` does so for those of the vote.

usage: scripts/leave_one_out.py ASSESSMENTS CONSTANT VALUE VALUE ... [--error]
such as scripts/leave_one_out.py kept.jsonl agents.voting.SHARE_TEMPERATURE 0.1 0.05 0.2, with the present value first, after
`middlewatch evaluate FOLDER --ablate --assessments kept.jsonl`. The figure is the share of moments that are answered rightly; with
--error it is the squared error of the confidence, with a minus.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from middlewatch.evals.assessments import kept_in
from middlewatch.evals.leave_one_out import constant, leave_one_out, share_right, squared_error


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assessments", type=Path)
    parser.add_argument("constant")
    parser.add_argument("values", type=float, nargs="+")
    parser.add_argument("--error", action="store_true")
    asked = parser.parse_args()
    incidents, measure, figures = kept_in(asked.assessments), squared_error if asked.error else share_right, {}
    for value in asked.values:
        with constant(asked.constant, value):
            figures[value] = measure(incidents)
        print(f"{asked.constant} = {value:g}", *(f"{system} {figure:.4f}" for system, figure in figures[value].items()), sep="  ")
    for left in leave_one_out(figures):
        print(f"without {left.system}: {left.chosen:g} is chosen, and reaches {left.reached:.4f} there (best {left.best:.4f})")


if __name__ == "__main__":
    main()
