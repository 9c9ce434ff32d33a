"""The epoch file holds one number that only rises, whatever happens while it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from middlewatch.context_store.epoch import LARGEST, Epoch
from middlewatch.records.errors import Misconfigured


def test_a_missing_file_is_made_at_the_first_epoch(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "epoch"
    assert Epoch.read(file) == Epoch(1)
    assert file.read_text() == "1\n"


def test_raising_it_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "epoch"
    assert [Epoch.raised(file), Epoch.raised(file), Epoch.read(file)] == [Epoch(2), Epoch(3), Epoch(3)]
    assert Epoch.raised(file, above=10) == Epoch(11)
    assert Epoch.raised(file, above=5) == Epoch(12)


@pytest.mark.parametrize("content", [b"", b"x", b"1 2", b"-1", b"1.5", b"\xff", str(LARGEST + 1).encode()])
def test_anything_but_one_whole_number_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "epoch"
    file.write_bytes(content)
    with pytest.raises(Misconfigured):
        Epoch.read(file)
    with pytest.raises(Misconfigured):
        Epoch.raised(file)
    assert file.read_bytes() == content


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        Epoch.read(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured):
        Epoch.read(tmp_path / "file" / "epoch")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "epoch"
    Epoch.raised(file)

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(Misconfigured, match="No space left"):
        Epoch.raised(file)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch"]
    assert Epoch.read(file) == Epoch(2)
