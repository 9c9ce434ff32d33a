"""Invariant: what would make a recording worthless or impossible is said in one line, before the work where that can be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from middlewatch.evals.lab import run
from middlewatch.evals.lab.faults import fault_named
from middlewatch.evals.lab.measurements import SERVER_P99, Measurement
from middlewatch.evals.lab.schedule import Plan
from middlewatch.evals.lab.shop import AppliedChange
from middlewatch.records.errors import BadInput, Misconfigured, Unavailable

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
PLAN = Plan("dropped-index", baseline_seconds=60, incident_seconds=60)
RUN = run.Run(
    START,
    START + timedelta(seconds=120),
    (AppliedChange(fault_named("dropped-index").change, START + timedelta(seconds=60), "inventory-2"),),
)


def slow_from(seconds: int) -> list[Measurement]:
    return [
        Measurement(
            START + timedelta(seconds=second), "storefront", "storefront-1", SERVER_P99, "s", 0.9 if second >= seconds else 0.1
        )
        for second in range(0, 120, 5)
    ]


def ignore(progress: run.Progress) -> None:
    del progress


def test_the_detection_is_the_alerts() -> None:
    assert run.detect(PLAN, RUN, slow_from(65)).at == START + timedelta(seconds=95)


def test_a_fault_that_nobody_noticed_is_an_error() -> None:
    with pytest.raises(Unavailable, match="did not fire"):
        run.detect(PLAN, RUN, slow_from(100))


def test_an_alert_before_the_fault_is_an_error() -> None:
    with pytest.raises(Unavailable, match="before the fault"):
        run.detect(PLAN, RUN, slow_from(10))


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(BadInput, match="not empty"):
        run.record(tmp_path, fault="dropped-index", on_progress=ignore)


def test_a_missing_extra_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_EXTRA", ("json", "a_package_that_nobody_has", "neither.this"))
    with pytest.raises(Misconfigured, match=r"a_package_that_nobody_has, neither\.this\. .*middlewatch\[lab\]"):
        run.record(tmp_path / "out", fault="dropped-index", on_progress=ignore)


def test_a_missing_redis_server_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    def nowhere() -> None:
        raise Misconfigured("There is no redis-server on PATH.", remedy="Configure another one.")

    monkeypatch.setattr(run, "find_binary", nowhere)
    with pytest.raises(Misconfigured, match=r"no redis-server on PATH\. Install it"):
        run.record(tmp_path / "out", fault="dropped-index", on_progress=ignore)


def test_a_disk_that_refuses_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/somewhere")

    monkeypatch.setattr(run, "run_shop", full)
    with pytest.raises(Unavailable, match="No space left on device"):
        run.record(tmp_path / "out", fault="dropped-index", on_progress=ignore)
    assert not any(tmp_path.iterdir())
