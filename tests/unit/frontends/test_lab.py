"""Invariant: what `lab record` does is what its options say, and what `--json` prints are the recordings that were written."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from middlewatch.evals import jobs
from middlewatch.evals.lab.evaluation.answers import LabAnswer
from middlewatch.evals.lab.faults import FAULTS, SUITE
from middlewatch.evals.lab.schedule import Plan
from middlewatch.evals.lab.truth import TRUTH_FILE, Truth
from middlewatch.frontends.cli import lab, lab_evaluate
from middlewatch.records.errors import BadInput
from tests.lab_answers import answer
from tests.telemetry_data import incident_row, write_recording


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans that were recorded, none of them really."""
    made: list[Plan] = []

    def record(output: Path, plan: Plan, on_progress: object) -> Path:
        del on_progress
        made.append(plan)
        return write_recording(output, logs=[{"body": "hello"}], incidents=[incident_row()])

    def suite(output: Path, plans: Sequence[Plan], on_progress: object) -> list[Path]:
        return [record(output / f"shop-{number}", plan, on_progress) for number, plan in enumerate(plans, start=1)]

    monkeypatch.setattr(lab, "record_plan", record)
    monkeypatch.setattr(lab, "record_suite", suite)
    return made


def said(*arguments: str) -> Any:
    result = CliRunner().invoke(lab.lab, [*arguments, "--json"], catch_exceptions=False)
    return json.loads(result.stdout)


def test_a_recording_as_json(tmp_path: Path, plans: list[Plan]) -> None:
    options = ("--baseline", "120", "--recovery", "90", "--incident", "60", "--rate", "5", "--seed", "9")
    told = said("record", "--fault", "dropped-index", "--fault", "quiet", "--output", str(tmp_path / "shop"), *options)
    assert told["folder"] == str(tmp_path / "shop")
    assert told["recording"]["format"] == "recording/v1"
    assert [each["id"] for each in told["incidents"]] == ["incident-1"]
    (plan,) = plans
    assert plan.incidents == ("dropped-index", "quiet")
    assert (plan.baseline_seconds, plan.recovery_seconds, plan.incident_seconds) == (120, 90, 60)
    assert (plan.shop.requests_per_second, plan.shop.seed) == (5, 9)


def test_all_is_every_fault_in_several_recordings_of_different_seeds(tmp_path: Path, plans: list[Plan]) -> None:
    told = said("record", "--fault", "all", "--output", str(tmp_path), "--seed", "2")
    assert [each["folder"] for each in told] == [str(tmp_path / f"shop-{number}") for number in range(1, len(plans) + 1)]
    assert sorted(name for plan in plans for name in plan.incidents) == sorted(SUITE)
    assert len({plan.shop.seed for plan in plans}) == len(plans)


def test_all_goes_with_no_other(tmp_path: Path, plans: list[Plan]) -> None:
    with pytest.raises(BadInput, match="goes with no other"):
        said("record", "--fault", "all", "--fault", "quiet", "--output", str(tmp_path))
    assert not plans


def test_the_faults_are_listed_with_their_kinds() -> None:
    assert [(each["name"], each["kind"]) for each in said("faults")] == [(f.name, f.kind.value) for f in FAULTS.values()]
    shown = CliRunner().invoke(lab.lab, ["faults"]).stdout
    assert all(name in shown for name in (*FAULTS, "quiet"))


def test_what_is_recorded_is_scored_and_nothing_else_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_recording(*_: object) -> None:
        raise AssertionError("something was recorded")

    monkeypatch.setattr(lab_evaluate, "record_all", no_recording)
    with pytest.raises(BadInput, match="no recording of a matrix"):
        said("evaluate", "--output", str(tmp_path), "--answer-only")
    (tmp_path / "seed-1-01").mkdir()
    right = answer()
    truth = Truth(seed=1, requests_per_second=6.0, incidents=(right.truth,))
    (tmp_path / "seed-1-01" / TRUTH_FILE).write_text(truth.model_dump_json(), encoding="utf-8")
    answered = right.model_dump(mode="json")
    (tmp_path / lab_evaluate.ANSWERS_FILE).write_text(json.dumps(answered) + "\n", encoding="utf-8")
    assert said("evaluate", "--output", str(tmp_path), "--answer-only") == [answered]
    with pytest.raises(BadInput, match="nothing to do"):
        said("evaluate", "--output", str(tmp_path), "--answer-only", "--record-only")


def test_a_recording_that_was_begun_is_asked_again_and_each_answer_is_kept_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (right.model_copy(update={"incident": name}) for right in [answer().truth] for name in ("one", "two"))
    truth = Truth(seed=1, requests_per_second=6.0, incidents=(first, second))
    (tmp_path / "seed-1-01").mkdir()
    (tmp_path / "seed-1-01" / TRUTH_FILE).write_text(truth.model_dump_json(), encoding="utf-8")
    kept = tmp_path / lab_evaluate.ANSWERS_FILE
    kept.write_text(answer().model_dump_json() + "\n", encoding="utf-8")
    new = [answer().model_copy(update={"truth": each}) for each in (first, second)]

    def answer_all(recordings: list[Path], *_: object, on_answer: Callable[[Path, LabAnswer], None], **__: object) -> tuple[()]:
        assert kept.read_text(encoding="utf-8") == ""
        for number, each in enumerate(new, start=1):
            on_answer(recordings[0], each)
            assert len(lab_evaluate.read_answers(kept)) == number
        return ()

    monkeypatch.setattr(jobs, "answer_all", answer_all)
    assert said("evaluate", "--output", str(tmp_path), "--answer-only") == [each.model_dump(mode="json") for each in new]
