"""Invariant: whoever asks a second time waits for nothing."""

from __future__ import annotations

import signal
import subprocess
import sys

FINISHING = """
import signal, threading
from middlewatch.frontends.cli.operate import until_asked
stop = until_asked()
try:
    print("ready", flush=True)
    stop.wait()
    print("finishing", flush=True)
    threading.Event().wait()
finally:
    threading.Event().wait()  # for a call that is not answered
"""


def test_a_second_signal_ends_it_at_once() -> None:
    with subprocess.Popen([sys.executable, "-c", FINISHING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in ("ready\n", "finishing\n"):
                assert process.stdout.readline() == line
                process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 128 + signal.SIGTERM
        finally:
            process.kill()
