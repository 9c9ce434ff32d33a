"""`middlewatch serve` as a process of its own, for what measures or attacks it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from middlewatch.settings import Settings
from tests.acceptance.approvals_site import Site
from tests.acceptance.command import command, environment


@dataclass(frozen=True, slots=True)
class Serving:
    """Where it answers, and its process."""

    url: str
    process: subprocess.Popen[str]

    @property
    def rss_kib(self) -> int:
        """Memory that it holds now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // 1024

    @property
    def processor_seconds(self) -> float:
        """That it has used so far, in all its threads; what others do on the machine does not count."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def prepare(data: Path) -> Settings:
    """People with tokens and a target behind a webhook that nobody calls: see `tests.acceptance.approvals_site`."""
    data.mkdir(parents=True, exist_ok=True)
    made = Site(data, cast("Any", None))
    if not (data / "policy.toml").exists():
        made.write_policy()
        made.write_actions("https://shop.example")
    return Settings(data_dir=data)


@contextmanager
def serving(data: Path, *words: str, **variables: str) -> Iterator[Serving]:
    """Started on a free port of loopback, and ended as an operator would."""
    log = data / "serve.log"
    with log.open("a", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            command("serve", "--port", "0", "--json", "--no-otlp", *words),
            env=environment(data, **variables),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, log.read_text(encoding="utf-8")
            yield Serving(json.loads(line)["url"].rstrip("/"), process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            process.stdout.close()
