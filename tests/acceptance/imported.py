"""What is imported once, in the process that the commands of the tests are forked from: everything but ClickHouse.

Its library starts threads when it is imported, which a fork would lose.
"""

from __future__ import annotations

import gc
import importlib
import sys

from middlewatch.frontends.cli import COMMANDS

gc.disable()
for module in (
    *(f"middlewatch.frontends.cli.{place.partition(':')[0]}" for place, _ in COMMANDS.values()),
    "middlewatch.agents.orchestrator",
    "middlewatch.cards",
    "middlewatch.evals.evaluation",
    "pandas",  # by ClickHouse's library
    "tests.acceptance.command",
):
    importlib.import_module(module)

assert "chdb" not in sys.modules
gc.freeze()
gc.enable()
