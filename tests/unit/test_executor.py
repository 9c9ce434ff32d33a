"""Invariant: whoever serves has hands as soon as somebody writes what they can do."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from middlewatch import besides, executor
from middlewatch.settings import Settings


def test_an_executor_begins_when_somebody_writes_what_can_be_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()

    def start(*_: object) -> subprocess.Popen[bytes]:
        begun.set()
        return subprocess.Popen(["/bin/sleep", "60"])

    monkeypatch.setattr(besides, "start_process", start)
    settings = Settings(data_dir=tmp_path)
    with executor.beside(settings):
        assert not begun.wait(0.5)
        settings.actions_path.write_text("", encoding="utf-8")
        assert begun.wait(10)
