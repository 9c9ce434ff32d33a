"""Invariant: the documentation, the help and the code have the same exit codes, and say the same of each."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner

import middlewatch
from middlewatch.evals import jobs
from middlewatch.frontends.cli import cli, exit_codes
from middlewatch.frontends.cli.exit_codes import MEANINGS
from middlewatch.records.errors import MiddlewatchError

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "configuration.md"


def errors_of(error: type[MiddlewatchError]) -> Iterator[type[MiddlewatchError]]:
    yield error
    for narrower in error.__subclasses__():
        yield from errors_of(narrower)


def test_the_table_has_every_code_that_there_is_and_no_other() -> None:
    for module in pkgutil.walk_packages(middlewatch.__path__, "middlewatch."):
        if module.name.endswith("errors"):
            importlib.import_module(module.name)
    raised = {error.exit_code for error in errors_of(MiddlewatchError)} | {click.UsageError.exit_code}
    own = {code for name, code in vars(exit_codes).items() if name.isupper() and isinstance(code, int)}
    assert set(MEANINGS) == {0} | raised | own
    assert list(MEANINGS) == sorted(MEANINGS)


def test_what_a_job_of_an_evaluation_exits_with_is_the_same_code() -> None:
    assert jobs.INPUT_OUTPUT == exit_codes.INPUT_OUTPUT


def test_the_documentation_says_the_same() -> None:
    section = DOCUMENTATION.read_text().partition("\n## Exit codes\n")[2].partition("\n## ")[0]
    assert {int(code): meaning for code, meaning in re.findall(r"(?m)^\| (\d+) \| (.*) \|$", section)} == dict(MEANINGS)


def test_the_help_says_the_same_on_a_narrow_terminal() -> None:
    text = CliRunner().invoke(cli, ["--help"], terminal_width=80).output.partition("Exit codes:\n")[2]
    told = dict(re.findall(r"(?m)^ +(\d+) +(.*)$", text))
    assert {int(code): meaning for code, meaning in told.items()} == dict(MEANINGS)
    assert all(len(line) <= 80 for line in text.splitlines())
