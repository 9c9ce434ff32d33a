"""The providers' packages take seconds to load: whatever is imported, they are only when a model is opened."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import middlewatch.models, middlewatch.model_checks, middlewatch.agents.language_model.opening, middlewatch.app
from middlewatch.frontends.cli import COMMANDS, LazyGroup
import click
for name in COMMANDS:
    LazyGroup().get_command(click.Context(click.Command("m")), name)
loaded = {"anthropic", "openai"} & set(sys.modules)
assert not loaded, loaded
from middlewatch.agents.language_model.allowed_hosts import AllowedHosts
from middlewatch.agents.language_model.connection import Connection, ProviderName
from middlewatch.agents.language_model.opening import open_model
url, hosts = "http://127.0.0.1:9/v1", AllowedHosts.of(["127.0.0.1"])
open_model(Connection(ProviderName.COMPATIBLE, "m", url, None, "", hosts, False)).close()
assert {"anthropic", "openai"} & set(sys.modules) == {"openai"}
"""


def test_providers_are_loaded_when_one_is_opened() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
