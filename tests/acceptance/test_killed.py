"""Invariant: whatever is killed at whatever moment, the next run goes on, the answer is the same, no fact is written twice."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command import Running, report_of, run
from tests.acceptance.incident import record_incident

SHORT = {"MIDDLEWATCH_LEASE_SECONDS": "6"}
"""What the killed held is free again after a lease; nobody needs to wait half a minute for it here."""
LINES_BEFORE_KILLS = (2, 4, 7, 11)
"""Lines of progress after which the whole process group is killed: while planning, investigating, voting and concluding."""


def kill_after(lines: int, data: Path, *words: str | Path) -> bool:
    """Start the command, and kill its process group with SIGKILL after so many lines of progress; False where it ended before."""
    with Running(data, *words, stdout=Path(os.devnull), own_group=True, variables=SHORT) as process:
        try:
            return all(process.stderr.readline() for _ in range(lines))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def answer(report: dict[str, Any]) -> dict[str, Any]:
    """What has to be the same: everything but ids of the run and times of the clock."""
    facts = sorted((fact["id"], json.dumps(fact["anomaly"], sort_keys=True)) for fact in report["evidence"])
    kept = {key: report[key] for key in ("outcome", "answer", "confidence", "onset", "ranking", "missing", "ruled_out", "rounds")}
    return kept | {"evidence": facts, "services": [row["hypothesis"]["service"] for row in report["hypotheses"]]}


@pytest.mark.timeout(240)
def test_a_killed_investigation_goes_on_and_ends_with_the_same_answer(tmp_path: Path) -> None:
    recording = record_incident(tmp_path / "incident")
    undisturbed = report_of(run(tmp_path / "reference", "investigate", "--recording", recording, "--json"))
    words: tuple[str | Path, ...] = ("investigate", "--recording", recording, "--watch")
    killed = [kill_after(lines, tmp_path / "data", *words) for lines in LINES_BEFORE_KILLS]
    assert killed[0], "nothing was killed: the test shows nothing"

    report = report_of(run(tmp_path / "data", "investigate", "--recording", recording, "--json", **SHORT))
    assert answer(report) == answer(undisturbed)
    identities = [fact["id"] for fact in report["evidence"]]
    assert len(identities) == len(set(identities))
    if all(killed):
        (only,) = json.loads(run(tmp_path / "data", "list", "--json").stdout)
        assert only["id"] == report["investigation"], "the killed investigation was joined, not started anew"
