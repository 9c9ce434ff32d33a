"""The file archive keeps an investigation whole or not at all, and says so when a file is damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from middlewatch.context_store.archive import FileArchive, file_name
from middlewatch.records import Event, Snapshot
from middlewatch.records.errors import StoreUnavailable
from tests.store_data import NOW, make_evidence, make_investigation

SNAPSHOT = Snapshot(investigation=make_investigation(identifier="inv:1"), evidence=(make_evidence(),))
EVENTS = (Event(id="1-0", at=NOW, kind="investigation.opened", data={"n": 1}),)


@pytest.fixture
def archive(tmp_path: Path) -> FileArchive:
    archive = FileArchive(tmp_path)
    archive.put(SNAPSHOT, EVENTS)
    return archive


def test_putting_it_again_changes_nothing(archive: FileArchive, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.gz")}
    archive.put(SNAPSHOT, EVENTS)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.gz")} == before
    assert archive.get("acme", "inv:1") == (SNAPSHOT, EVENTS)


def test_an_id_with_a_colon_is_found_again(archive: FileArchive, tmp_path: Path) -> None:
    assert archive.list("acme") == ("inv:1",)
    assert [path.name for path in (tmp_path / "acme").glob("*.gz")] == [file_name("inv:1")] == ["inv%3A1.json.gz"]
    assert [head.id for head in archive.heads("acme", limit=5)] == ["inv:1"]


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "other json", "no json"])
def test_a_damaged_file_has_a_clear_error(archive: FileArchive, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "acme" / file_name("inv:1")
    content = path.read_bytes()
    path.write_bytes(
        {
            "cut": content[: len(content) // 2],
            "garbage": b"garbage",
            "empty": b"",
            "other json": gzip.compress(b'{"snapshot": {}, "events": []}'),
            "no json": gzip.compress(b"no json"),
        }[damage]
    )
    with pytest.raises(StoreUnavailable, match="damaged"):
        archive.get("acme", "inv:1")


def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(StoreUnavailable, match="No space left"):
        FileArchive(tmp_path).put(SNAPSHOT, EVENTS)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_head_that_is_missing_or_damaged_is_written_again(archive: FileArchive, tmp_path: Path) -> None:
    (head,) = (tmp_path / "acme" / "heads").iterdir()
    whole = head.read_bytes()
    for damage in (head.unlink, lambda: head.write_bytes(whole[: len(whole) // 2])):
        damage()
        assert archive.heads("acme", limit=5) == (SNAPSHOT.investigation,)
        assert head.read_bytes() == whole


def test_heads_are_read_without_what_the_investigations_found(archive: FileArchive, tmp_path: Path) -> None:
    (tmp_path / "acme" / file_name("inv:1")).write_bytes(b"garbage")
    assert archive.heads("acme", limit=5) == (SNAPSHOT.investigation,)


def test_a_damaged_investigation_does_not_keep_the_others_out_of_the_list(archive: FileArchive, tmp_path: Path) -> None:
    other = make_investigation(identifier="inv-2")
    archive.put(Snapshot(investigation=other), ())
    (tmp_path / "acme" / file_name("inv:1")).write_bytes(b"garbage")
    for head in (tmp_path / "acme" / "heads").iterdir():
        head.unlink()
    assert archive.heads("acme", limit=5) == (other,)
