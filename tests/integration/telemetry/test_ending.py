"""Invariant: a process ends with its own code, also where a query still runs in the engine inside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.telemetry.processes import start

_QUERY = """
import threading
asked = threading.Event()
def ask(seconds):
    with database._pool.client() as client:
        print("asked", flush=True)
        asked.set()
        text = "SELECT sum(sleepEachRow(0.25)) AS slept FROM numbers({}) SETTINGS max_block_size = 1"
        client.query_arrow(text.format(4 * seconds), parameters={})
        print("answered", flush=True)
database = ClickHouse.embedded(Path(sys.argv[1]))
database.migrate()
threading.Thread(target=ask, args=(int(sys.argv[2]),), daemon=True).start()
asked.wait()
threading.Event().wait(0.5)  # until it is in the engine
"""
_CLOSE = """
database.close()
sys.exit(5)
"""
_LEAVE = """
from middlewatch.frontends.ending import end
end(5)
"""


@pytest.mark.parametrize(
    ("ending", "seconds", "said"),
    [(_CLOSE, 2, "asked\nanswered\n"), (_LEAVE, 20, "asked\n")],
    ids=["the store is closed", "it is not even closed"],
)
def test_a_process_that_ends_beside_a_query_ends_well(tmp_path: Path, ending: str, seconds: int, said: str) -> None:
    with start(_QUERY + ending, tmp_path / "data", str(seconds)) as process:
        printed, error = process.communicate(timeout=90)
    assert (process.returncode, printed) == (5, said), error
