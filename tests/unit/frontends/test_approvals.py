"""Invariants: every command about approvals explains itself, and the list has what waits for a person first."""

from __future__ import annotations

import re
from datetime import timedelta

import click
import pytest
from click.testing import CliRunner

from middlewatch.frontends.cli.approval_desk import in_order, print_list
from middlewatch.frontends.cli.approvals import approvals, approve
from middlewatch.frontends.cli.control import halt, resume
from middlewatch.records import RequestState
from tests.approval_cards import APPROVED, BROKEN, FREEZE, NOW, done, request

COMMANDS: dict[str, click.Command] = {**approvals.commands, "halt": halt, "resume": resume}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_an_example_and_json(name: str) -> None:
    shown = CliRunner().invoke(COMMANDS[name], ["--help"])
    assert shown.exit_code == 0
    assert f"middlewatch {'' if name in {'halt', 'resume'} else 'approvals '}{name}" in shown.output
    assert "--json" in shown.output


def test_what_waits_for_a_person_stands_first_and_what_ends_first_before_the_rest() -> None:
    rows = [
        done().model_copy(update={"id": "apr-over"}),
        request(RequestState.PREPARING, id="apr-new"),
        request(id="apr-later", bound=request().bound),
        request(RequestState.APPROVED, id="apr-approved", approvals=APPROVED, approved_until=NOW + timedelta(seconds=9)),
        request(RequestState.UNKNOWN, id="apr-unknown"),
    ]
    bound = rows[2].bound
    assert bound is not None
    sooner = request(id="apr-sooner", bound=bound.model_copy(update={"expires_at": NOW + timedelta(seconds=5)}))
    ids = [row.id for row in in_order([*rows, sooner], NOW)]
    assert ids == ["apr-unknown", "apr-sooner", "apr-later", "apr-approved", "apr-new", "apr-over"]


@pytest.mark.parametrize("columns", ["40", "80", "120"])
def test_the_list_fits_the_terminal_and_names_what_is_asked(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    hostile = request(remediation=request().remediation.model_copy(update={"target": "x\napr-0 approved\x1b[2J"}))
    print_list([hostile, done().model_copy(update={"break_glass": BROKEN})], NOW)
    text = capsys.readouterr().out
    assert all(line.isprintable() and len(line) <= int(columns) for line in text.splitlines())
    assert not re.search(r"^\s*apr-0 ", text, re.MULTILINE)
    for words in ("pending", "8 min 12 s", "rollback_deploy", "lead", "review"):
        assert words in " ".join(text.split())


@pytest.mark.parametrize("columns", ["40", "120"])
def test_the_list_says_what_is_held_up_once_a_reason(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    met = request(RequestState.PREPARING, id="apr-c", why="Nothing was sent:\nno connection.")
    rows = [request(id="apr-a"), request(id="apr-b"), met]
    print_list(rows, NOW, {"apr-a": FREEZE, "apr-b": FREEZE, "apr-c": met.why})
    text = capsys.readouterr().out
    assert all(line.isprintable() and len(line) <= int(columns) for line in text.splitlines())
    told = " ".join(text.split())
    assert (told.count("pending, frozen"), told.count("preparing, held up")) == (2, 1)
    assert f"apr-a, apr-b: {FREEZE}" in told
    print_list(rows, NOW, halted=True)
    assert capsys.readouterr().out.count("pending, halted") == 2


def test_that_nobody_is_asked_needs_the_digest() -> None:
    refused = CliRunner().invoke(approve, ["apr-7be14c09a5d1", "--yes"])
    assert refused.exit_code == click.UsageError.exit_code
    assert "--yes needs --digest" in refused.output
