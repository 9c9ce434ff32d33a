"""Invariant: what `labels.jsonl` says of an incident is one label, however many causes it had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from middlewatch.evals.labels import read_labels
from middlewatch.records.errors import RecordingError


def written(folder: Path, *lines: object) -> Path:
    (folder / "labels.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder


def test_several_causes_of_an_incident_are_joined(tmp_path: Path) -> None:
    stock = {"incident": "a", "root_cause_service": "stock", "root_cause_kind": "slow", "started_at": "2026-11-21T01:00:10Z"}
    cart = {"incident": "a", "root_cause_service": "cart", "root_cause_kind": "crash", "started_at": "2026-11-21T01:00:00Z"}
    quiet = {"incident": "b", "root_cause_service": None}
    labels = read_labels(written(tmp_path, stock, quiet, cart))
    assert labels["a"].services == ("stock", "cart")
    assert labels["a"].root_cause_kind == "slow + crash"
    assert labels["a"].started_at is not None
    assert labels["a"].started_at.second == 0
    assert labels["b"].services == ()


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="line 2"):
        read_labels(written(tmp_path, {"incident": "a", "root_cause_service": None}, {"incident": "a"}))


def test_without_labels_there_are_none(tmp_path: Path) -> None:
    assert read_labels(tmp_path) == {}
