"""Invariant: a process whose worker cannot go on ends, with the code of what ended it, and nobody waits for an answer for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from middlewatch.context_store.store import ContextStore
from middlewatch.frontends.cli import main
from middlewatch.records.errors import StaleEpoch
from tests.acceptance.command import run
from tests.acceptance.incident import record_incident


def refuse(_store: ContextStore, _worker: str) -> None:
    raise StaleEpoch("The context store was restored.", remedy="Start it again.")


def main_at_an_older_epoch() -> None:
    """The command line in a process whose claims are refused; nothing that it reads is."""
    ContextStore.claim = refuse  # type: ignore[method-assign,assignment]  # of a process of its own
    main()


@pytest.mark.parametrize("command", ["investigate", "worker", "serve"])
def test_a_worker_that_dies_ends_its_process(tmp_path: Path, command: str) -> None:
    words: dict[str, list[str | Path]] = {
        "investigate": ["--recording", record_incident(tmp_path / "incident")],
        "serve": ["--port", "0", "--no-otlp"],
    }
    result = run(tmp_path / "data", command, *words.get(command, []), program=main_at_an_older_epoch)
    assert result.returncode == StaleEpoch.exit_code, result.stderr
    assert "error: The context store was restored." in result.stderr
    assert "Traceback" not in result.stderr
