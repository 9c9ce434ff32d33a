"""Invariants: every command is in the help, explains itself with an example and its codes, and has a man page that roff obeys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from middlewatch import recent
from middlewatch.frontends.cli import COMMANDS, SECTIONS, cli
from middlewatch.frontends.cli.manual import man_page
from middlewatch.settings import Settings


def places(command: click.Command, place: click.Context) -> Iterator[click.Context]:
    yield place
    if isinstance(command, click.Group):
        for name in command.list_commands(place):
            inner = command.get_command(place, name)
            assert inner is not None
            yield from places(inner, click.Context(inner, info_name=name, parent=place))


ALL = {place.command_path: place for place in places(cli, click.Context(cli, info_name="middlewatch", **cli.context_settings))}


def test_every_command_stands_in_one_section_of_the_help() -> None:
    assert sorted(COMMANDS) == sorted(name for names in SECTIONS.values() for name in names)


@pytest.mark.parametrize("path", ALL)
def test_every_command_explains_itself_with_an_example_what_is_beside_it_and_its_codes(path: str) -> None:
    text = ALL[path].command.get_help(ALL[path])
    assert "Example" in text
    assert text.count(f" {path}") > 1, "the example is of this command"
    assert re.search(r"[Ee]xit\s+codes", text)


@pytest.mark.parametrize("path", ALL)
def test_a_man_page_has_its_sections_and_nothing_else_that_roff_obeys(path: str) -> None:
    page = man_page(ALL[path])
    obeyed = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert obeyed <= {".TH", ".SH", ".B", ".BR", ".PP", ".TP", ".nf", ".fi"}
    assert page.count("\n.nf\n") == page.count("\n.fi\n")
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"):
        assert f"\n.SH {heading}\n" in page
    assert re.search(r"\n\.SH EXAMPLES?\n", page)


@pytest.mark.parametrize("path", [path for path, place in ALL.items() if isinstance(place.command, click.Group)])
def test_a_summary_of_a_command_is_one_whole_line_of_eighty_columns(path: str) -> None:
    group, place = ALL[path].command, ALL[path]
    assert isinstance(group, click.Group)
    formatter = click.HelpFormatter(width=80 - 2)  # what click leaves free
    group.format_commands(place, formatter)
    rows = [line for line in formatter.getvalue().splitlines() if line.startswith(" ")]
    assert [row.split()[0] for row in rows] == [name for names in sections(group, place) for name in names]
    assert [row for row in rows if not row.endswith(".") or row.endswith("...")] == []


def sections(group: click.Group, place: click.Context) -> list[list[str]]:
    return [list(names) for names in SECTIONS.values()] if group is cli else [group.list_commands(place)]


WITHOUT_JSON = {"middlewatch schema": "it is JSON itself"}
"""Commands that take no --json, with the reason."""


@pytest.mark.parametrize("path", [path for path, place in ALL.items() if not isinstance(place.command, click.Group)])
def test_every_command_takes_json_or_has_a_reason_not_to(path: str) -> None:
    options = [flag for one in ALL[path].command.params for flag in one.opts]
    assert ("--json" in options) != (path in WITHOUT_JSON)


def test_help_and_completion_say_the_same_as_json() -> None:
    found = json.loads(CliRunner().invoke(cli, ["help", "approvals", "deny", "--json"], prog_name="middlewatch").output)
    assert (found["command"], found["commands"]) == ("middlewatch approvals deny", [])
    assert {"--reason", "--json"} <= {flag for one in found["parameters"] for flag in one["opts"]}
    assert "deny" in json.loads(CliRunner().invoke(cli, ["help", "approvals", "--json"]).output)["commands"]
    script = json.loads(CliRunner().invoke(cli, ["completion", "bash", "--json"]).output)["script"]
    assert script.strip() == CliRunner().invoke(cli, ["completion", "bash"]).output.strip()


def test_help_finds_a_command_by_its_words_and_says_what_is_unknown() -> None:
    found = CliRunner().invoke(cli, ["help", "approvals", "deny"], prog_name="middlewatch")
    assert found.output.startswith("Usage: middlewatch approvals deny ")
    unknown = CliRunner().invoke(cli, ["help", "approvals", "nope"], prog_name="middlewatch")
    assert (unknown.exit_code, "'approvals nope'" in unknown.output) == (2, True)


def test_man_pages_are_written_to_a_folder(tmp_path: Path) -> None:
    written = json.loads(CliRunner().invoke(cli, ["help", "--man", str(tmp_path / "man1"), "--json"]).output)
    assert set(written["pages"]) == {file.name for file in (tmp_path / "man1").iterdir()}
    assert {file.name for file in (tmp_path / "man1").iterdir()} == {f"{path.replace(' ', '-')}.1" for path in ALL}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_a_shell_needs_names_the_program_and_the_variable(shell: str) -> None:
    text = CliRunner().invoke(cli, ["completion", shell]).output
    assert "middlewatch" in text
    assert f"_MIDDLEWATCH_COMPLETE={shell}_complete" in text


def offered(*words: str) -> list[str]:
    *before, begun = words
    return [item.value for item in BashComplete(cli, {}, "middlewatch", "_MIDDLEWATCH_COMPLETE").get_completions(before, begun)]


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (("show", "inv-1"), ["inv-1a", "inv-1b"]),
        (("why", "inv-2"), ["inv-2"]),
        (("feedback", "inv-2", "p"), ["partly"]),
        (("approvals", "deny", ""), ["apr-1", "apr-3"]),
        (("approvals", "approve", ""), ["apr-1"]),
        (("approvals", "show", ""), ["apr-1", "apr-2", "apr-3"]),
        (("assign", "inv-2", "l"), ["lea", "leo"]),
        (("alerts", "show", "occ-1"), ["occ-1a", "occ-1b"]),
        (("alerts", "investigate", "occ-2"), ["occ-2"]),
        (("po",), ["policy", "post-mortem"]),
    ],
)
def test_a_shell_is_offered_what_begins_so(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], ids: list[str]) -> None:
    monkeypatch.setattr(recent, "recent_investigations", lambda _settings: ("inv-1a", "inv-1b", "inv-2"))
    monkeypatch.setattr(
        recent, "recent_requests", lambda _settings: (("apr-1", "pending"), ("apr-2", "denied"), ("apr-3", "approved"))
    )
    monkeypatch.setattr(recent, "recent_alerts", lambda _settings: ("occ-1a", "occ-1b", "occ-2"))
    monkeypatch.setattr(recent, "known_people", lambda _settings: (("lea", "lead"), ("leo", "lead"), ("mia", "member")))
    assert sorted(offered(*words)) == ids


def test_completing_makes_nothing_and_waits_for_nothing(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "none")
    offers = (recent.recent_investigations, recent.recent_requests, recent.recent_alerts, recent.known_people)
    assert [offer(settings) for offer in offers] == [(), (), (), ()]
    assert not settings.data_dir.exists()
    (tmp_path / "dead" / "redis").mkdir(parents=True)
    (tmp_path / "dead" / "redis" / "redis.sock").touch()
    (tmp_path / "dead" / "epoch").write_text("1")
    before = sorted(tmp_path.rglob("*"))
    assert recent.recent_investigations(Settings(data_dir=tmp_path / "dead")) == ()
    assert recent.recent_alerts(Settings(data_dir=tmp_path / "dead")) == ()
    assert sorted(tmp_path.rglob("*")) == before
