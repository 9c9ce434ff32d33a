"""Invariant: what `lab record --json` prints is the recording that was written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from middlewatch.frontends.cli import lab
from tests.telemetry_data import incident_row, write_recording


def test_a_recording_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = write_recording(tmp_path / "shop", logs=[{"body": "hello"}], incidents=[incident_row()])
    monkeypatch.setattr(lab, "record_fault", lambda output, **_: output)
    result = CliRunner().invoke(lab.lab, ["record", "--fault", "dropped-index", "--output", str(written), "--json"])
    said = json.loads(result.stdout)
    assert said["folder"] == str(written)
    assert said["recording"]["format"] == "recording/v1"
    assert [each["id"] for each in said["incidents"]] == ["incident-1"]
