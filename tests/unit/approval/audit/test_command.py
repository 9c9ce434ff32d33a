"""Invariants: `audit verify` needs nothing but its files, and its exit code says what was found."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from middlewatch.frontends.cli import cli
from middlewatch.frontends.cli.audit import audit
from middlewatch.records.errors import AuditBroken, BadInput
from tests.unit.approval.audit.logs import EVENTS, LOG, Export, joined, make_export, make_signer

EXPORT = make_export(9, every=4)
PROSE = (Path(__file__).parents[4] / "docs" / "audit.md").read_text(encoding="utf-8")
DOCUMENTED = [line.strip("`") for line in re.findall(r"middlewatch audit (.+?)(?:  |`|\n)", PROSE)]
"""What stands after `middlewatch audit` in the documentation."""


def write(folder: Path, export: Export = EXPORT) -> list[str]:
    (folder / "log").write_bytes(export.content)
    (folder / "checkpoints").write_text(export.notes)
    (folder / "key").write_text(f"{export.signer.verifier}\n")
    return [
        "audit",
        "verify",
        str(folder / "log"),
        "--public-key",
        str(folder / "key"),
        "--checkpoint",
        str(folder / "checkpoints"),
    ]


def run(arguments: list[str]) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_a_good_log_exits_with_0(tmp_path: Path) -> None:
    found = run(write(tmp_path))
    assert found.exit_code == 0
    assert f"good: {tmp_path}/log is what {LOG} signed, up to line 9 (3 checkpoints)" in found.output
    assert "not covered" not in found.output


def test_lines_after_the_last_checkpoint_are_said(tmp_path: Path) -> None:
    arguments = write(tmp_path)
    (tmp_path / "checkpoints").write_text(EXPORT.checkpoints[1].signed(EXPORT.signer))
    found = run(arguments)
    assert found.exit_code == 0
    assert "not covered: 1 line after the last checkpoint" in found.output


def test_a_log_that_was_changed_exits_with_4_and_names_the_line(tmp_path: Path) -> None:
    arguments = write(tmp_path)
    (tmp_path / "log").write_bytes(EXPORT.content.replace(EVENTS[2].encode(), EVENTS[3].encode(), 1))
    found = run(arguments)
    assert found.exit_code == AuditBroken.exit_code == 4
    assert f"problem: {tmp_path}/log line 4: its prev is not the digest of line 3" in found.output
    assert "NOT the log that was signed" in found.output
    report = json.loads(run([*arguments, "--json"]).output)
    assert (report["good"], report["covered"], report["found"][0]["line"]) == (False, 0, 4)


def test_a_log_of_another_key_exits_with_4(tmp_path: Path) -> None:
    arguments = write(tmp_path)
    (tmp_path / "key").write_text(f"{make_signer(2).verifier}\n")
    found = run(arguments)
    assert found.exit_code == 4
    assert "it is not signed by the given key" in found.output


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("log", None, "cannot be read"),
        ("key", None, "cannot be read"),
        ("key", "", "holds no public key"),
        ("key", "nonsense", "is no public key"),
        ("key", b"\xff", "is no public key"),
        ("key", f"{make_signer(1).verifier}\n{make_signer(1, 'other').verifier}", "different logs"),
        ("checkpoints", None, "cannot be read"),
        ("checkpoints", "\n\n", "no checkpoint"),
    ],
)
def test_input_that_cannot_be_used_exits_with_65(tmp_path: Path, file: str, content: str | bytes | None, message: str) -> None:
    arguments = write(tmp_path)
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    found = run(arguments)
    assert isinstance(found.exception, BadInput)
    assert found.exception.exit_code == 65
    assert message in found.exception.message


def test_what_a_log_holds_cannot_drive_the_terminal(tmp_path: Path) -> None:
    arguments = write(tmp_path)
    hostile = "\x1b[2J\u202e\x07"
    (tmp_path / "checkpoints").write_text(EXPORT.notes + f"{hostile}\n1\n{hostile}\n")
    (tmp_path / "log").write_bytes(joined([line.replace(b'"acme"', b'"\\u001b[2J"') for line in EXPORT.lines]))
    found = run(arguments)
    assert found.exit_code == 4
    assert not set(found.output) & set("\x1b\u202e\x07")


def test_many_findings_are_a_screen(tmp_path: Path) -> None:
    arguments = write(tmp_path)
    (tmp_path / "log").write_bytes(b"x\n" * 500)
    found = run(arguments)
    assert len(found.output.splitlines()) < 30
    assert "problems: 481 more" in found.output


def test_it_runs_where_there_is_nothing_but_the_files(tmp_path: Path) -> None:
    """No settings, no home, no data directory: another machine."""
    command = [sys.executable, "-m", "middlewatch.frontends.program", *write(tmp_path)]
    command[1:3] = ["-c", "from middlewatch.frontends.cli import main; main()"]
    nowhere = tmp_path / "nowhere"
    environment = {"MIDDLEWATCH_REDIS_URL": "redis://127.0.0.1:1/0", "MIDDLEWATCH_DATA_DIR": str(nowhere), "HOME": str(nowhere)}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    assert not nowhere.exists()


@pytest.mark.parametrize("command", audit.commands)
def test_the_help_has_an_example_and_the_documentation_names_it_as_it_is(command: str) -> None:
    shown = run(["audit", command, "--help"]).output
    assert f"middlewatch audit {command}" in shown
    assert "--json" in shown
    lines = [line for line in DOCUMENTED if line.startswith(command)]
    assert lines
    options = {name for parameter in audit.commands[command].params for name in parameter.opts}
    assert {name for line in lines for name in re.findall(r"--[a-z-]+", line)} <= options


def test_the_documentation_names_no_command_that_there_is_not() -> None:
    assert {line.split()[0] for line in DOCUMENTED} == set(audit.commands)


def test_the_example_of_show_names_a_request_as_they_are_named() -> None:
    shown = CliRunner().invoke(audit, ["show", "--help"]).output
    assert re.search(r"audit show --request apr-[0-9a-f]{12}\n", shown)
