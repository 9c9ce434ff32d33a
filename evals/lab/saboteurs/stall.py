"""Stops a process again and again, as a machine does that is busy with something else.

`... stall --pid 12 --stopped 0.3 --running 0.3`
"""

from __future__ import annotations

import argparse
import os
import signal
from contextlib import suppress

from middlewatch.evals.lab.saboteurs.until import told_to_end


def main() -> None:
    """Stall the process until told to end; it always runs afterwards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pid", required=True, type=int)
    parser.add_argument("--stopped", required=True, type=float, help="seconds")
    parser.add_argument("--running", required=True, type=float, help="seconds")
    arguments = parser.parse_args()
    end = told_to_end()
    with suppress(ProcessLookupError):
        try:
            while not end.is_set():
                os.kill(arguments.pid, signal.SIGSTOP)
                end.wait(arguments.stopped)
                os.kill(arguments.pid, signal.SIGCONT)
                end.wait(arguments.running)
        finally:
            os.kill(arguments.pid, signal.SIGCONT)


if __name__ == "__main__":
    main()
