"""Runs the real command in a process of its own, as a user would.

Each is forked from a process that has imported everything: hundreds of commands are run, and most of each would be imports. What a
fork does not show is how a process starts from nothing, and how Python and ClickHouse's library end with it: the tests that use
`command` do.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from middlewatch.evals import jobs
from middlewatch.frontends.cli import main

SECONDS = 90
"""Generous: a first start imports ClickHouse and LangGraph on a busy machine."""


def environment(data: Path, **variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MIDDLEWATCH_")}
    return kept | {"MIDDLEWATCH_DATA_DIR": str(data), "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"} | variables


PROGRAM = "from middlewatch.frontends.cli import main; main()"


def command(*words: str | Path, program: str = PROGRAM) -> list[str]:
    """What starts it from nothing."""
    return [sys.executable, "-c", program, *map(str, words)]


NOTHING = Path(os.devnull)

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.acceptance.imported"])


class _Jobs:
    """Forks the jobs of an evaluation as well, where ClickHouse is not there, whose threads a fork would lose."""

    def __getattr__(self, name: str) -> Any:
        return getattr(multiprocessing.get_context("spawn" if "chdb" in sys.modules else "fork"), name)


def _forked(
    program: Callable[[], None],
    words: list[str],
    variables: dict[str, str],
    streams: tuple[Path | Connection, ...],
    own_group: bool,  # noqa: FBT001  a process is given its arguments by place
) -> None:
    """A program, with nothing of the test's: its own arguments, variables and streams."""
    if own_group:
        os.setsid()
    os.environ.clear()
    os.environ.update(variables)
    warnings.simplefilter("ignore")
    for number, stream in enumerate(streams):
        if isinstance(stream, Path):
            os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT | os.O_APPEND if number else os.O_RDONLY, 0o600), number)
        else:
            os.dup2(stream.fileno(), number)
            stream.close()
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.argv = ["middlewatch", *words]
    jobs._SPAWN = _Jobs()  # type: ignore[assignment]  # the two words of it that are used there
    program()


class Running:
    """A program that goes on running, forked, with the words of `subprocess.Popen`. Whoever starts it ends it."""

    def __init__(
        self,
        data: Path,
        *words: str | Path,
        program: Callable[[], None] = main,
        stdin: Path | None = NOTHING,
        stdout: Path | None = None,
        stderr: Path | None = None,
        own_group: bool = False,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Start it.

        Args:
            data: its data directory.
            words: its arguments.
            program: what is run.
            stdin: a file that it reads; a pipe to write to where None.
            stdout: a file that it appends to; a pipe to read from where None.
            stderr: likewise.
            own_group: whether it leads a group of processes, as a shell's command does.
            variables: more of its environment.
        """
        (reads, write), (out, writes_out), (err, writes_err) = (FORKS.Pipe(duplex=False) for _ in range(3))
        streams = (stdin or reads, stdout or writes_out, stderr or writes_err)
        arguments = (program, [*map(str, words)], environment(data, **variables), streams, own_group)
        self._process = FORKS.Process(target=_forked, args=arguments)
        self._process.start()
        self.stdin = os.fdopen(os.dup(write.fileno()), "w", encoding="utf-8")
        self.stdout, self.stderr = (os.fdopen(os.dup(pipe.fileno()), encoding="utf-8") for pipe in (out, err))
        for pipe in (reads, write, out, writes_out, err, writes_err):
            pipe.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, seconds: float = SECONDS) -> int:
        self._process.join(seconds)
        code = self.returncode
        if code is None:
            raise subprocess.TimeoutExpired(self._process.name, seconds)
        return code

    def communicate(self, timeout: float = SECONDS) -> tuple[str, str]:
        """What it still says, once it has ended; it is given nothing more."""
        self.stdin.close()
        with ThreadPoolExecutor(2) as both:
            said = [both.submit(stream.read) for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        self.close()
        return said[0].result(), said[1].result()

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self.stdin.close()
        self.stdout.close()
        self.stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self.kill()
        try:
            self.wait()
        finally:
            self.close()


def run(
    data: Path, *words: str | Path, program: str | Callable[[], None] = main, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A command, as somebody runs it, to its end: forked, or started from nothing where the program is a text."""
    if isinstance(program, str):
        return subprocess.run(
            command(*words, program=program),
            env=environment(data, **variables),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    with tempfile.TemporaryDirectory() as folder:
        out, err = (Path(folder) / name for name in ("stdout", "stderr"))
        with Running(data, *words, program=program, stdout=out, stderr=err, variables=variables) as process:
            code = process.wait()
        return subprocess.CompletedProcess(words, code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))


def report_of(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert result.returncode in (0, 3), result.stderr
    report = json.loads(result.stdout)
    assert isinstance(report, dict)
    return report


def refused(result: subprocess.CompletedProcess[str], code: int) -> str:
    """The one clear line of a refusal, and what to do about it on the next."""
    assert result.returncode == code, (result.returncode, result.stdout, result.stderr)
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert lines[0].startswith("error: "), lines
    assert len(lines) == 2
    assert lines[1].startswith("  to mend it: ")
    return result.stderr
