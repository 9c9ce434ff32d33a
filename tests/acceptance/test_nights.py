"""Invariant: the command says what people did with an investigation, and calls unknown what nobody said."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.command import run


def test_the_command_says_what_is_known(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run(data, "policy", "init").returncode == 0
    name = json.loads(run(data, "investigate", "--service", "shop", "--json").stdout)["investigation"]
    assert run(data, "acknowledge", name).returncode == 0
    result = run(data, "report", "--weeks", "1", "--json")
    found = json.loads(result.stdout)
    assert (found["format"], found["whole"]["investigations"], found["whole"]["pages"]) == ("middlewatch.nights/v1", 1, 0)
    assert found["whole"]["steps"]["acknowledge"]["known"] == 1
    assert found["whole"]["steps"]["detect"] == {"known": 0, "unknown": 1, "median_seconds": None, "p90_seconds": None}
    text = run(data, "report").stdout
    assert len(text.splitlines()) <= 30, "one screen"
    assert "acknowledged" in text
