"""Invariant: a command that is shown for pasting starts this program, on the data that it was shown for."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from middlewatch.frontends.cli.page import Page
from middlewatch.frontends.program import program


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a program in .venv/bin that no shell finds by its name and that says how it was called."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MIDDLEWATCH_DATA_DIR", raising=False)
    monkeypatch.setenv("PATH", os.defpath)
    script = tmp_path / ".venv" / "bin" / "middlewatch"
    script.parent.mkdir(parents=True)
    script.write_text('#!/bin/sh\necho "$MIDDLEWATCH_DATA_DIR" "$@"\n')
    script.chmod(0o700)
    monkeypatch.setattr("sys.argv", [".venv/bin/middlewatch"])
    return tmp_path


def test_the_path_where_a_shell_does_not_find_it_by_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert program() == (".venv/bin/middlewatch",)
    monkeypatch.setattr("sys.argv", [str(folder / ".venv/bin/middlewatch")])
    assert program() == (".venv/bin/middlewatch",)
    monkeypatch.chdir(folder / ".venv" / "bin")
    assert program() == ("./middlewatch",)


def test_the_name_where_a_shell_finds_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder / ".venv/bin"))
    monkeypatch.setattr("sys.argv", [str(folder / ".venv/bin/middlewatch")])
    assert program() == ("middlewatch",)
    monkeypatch.setattr("sys.argv", ["-c"])
    assert program() == ("middlewatch",)


def test_the_data_directory_where_it_is_not_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDDLEWATCH_DATA_DIR", ".middlewatch/demo")
    assert program() == ("MIDDLEWATCH_DATA_DIR=.middlewatch/demo", ".venv/bin/middlewatch")
    monkeypatch.setenv("MIDDLEWATCH_DATA_DIR", "/somewhere/else")
    assert program()[0] == "MIDDLEWATCH_DATA_DIR=/somewhere/else"


def test_from_anywhere_no_path_is_of_a_folder_that_the_reader_is_not_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDDLEWATCH_DATA_DIR", "my data")
    assert program(from_anywhere=True) == (f"MIDDLEWATCH_DATA_DIR='{folder}/my data'", f"{folder}/.venv/bin/middlewatch")
    monkeypatch.setenv("PATH", str(folder / ".venv/bin"))
    assert program(from_anywhere=True)[1] == "middlewatch"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("name", ["demo", "a folder; echo 'of' $names", "x" * 90])
def test_what_is_shown_can_be_pasted(folder: Path, monkeypatch: pytest.MonkeyPatch, width: int, name: str) -> None:
    """Also the lines that it is broken into, as somebody marks them on the terminal: the label left out."""
    monkeypatch.setenv("MIDDLEWATCH_DATA_DIR", f"data/{name}")
    page = Page(width)
    page.command("More", (*program(), "show", "inv-0123456789ab", "--details"))
    shown = page.text(color=False).removeprefix("More")
    said = subprocess.run(["/bin/sh", "-c", shown.strip()], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert said == f"{folder}/data/{name} show inv-0123456789ab --details\n".replace(f"{folder}/", "")
    assert all(len(line) <= width for line in shown.splitlines() if shlex.quote(f"data/{name}") not in line)
