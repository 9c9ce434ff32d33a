"""Invariant: whatever goes wrong, `main` prints one line that no terminal obeys and what to do, and exits with a code."""

from __future__ import annotations

import errno
import gc
import sys
from collections.abc import Callable

import pytest

from middlewatch.frontends import cli
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
    assert fails(OSError(number, "it refuses", "/some/where")) == cli.INPUT_OUTPUT
    error, remedy = capsys.readouterr().err.splitlines()
    assert error == "error: /some/where: it refuses"
    assert remedy.startswith("  to mend it: ")


def test_an_error_that_quotes_what_a_terminal_would_obey(
    fails: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert fails(BadInput("no \x1b[2J\u202e\n one", remedy="try \x9b31m")) == BadInput.exit_code
    assert capsys.readouterr().err == "error: no \\x1b[2J\\u202e\\n one\n  to mend it: try \\x9b31m\n"


def test_garbage_is_looked_for_once_a_command_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "middlewatch.frontends.cli.page")
    assert cli._imported("middlewatch.frontends.cli.page") is sys.modules["middlewatch.frontends.cli.page"]
    assert gc.isenabled()
    with pytest.raises(ModuleNotFoundError):
        cli._imported("middlewatch.frontends.cli.absent")
    assert gc.isenabled()
