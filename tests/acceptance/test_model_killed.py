"""Whoever is interrupted or killed while a model is waited for: its call ends, and the next one goes on and ends in time."""

from __future__ import annotations

import contextlib
import os
import signal
from datetime import datetime
from pathlib import Path

from tests.acceptance.command import Running, report_of, run
from tests.acceptance.incident import record_incident
from tests.model_ends.chat_end import ChatEnd
from tests.model_ends.end import MODEL, Fault, served

MODELS = """[agents]
model = "m"
[hosts]
allowed = ["127.0.0.1"]
[models.m]
provider = "compatible"
model = "{model}"
url = "{url}"
"""
SHORT = {"MIDDLEWATCH_LEASE_SECONDS": "2"}
"""What the killed held is free again after a lease; nobody needs to wait for it here."""


def test_a_call_that_is_interrupted_or_killed_holds_nothing_up(tmp_path: Path) -> None:
    end = ChatEnd()
    data, recording = tmp_path / "data", record_incident(tmp_path / "incident")
    data.mkdir(mode=0o700)
    words: tuple[str | Path, ...] = ("investigate", "--recording", recording, "--watch")
    with served(end) as url:
        (data / "models.toml").write_text(MODELS.format(model=MODEL, url=url))
        (data / "models.toml").chmod(0o600)
        end.always = Fault.SLOW
        for number in (signal.SIGINT, signal.SIGKILL):
            end.dropped.clear()
            asked = len(end.bodies)
            with Running(data, *words, stdout=Path(os.devnull), own_group=True, variables=SHORT) as process:
                while len(end.bodies) == asked and process.poll() is None:
                    end.dropped.wait(0.02)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                assert end.dropped.wait(30), "the model's server is told by the connection"
                process.wait()
                told = process.stderr.read()
            if number == signal.SIGINT:
                assert process.returncode == 130
                assert "is kept; go on with: " in told
        end.always = None
        report = report_of(run(data, "investigate", "--recording", recording, "--json", **SHORT))
    models = report["models"]
    assert len({call["investigation"] for call in models["calls"]} | {report["investigation"]}) == 1, "it was joined"
    assert {one["agent"]: one["problem"] for one in models["reasoning"]} == dict.fromkeys(
        ("deploys", "logs", "metrics", "traces"), ""
    )
    took = datetime.fromisoformat(report["closed_at"]) - datetime.fromisoformat(report["opened_at"])
    assert took.total_seconds() < 120.0, "a minute of models, and what rules and three starts take on a busy machine"
