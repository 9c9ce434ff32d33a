"""Invariant: what would make a recording worthless or impossible is said in one line, before the work where that can be; what
was recorded before is kept.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from middlewatch.evals.lab import run
from middlewatch.evals.lab.detection import OBJECTIVES, Detection
from middlewatch.evals.lab.recording import LabIncident
from middlewatch.evals.lab.run_folder import RunFolder
from middlewatch.evals.lab.schedule import Plan
from middlewatch.records.errors import BadInput, Misconfigured, Unavailable

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
PLAN = Plan(("dropped-index", "bad-prices"))
INCIDENT = LabIncident(Detection(START + timedelta(seconds=60), OBJECTIVES[0]), START + timedelta(seconds=90), ())
UNNOTICED = "The alert did not fire."


def ignore(progress: run.Progress) -> None:
    del progress


def ends_with(monkeypatch: pytest.MonkeyPatch, result: run.Run) -> None:
    def run_shop(folder: RunFolder, plan: Plan, on_progress: run.OnProgress) -> run.Run:
        del folder, plan, on_progress
        return result

    monkeypatch.setattr(run, "run_shop", run_shop)


def test_a_fault_that_nobody_noticed_is_an_error_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends_with(monkeypatch, run.Run(START, START, (), (), UNNOTICED))
    with pytest.raises(Unavailable, match=UNNOTICED):
        run.record(tmp_path / "out", PLAN, ignore)
    assert not any(tmp_path.iterdir())


def test_incidents_before_a_fault_that_nobody_noticed_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends_with(monkeypatch, run.Run(START, START + timedelta(seconds=100), (), (INCIDENT,), UNNOTICED))
    with pytest.raises(Unavailable, match=r"did not fire\. The incident before it is in"):
        run.record(tmp_path / "out", PLAN, ignore)
    assert INCIDENT.id in (tmp_path / "out" / "incidents.jsonl").read_text(encoding="utf-8")


def test_a_suite_goes_on_after_a_problem_and_keeps_what_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def record(output: Path, plan: Plan, on_progress: run.OnProgress) -> Path:
        seen.append(output.name)
        on_progress(run.Progress(0, 1, plan.incidents[0]))
        if output.name == "shop-2":
            raise Unavailable(UNNOTICED)
        return output

    monkeypatch.setattr(run, "record", record)
    (tmp_path / "shop-1").mkdir()
    messages: list[str] = []
    plans = [Plan(("bad-prices",)), Plan(("dropped-index",)), Plan(("load-spike",))]
    with pytest.raises(Unavailable, match=rf"^shop-2: {UNNOTICED}"):
        run.record_suite(tmp_path, plans, lambda progress: messages.append(progress.message))
    assert seen == ["shop-2", "shop-3"]
    assert messages == ["2/3 dropped-index", "3/3 load-spike"]


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(BadInput, match="not empty"):
        run.record(tmp_path, PLAN, ignore)


def test_a_missing_extra_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_EXTRA", ("json", "a_package_that_nobody_has", "neither.this"))
    with pytest.raises(Misconfigured, match=r"a_package_that_nobody_has, neither\.this\. .*middlewatch\[lab\]"):
        run.record(tmp_path / "out", PLAN, ignore)


def test_a_missing_redis_server_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    def nowhere() -> None:
        raise Misconfigured("There is no redis-server on PATH.", remedy="Configure another one.")

    monkeypatch.setattr(run, "find_binary", nowhere)
    with pytest.raises(Misconfigured, match=r"no redis-server on PATH\. Install it"):
        run.record(tmp_path / "out", PLAN, ignore)


def test_a_disk_that_refuses_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/somewhere")

    monkeypatch.setattr(run, "run_shop", full)
    with pytest.raises(Unavailable, match="No space left on device"):
        run.record(tmp_path / "out", PLAN, ignore)
    assert not any(tmp_path.iterdir())
