"""What the commands share: where output goes, and in which form."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from middlewatch.frontends.cli.program import program
from middlewatch.frontends.cli.report import render_report
from middlewatch.records import Report
from middlewatch.settings import Settings, ascii_only, no_color

details_option = click.option(
    "--details", is_flag=True, help="Everything: the reasons of every vote and the whole chain of evidence."
)
if TYPE_CHECKING:
    from middlewatch.app import App

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
NARROWEST, WIDEST = 40, 120
"""Columns: below, words are broken; above, lines are too long to read."""


@contextmanager
def application() -> Iterator[App]:
    """The application, by the settings of the environment."""
    from middlewatch.app import open_app  # noqa: PLC0415  takes a second to import, and no --help needs it

    with open_app(Settings.load()) as app:
        yield app


def print_record(record: BaseModel) -> None:
    """One record as JSON. Everything but ASCII is escaped: the same data, and nothing in it that a terminal would obey."""
    click.echo(record.model_dump_json(indent=1, ensure_ascii=True))


def print_report(report: Report, *, as_json: bool, details: bool) -> None:
    """A report, for a person (one screen, or all of it) or as `middlewatch.report/v1`."""
    if as_json:
        print_record(report)
        return
    width = max(NARROWEST, min(WIDEST, shutil.get_terminal_size().columns))
    color = sys.stdout.isatty() and not no_color()
    text = render_report(report, width=width, color=color, details=details, ascii_only=ascii_only(), program=program())
    click.echo(text, color=color, nl=False)


class UtcTime(click.ParamType[datetime]):
    """A time in ISO 8601; UTC where it names no zone."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):  # the latter for a time that is in another year in UTC, before 1 or after 9999
            self.fail(f"{value!r} is not a time; write it like 2026-11-21T01:56:00Z (UTC where no zone is given)", param, ctx)
