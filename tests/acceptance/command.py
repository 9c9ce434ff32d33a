"""Runs the real command in a process of its own, as a user would."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from middlewatch.frontends.cli import main

SECONDS = 90
"""Generous: a first start imports ClickHouse and LangGraph on a busy machine."""


def environment(data: Path, **variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MIDDLEWATCH_")}
    return kept | {"MIDDLEWATCH_DATA_DIR": str(data), "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"} | variables


PROGRAM = "from middlewatch.frontends.cli import main; main()"


def command(*words: str | Path, program: str = PROGRAM) -> list[str]:
    return [sys.executable, "-c", program, *map(str, words)]


FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["middlewatch.app", "middlewatch.agents.orchestrator", "middlewatch.cards", "middlewatch.frontends.cli"]
)


def _forked(words: list[str], variables: dict[str, str], stdout: Path, stderr: Path) -> None:
    """The command line, with nothing of the test's: its own arguments, variables and streams."""
    os.environ.clear()
    os.environ.update(variables)
    warnings.simplefilter("ignore")
    for number, file, mode in ((0, Path(os.devnull), os.O_RDONLY), (1, stdout, os.O_WRONLY), (2, stderr, os.O_WRONLY)):
        os.dup2(os.open(file, mode | os.O_CREAT, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.argv = ["middlewatch", *words]
    main()


def run(data: Path, *words: str | Path, program: str = PROGRAM, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command, as somebody runs it: in a process of its own, forked from one that has imported everything.

    Forked because of time: a hundred commands are run, and most of each would be imports. Another program is started afresh.
    """
    env = environment(data, **variables)
    if program != PROGRAM:
        words_ = command(*words, program=program)
        return subprocess.run(words_, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("stdout", "stderr")]
        process = FORKS.Process(target=_forked, args=([*map(str, words)], env, *said))
        process.start()
        process.join(SECONDS)
        code = process.exitcode
        if code is None:
            process.kill()
        assert code is not None, f"{words} takes more than {SECONDS} s"
        return subprocess.CompletedProcess(words, code, *(file.read_text(encoding="utf-8") for file in said))


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
