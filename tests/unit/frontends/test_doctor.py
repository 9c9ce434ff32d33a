"""Invariant: what the doctor tells a person to run can be pasted as it stands."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from middlewatch.doctor import Check, Health
from middlewatch.frontends import program as naming
from middlewatch.frontends.cli import doctor as module
from middlewatch.frontends.cli.doctor import doctor


def test_a_remedy_starts_this_program_on_the_same_data(monkeypatch: pytest.MonkeyPatch) -> None:
    remedy = "A manager lifts it with: middlewatch resume"
    monkeypatch.setattr(
        module, "examine", lambda _settings: [Check(name="halt", health=Health.NOTICE, found="halted", remedy=remedy)]
    )
    monkeypatch.setattr(naming, "program", lambda: (r"MIDDLEWATCH_DATA_DIR='\1 of mine'", "./middlewatch"))
    assert r"with: MIDDLEWATCH_DATA_DIR='\1 of mine' ./middlewatch resume" in CliRunner().invoke(doctor).output
    assert json.loads(CliRunner().invoke(doctor, ["--json"]).output)[0]["remedy"] == remedy
