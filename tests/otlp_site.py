"""OTLP being taken in: within the test's process over any store, and as the command over a data directory of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from middlewatch.back_ends import open_telemetry
from middlewatch.data_directory import DataDirectory
from middlewatch.frontends.listening import listen
from middlewatch.frontends.otlp.receiver import Receiving, take_in
from middlewatch.receiving import OpenIntake
from middlewatch.settings import Settings
from middlewatch.telemetry.clickhouse import ClickHouse
from middlewatch.telemetry.intake import Bounds, Insert, Intake
from middlewatch.telemetry.limits import Limits

SECONDS = 60.0


@contextmanager
def taking_in(insert: Insert, settings: Settings, bounds: Bounds | None = None) -> Iterator[Receiving]:
    """Answer on free ports of this machine for as long as the block runs."""
    settings = settings.model_copy(update={"otlp_http_port": 0, "otlp_grpc_port": 0, "host": "127.0.0.1", "port": 0})
    stop, told = threading.Event(), Queue[Receiving]()
    taken, settings = listen(settings)
    with taken, Intake(insert, bounds) as intake:
        opened = OpenIntake(intake, "a test", owner=False)
        thread = threading.Thread(
            target=lambda: asyncio.run(take_in(opened, settings, taken, stopped=stop.is_set, told=told.put)), daemon=True
        )
        thread.start()
        try:
            yield told.get(timeout=SECONDS)
        finally:
            stop.set()
            thread.join(SECONDS)


@dataclass
class OtlpProcess:
    """`middlewatch otlp` on a data directory of its own."""

    process: subprocess.Popen[str]
    told: Receiving
    data: Path

    @classmethod
    def start(cls, data: Path) -> OtlpProcess:
        variables = {**os.environ, "MIDDLEWATCH_DATA_DIR": str(data)}
        code = "from middlewatch.frontends.cli import main; main()"
        command = [sys.executable, "-c", code, "otlp", "--http-port", "0", "--grpc-port", "0", "--json"]
        process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"middlewatch otlp ended with {process.wait()}"
        return cls(process, Receiving.model_validate(json.loads(line)), data)

    def kill(self) -> None:
        """As the system does when it has no memory left."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def end(self) -> int:
        self.process.terminate()
        self.process.communicate(timeout=SECONDS)
        return self.process.returncode

    @contextmanager
    def telemetry(self) -> Iterator[ClickHouse]:
        """What it stored, through the process itself."""
        settings = Settings(data_dir=self.data)
        with DataDirectory(self.data) as directory, open_telemetry(settings, directory, Limits()) as found:
            yield found
