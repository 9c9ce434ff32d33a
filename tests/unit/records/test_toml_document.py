"""Invariants: a mistake in a file is told with the line where it stands, and what a file has in the wrong place is not repeated."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from middlewatch.records import Record
from middlewatch.records.errors import Misconfigured
from middlewatch.records.toml_document import load_checked, load_toml

TEXT = '''# a policy
title = "one"

[people."ann b"]
role = "lead"
identities = [
  "a",   # [not.a.header]
  "b",
]

[[windows]]
note = """
[not.a.header]
role = 1
"""
days = 3
[[windows]]
days = 4
[windows.zone]
name = "UTC"
[[windows.more]]
deep.er = { est = 1 }
[[windows.more]]
deep = 2
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.toml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("people",), 4),
        (("people", "ann b"), 4),
        (("people", "ann b", "role"), 5),
        (("people", "ann b", "identities", 1), 6),
        (("people", "ann b", "missing"), 4),
        (("windows", 0), 11),
        (("windows", 0, "note"), 12),
        (("windows", 0, "days"), 16),
        (("windows", 1, "days"), 18),
        (("windows", 1, "zone", "name"), 20),
        (("windows", 1, "more", 0, "deep", "er", "est"), 22),
        (("windows", 1, "more", 1, "deep"), 24),
        (("windows", "a union's tag", 1, "days", "int"), 18),
        (("nowhere",), 1),
        ((), 1),
    ],
)
def test_every_key_has_its_line(file: Path, path: tuple[str | int, ...], line: int) -> None:
    assert load_toml(file).line_of(path) == line


@given(st.lists(st.sampled_from(["x = 1", "# x", "", 'x = """\na = 1\n"""', "x = [\n1,\n2]", "x = '''\n[t]\n'''"]), max_size=8))
def test_the_last_table_is_found_after_whatever_stands_before_it(
    tmp_path_factory: pytest.TempPathFactory, statements: list[str]
) -> None:
    before = "".join(f"[table{i}]\n{statement}\n" for i, statement in enumerate(statements))
    path = tmp_path_factory.mktemp("toml") / "a.toml"
    path.write_text(f"{before}[last]\nkey = 1\n")
    assert load_toml(path).line_of(("last", "key")) == before.count("\n") + 2


def test_line_endings_of_other_systems_count_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(TEXT.replace("\n", "\r\n").encode())
    assert load_toml(path).line_of(("windows", 1, "days")) == 18


def test_what_is_not_toml_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("a = 1\nb = \n")
    with pytest.raises(Misconfigured, match=r"a\.toml: .*line 2"):
        load_toml(path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_what_cannot_be_read_says_so(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Misconfigured, match="cannot be read"):
        load_toml(path)


class Window(Record):
    note: str = ""
    days: int = Field(ge=1)


class Policy(Record):
    title: str
    windows: tuple[Window, ...]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("title = 'a'\n\n[[windows]]\ndays = 1\n[[windows]]\ndays = 0\n", 6, "windows.1.days"),
        ("title = 'a'\n\n[[windows]]\nnote = 'b'\n", 3, "windows.0.days"),
        ("[[windows]]\ndays = 1\n", 1, "title"),
        ("title = 'a'\nwindows = []\nwhat = 'hunter2'\n", 3, "what"),
    ],
)
def test_what_does_not_fit_names_the_file_the_line_and_the_key(tmp_path: Path, text: str, line: int, says: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(Misconfigured) as caught:
        load_checked(path, Policy, lambda _: ())
    assert f"policy.toml:{line}: {says}: " in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_what_fits_comes_back_with_its_document(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("title = 'a'\n[[windows]]\ndays = 1\n")
    assert load_checked(path, Policy, lambda _: ()) == Policy(title="a", windows=(Window(days=1),))
    assert load_toml(path).line_of(("windows", 0, "days")) == 3
