"""Invariant: the ablation answers as investigations by the same agents do, and scores against labels that none of them reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command import refused, run
from tests.acceptance.incident import DETECTED, ONSET, WINDOW, record_incident
from tests.telemetry_data import incident_row, moment

QUIET = 700.0


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One recording with an incident and a quiet moment, which is looked at twice because nothing stands out."""
    incidents = [incident_row(DETECTED, WINDOW), incident_row(QUIET, 60) | {"id": "quiet"}]
    folder = record_incident(tmp_path_factory.mktemp("recordings") / "shop", incidents=incidents)
    started = moment(ONSET).isoformat()
    labels = [
        {"incident": "incident-1", "root_cause_service": "cart", "root_cause_kind": "slow", "started_at": started},
        {"incident": "quiet", "root_cause_service": None, "root_cause_kind": "none", "started_at": None},
    ]
    (folder / "labels.jsonl").write_text("".join(json.dumps(label) + "\n" for label in labels))
    return folder.parent


def predictions(file: Path) -> dict[str, Any]:
    found = [json.loads(line) for line in file.read_text().splitlines()]
    return {each["incident"]: {key: each[key] for key in ("ranking", "confidence", "inconclusive")} for each in found}


def test_the_vote_is_that_of_an_investigation(recordings: Path, tmp_path: Path) -> None:
    kept, output = tmp_path / "kept.jsonl", tmp_path / "ablated.jsonl"
    ablate = ("evaluate", recordings, "--ablate", "--assessments", kept, "--json")
    ablated = run(tmp_path / "data", *ablate, "--output", output)
    assert ablated.returncode == 0, ablated.stderr
    real = run(tmp_path / "data", "evaluate", recordings, "--output", tmp_path / "real.jsonl")
    assert real.returncode == 0, real.stderr
    expected = predictions(tmp_path / "real.jsonl")
    assert set(predictions(output)) == set(expected) == {"incident-1", "quiet"}
    for name, answer in predictions(output).items():
        assert answer["inconclusive"] is expected[name]["inconclusive"] is (name == "quiet")
        # Votes are added as they come in: another order differs in the last digit.
        assert answer["confidence"] == pytest.approx(expected[name]["confidence"])
        assert dict(answer["ranking"]) == pytest.approx(dict(expected[name]["ranking"]))
    vote = json.loads(ablated.stdout)["scores"][-1]
    assert vote["agents"] == ["metrics", "logs", "traces", "deploys"]
    assert vote["groups"][0]["answered"]["at_1"] == 1.0
    assert [row["blamed"] for row in vote["quiet"]] == [0, 0]
    pair = run(tmp_path / "data", *ablate, "--agents", "logs,metrics")
    assert [score["agents"] for score in json.loads(pair.stdout)["scores"]] == [["metrics"], ["logs"], ["metrics", "logs"]]
    assert len(kept.read_text().splitlines()) == 2, "the second time nobody was asked"


def test_a_degraded_copy_is_asked_about(recordings: Path, tmp_path: Path) -> None:
    result = run(tmp_path / "data", "evaluate", recordings, "--score", "--degrade", "random-names", "--moments-before")
    assert result.returncode == 0, result.stderr
    assert "incident-1-before" in result.stderr
    assert "The vote of all agents" in result.stdout
    assert "Sets of agents" not in result.stdout
    assert "cart" not in result.stdout
    for file in recordings.rglob("*.jsonl"):
        assert "incident-1" in file.read_text()


def test_what_only_an_ablation_can_do(recordings: Path, tmp_path: Path) -> None:
    result = run(tmp_path / "data", "evaluate", recordings, "--moments-before")
    assert result.returncode == 2
    assert "--ablate" in result.stderr
    unlabelled = record_incident(tmp_path / "unlabelled")
    refused(run(tmp_path / "data", "evaluate", unlabelled, "--ablate"), 65)
