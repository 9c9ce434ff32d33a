"""Invariant: a credential that anybody else could read is not used, and none is ever shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from middlewatch.records.errors import Misconfigured
from middlewatch.tools.actions.credentials import LONGEST, Credentials

VALUE = "eyJhbGciOi.hunter2"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "credentials"
    made.mkdir(mode=0o700)
    write(made / "token", VALUE.encode() + b"\n")
    return made


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.write_bytes(content)
    path.chmod(mode)


def test_a_private_file_is_read_as_it_is_now(folder: Path) -> None:
    credentials = Credentials(folder)
    assert credentials.read("token") == VALUE
    write(folder / "token", b"other\r\n")
    assert credentials.read("token") == "other"
    assert VALUE not in repr(credentials) + str(vars(credentials))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o644, 0o700])
def test_a_file_that_is_open_to_others_is_refused(folder: Path, mode: int) -> None:
    (folder / "token").chmod(mode)
    with pytest.raises(Misconfigured, match="open to other users"):
        Credentials(folder).read("token")


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o755, 0o777])
def test_a_folder_that_is_open_to_others_is_refused(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    with pytest.raises(Misconfigured, match="open to other users"):
        Credentials(folder).read("token")


@pytest.mark.parametrize("name", ["../token", "/etc/passwd", ".", "..", "", "a/b", "token\n", ".hidden", "a\0b"])
def test_no_name_leads_out_of_the_folder(folder: Path, name: str) -> None:
    with pytest.raises(Misconfigured, match="plain file name"):
        Credentials(folder).read(name)


def test_links_folders_pipes_and_absent_files_are_refused(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", VALUE.encode())
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "folder").mkdir(mode=0o700)
    os.mkfifo(folder / "pipe", 0o600)
    for name in ("link", "folder", "pipe", "absent"):
        with pytest.raises(Misconfigured):
            Credentials(folder).read(name)
    linked = tmp_path / "linked"
    linked.symlink_to(folder)
    with pytest.raises(Misconfigured):
        Credentials(linked).read("token")


@pytest.mark.parametrize("content", [b"", b"\n", b"a b", b"a\nb", b"a\r\nX: 1", "é".encode(), b"\0", b"x" * (LONGEST + 1)])
def test_what_could_not_be_a_header_is_refused_and_not_shown(folder: Path, content: bytes) -> None:
    write(folder / "token", content)
    with pytest.raises(Misconfigured) as caught:
        Credentials(folder).read("token")
    assert not content.strip() or content.decode("latin-1").strip() not in str(caught.value)
