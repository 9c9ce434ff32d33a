"""Invariant: one command turns an incident into the right answer with evidence, reads nothing past its window, leaks nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.acceptance.command import refused, report_of, run
from tests.acceptance.incident import DETECTED, WINDOW, record_incident
from tests.telemetry_data import START, incident_row

SCHEMA = Path(__file__).parents[2] / "docs" / "report.schema.json"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_incident(tmp_path_factory.mktemp("recordings") / "incident")


@pytest.fixture(scope="module")
def report(data: Path, recording: Path) -> dict[str, Any]:
    return report_of(run(data, "investigate", "--recording", recording, "--json"))


def test_the_cause_is_named_with_evidence_and_a_vote_of_all_four_agents(report: dict[str, Any]) -> None:
    assert report["outcome"] == "finding"
    leading = report["hypotheses"][0]
    assert leading["hypothesis"]["service"] == "cart"
    assert {v["agent"]: v["position"] for v in leading["votes"]} == dict.fromkeys(
        ("metrics", "logs", "traces", "deploys"), "support"
    )
    agents = {e["agent"] for e in report["evidence"] if e["anomaly"]["service"] == "cart" or e["anomaly"]["peer"] == "cart"}
    assert agents == {"metrics", "logs", "traces", "deploys"}


def test_every_fact_says_how_to_see_it_again(report: dict[str, Any]) -> None:
    for fact in report["evidence"]:
        query = fact["anomaly"]["query"]
        assert query["name"]
        assert query["text"]
        assert query["parameters"]


def test_the_report_keeps_its_contract(report: dict[str, Any]) -> None:
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))


def test_secrets_in_logs_do_not_reach_the_report(report: dict[str, Any]) -> None:
    assert "[redacted:" in json.dumps(report)
    assert "hunter2" not in json.dumps(report)


def test_nothing_after_the_window_is_read(report: dict[str, Any], tmp_path: Path) -> None:
    planted = record_incident(tmp_path / "planted", glaring=True)
    again = report_of(run(tmp_path / "data", "investigate", "--recording", planted, "--json"))
    assert [row["service"] for row in again["ranking"]] == [row["service"] for row in report["ranking"]]
    assert [row["score"] for row in again["ranking"]] == pytest.approx([row["score"] for row in report["ranking"]])
    assert again["confidence"] == pytest.approx(report["confidence"])
    assert "everything is lost" not in json.dumps(again)
    assert "9.9.9" not in json.dumps(again)


def test_the_planted_fault_is_glaring_when_it_may_be_read(tmp_path: Path) -> None:
    """The guard of the test above: with a window that reaches it, the planted fault is evidence."""
    begin = DETECTED + WINDOW
    planted = record_incident(tmp_path / "planted", glaring=True, incidents=[incident_row(begin + 30, 120)])
    again = report_of(run(tmp_path / "data", "investigate", "--recording", planted, "--json"))
    assert "everything is lost" in json.dumps(again)
    assert {e["anomaly"]["kind"] for e in again["evidence"] if e["anomaly"]["service"] == "stock"} >= {"metric", "log_pattern"}


def test_a_quiet_moment_is_not_blamed_on_anybody(tmp_path: Path) -> None:
    quiet = record_incident(tmp_path / "quiet", incidents=[incident_row(700, 120)])
    result = run(tmp_path / "data", "investigate", "--recording", quiet, "--json")
    assert (result.returncode, report_of(result)["outcome"]) == (3, "inconclusive")
    assert report_of(result)["answer"].startswith("I don't know")


def test_signals_that_are_missing_are_said_and_not_needed(tmp_path: Path) -> None:
    bare = record_incident(tmp_path / "bare", traces=None, logs=None, changes=None)
    report = report_of(run(tmp_path / "data", "investigate", "--recording", bare, "--json"))
    assert report["ranking"][0]["service"] == "cart"
    missing = " ".join(report["missing"])
    assert "trace" in missing
    assert "log" in missing
    assert "change" in missing


def test_live_telemetry_that_is_not_there_is_no_finding(data: Path) -> None:
    result = run(data, "investigate", "--service", "cart", "--at", START.isoformat(), "--json")
    assert (result.returncode, report_of(result)["outcome"]) == (3, "inconclusive")
    shown = run(data, "show", report_of(result)["investigation"]).stdout
    assert "\nNext          Run middlewatch doctor: it says which telemetry" in shown


def test_the_report_is_readable_without_json(data: Path, recording: Path) -> None:
    result = run(data, "investigate", "--recording", recording)
    assert result.returncode == 0
    assert '"cart" is the most likely root cause' in " ".join(result.stdout.split())
    assert "\x1b" not in result.stdout


def test_finished_investigations_are_listed_and_shown_again(data: Path, report: dict[str, Any]) -> None:
    listed = json.loads(run(data, "list", "--json").stdout)
    assert report["investigation"] in {row["id"] for row in listed}
    assert json.loads(run(data, "show", report["investigation"], "--json").stdout) == report


def test_only_the_named_agents_take_part_in_an_evaluation(recording: Path, tmp_path: Path) -> None:
    output = tmp_path / "predictions.jsonl"
    result = run(tmp_path / "data", "evaluate", recording.parent, "--output", output, "--agents", "metrics,logs")
    assert result.returncode == 0, result.stderr
    (line,) = output.read_text().splitlines()
    prediction = json.loads(line)
    assert prediction.keys() == {"incident", "ranking", "confidence", "inconclusive", "seconds", "causes", "kind", "onset"}
    assert prediction["ranking"][0][0] == "cart"


def test_one_incident_is_not_told_as_several(recording: Path, tmp_path: Path) -> None:
    assert run(tmp_path / "data", "recordings", "import", recording).stdout.rstrip().endswith("; 1 incident")
    evaluated = run(tmp_path / "data", "evaluate", recording.parent, "--agents", "metrics")
    assert "\n1 incident of 1 recording: " in f"\n{evaluated.stdout}"


def test_an_unknown_incident_lists_the_known_ones(data: Path, recording: Path) -> None:
    assert "incident-1" in refused(run(data, "investigate", "--recording", recording, "--incident", "nope"), 65)


def test_an_unknown_investigation_is_refused(data: Path) -> None:
    refused(run(data, "show", "inv-nope"), 65)


def test_nobody_whom_no_policy_names_cancels(data: Path, report: dict[str, Any]) -> None:
    assert "policy init" in refused(run(data, "cancel", report["investigation"]), 77)
    assert run(data, "show", report["investigation"]).returncode == 0
    assert "There is no investigation" in refused(run(data, "cancel", "inv-nope"), 65)


def test_an_empty_window_is_refused(tmp_path: Path) -> None:
    empty = record_incident(tmp_path / "empty", incidents=[incident_row(1200, 0)])
    assert "window" in refused(run(tmp_path / "data", "investigate", "--recording", empty), 65)
