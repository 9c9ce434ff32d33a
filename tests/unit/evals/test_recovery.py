"""Invariant: the table counts every look while the fault was there, and of the time after it who recovered, when, and what else."""

from __future__ import annotations

from middlewatch.evals.recovery import MEASURES, Watched, table
from middlewatch.tools.recovery import Verdict


def watched(
    during: tuple[str, ...], after: tuple[str, ...], seconds: float | None = None, *, measure: str = MEASURES[0]
) -> Watched:
    return Watched(incident="i", measure=measure, during=during, after=after, recovered_seconds=seconds, sentence="")


def test_the_table_counts_looks_and_incidents() -> None:
    rows = table(
        [
            watched((Verdict.NOT_YET, Verdict.RECOVERED), (Verdict.NOT_YET, Verdict.RECOVERED), 75.0),
            watched((Verdict.NOT_YET, Verdict.NOT_YET), (Verdict.RECOVERED,), 60.0),
            watched((Verdict.NOT_YET,), (Verdict.CANNOT_TELL,)),
            watched((Verdict.NOT_YET,), ()),
        ]
    ).splitlines()
    cells = [cell.strip() for cell in rows[2].strip("|").split("|")]
    assert cells == [MEASURES[0], "4", "1 of 6 looks", "2 of 3", "75 s (60 to 75)", "cannot tell 1"]
    assert [cell.strip() for cell in rows[3].strip("|").split("|")] == [MEASURES[1], "0", "0 of 0 looks", "0 of 0", "-", "-"]
