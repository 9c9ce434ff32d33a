"""Invariant: whatever goes wrong, `main` prints one line that no terminal obeys and what to do, and exits with a code."""

from __future__ import annotations

import errno
import gc
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from middlewatch.frontends import cli
from middlewatch.frontends.cli.exit_codes import INPUT_OUTPUT
from middlewatch.records.errors import BadInput


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], int]:
    """Run `main` on a command that raises; returns its exit code."""

    def run(problem: BaseException) -> int:
        def command(*, prog_name: str, standalone_mode: bool) -> None:  # noqa: ARG001  as click's
            raise problem

        monkeypatch.setattr(cli, "cli", command)
        monkeypatch.setattr(cli, "end", sys.exit)  # other tests' threads may be left in this process
        monkeypatch.setattr(cli, "_write_no_more", lambda: None)  # it would silence the tests' own output
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        assert isinstance(exit_.value.code, int)
        return exit_.value.code

    return run


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EMFILE, errno.EIO])
def test_what_the_operating_system_refuses(
    fails: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str], number: int
) -> None:
    assert fails(OSError(number, "it refuses", "/some/where")) == INPUT_OUTPUT
    error, remedy = capsys.readouterr().err.splitlines()
    assert error == "error: /some/where: it refuses"
    assert remedy.startswith("  to mend it: ")


def test_an_error_that_quotes_what_a_terminal_would_obey(
    fails: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fails(BadInput("no \x1b[2J\u202e\n one", remedy="try \x9b31m")) == BadInput.exit_code
    assert capsys.readouterr().err == "error: no \\x1b[2J\\u202e\\n one\n  to mend it: try \\x9b31m\n"


def test_garbage_is_looked_for_once_a_command_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "made_up_command.py").write_text("import gc\nLOOKS = gc.isenabled()\n")
    (tmp_path / "made_up_trouble.py").write_text("raise ValueError('made up')\n")
    try:
        made = cli._imported("made_up_command")
        assert not made.LOOKS
        assert gc.isenabled()
        assert cli._imported("made_up_command") is made
        with pytest.raises(ValueError, match="made up"):
            cli._imported("made_up_trouble")
        assert gc.isenabled()
    finally:
        sys.modules.pop("made_up_command", None)
