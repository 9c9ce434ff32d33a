"""Invariants: a wrong setting is named in one line, and the documentation lists every setting there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from middlewatch.records.errors import Misconfigured
from middlewatch.settings import Settings


def test_a_wrong_value_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDDLEWATCH_SLOTS", "many")
    with pytest.raises(Misconfigured, match="MIDDLEWATCH_SLOTS: "):
        Settings.load()


@pytest.mark.parametrize("value", ["proxy.example", "10.0.0.300", "10.0.0.7/8", "*", "0.0.0.0/0", "10.0.0.7 ::/0"])
def test_proxies_are_named_one_by_one(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MIDDLEWATCH_TRUSTED_PROXIES", value)
    with pytest.raises(Misconfigured, match="MIDDLEWATCH_TRUSTED_PROXIES: "):
        Settings.load()


def test_a_redis_server_needs_an_epoch_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDDLEWATCH_REDIS_URL", "redis://localhost:6379/0")
    with pytest.raises(Misconfigured, match="MIDDLEWATCH_EPOCH_FILE"):
        _ = Settings.load().epoch_path


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDDLEWATCH_REDIS_URL", "")
    assert Settings.load().redis_url is None


def test_the_documentation_lists_every_setting() -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    for name, field in Settings.model_fields.items():
        assert f"| `MIDDLEWATCH_{name.upper()}` | " in text
        assert f"| {field.description} |" in text
