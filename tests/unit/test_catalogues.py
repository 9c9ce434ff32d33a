"""Invariant: which credentials the executor will miss or refuse is known before it does, and none is opened for that."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from middlewatch.catalogues import examine_actions
from middlewatch.doctor import Health, _credentials
from middlewatch.frontends.cli.actions import check
from middlewatch.settings import Settings

ACTIONS = "".join(f'[webhook.{name}]\nurl = "https://{name}.example.org"\nsecret = "{name}"\n' for name in "abcd")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(data_dir=tmp_path)
    settings.actions_path.write_text(ACTIONS)
    folder = settings.credentials_path
    folder.mkdir(mode=0o700)
    for name, mode in (("a", 0o000), ("b", 0o640)):  # what has no permissions at all cannot be opened, and need not be
        (folder / name).write_text("secret")
        (folder / name).chmod(mode)
    (folder / "d").symlink_to(folder / "a")
    return settings


def test_open_and_missing_credentials_are_named(settings: Settings) -> None:
    found = examine_actions(settings)
    assert found.credentials_missing == ("c",)
    assert found.credentials_open_files == ("b", "d")
    assert not found.credentials_open


def test_the_doctor_and_the_check_say_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    told = [(one.health, one.found) for one in _credentials(settings)]
    folder = settings.credentials_path
    assert [health for health, _ in told] == [Health.OK, Health.BROKEN, Health.BROKEN, Health.NOTICE]
    assert str(folder / "b") in told[1][1]
    assert str(folder / "c") in told[3][1]
    monkeypatch.setenv("MIDDLEWATCH_DATA_DIR", str(settings.data_dir))
    shown = CliRunner().invoke(check).output
    assert f"others can read {folder}/b" in shown
    assert f"there is no {folder}/c" in shown
    settings.actions_path.write_text("[webhook")
    assert len(list(_credentials(settings))) == 1, "a mistake in the configuration is said where that is checked"
