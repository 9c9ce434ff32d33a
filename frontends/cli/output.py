"""What the commands share: where output goes, and in which form."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from middlewatch.frontends.cli.exit_codes import INCONCLUSIVE
from middlewatch.frontends.cli.page import NARROWEST, WIDEST, Page
from middlewatch.frontends.cli.report import render_report
from middlewatch.frontends.program import program
from middlewatch.records import Outcome, Report
from middlewatch.records.toml_document import Mistake
from middlewatch.settings import Settings, ascii_only, no_color

details_option = click.option(
    "--details", is_flag=True, help="Everything: the reasons of every vote and the whole chain of evidence."
)
if TYPE_CHECKING:
    from middlewatch.app import App

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")

json_lines_option = click.option("--json", "as_json", is_flag=True, help="Print what it does, one line of JSON each.")


@contextmanager
def application() -> Iterator[App]:
    """The application, by the settings of the environment."""
    from middlewatch.app import open_app  # noqa: PLC0415  takes a second to import, and no --help needs it

    with open_app(Settings.load()) as app:
        yield app


def print_record(record: BaseModel) -> None:
    """One record as JSON. Everything but ASCII is escaped: the same data, and nothing in it that a terminal would obey."""
    click.echo(record.model_dump_json(indent=1, ensure_ascii=True))


def mistakes_told(mistakes: Iterable[Mistake]) -> list[dict[str, str | int]]:
    """What is wrong with a file, as JSON."""
    return [{"line": one.line, "key": one.key, "what": one.what} for one in mistakes]


def print_line_of(record: BaseModel) -> None:
    """One record as a line of JSON, at once: somebody reads along."""
    click.echo(record.model_dump_json(ensure_ascii=True))
    sys.stdout.flush()


def print_report(report: Report, *, as_json: bool, details: bool) -> None:
    """A report, for a person (one screen, or all of it) or as `middlewatch.report/v1`."""
    if as_json:
        print_record(report)
        return
    color = colored()
    text = render_report(report, width=width(), color=color, details=details, ascii_only=ascii_only(), program=program())
    click.echo(text, color=color, nl=False)


def report_code(report: Report) -> int:
    """The exit code of an answer."""
    return 0 if report.outcome is Outcome.FINDING else INCONCLUSIVE


def print_page(page: Page, *, err: bool = False) -> None:
    """A page, in colour where the terminal has it."""
    color = colored(err=err)
    click.echo(page.text(color=color), color=color, nl=False, err=err)


def colored(*, err: bool = False) -> bool:
    """Whether what is printed there is in colour."""
    return (sys.stderr if err else sys.stdout).isatty() and not no_color()


def width() -> int:
    """Columns of the terminal, as far as a page uses them."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size().columns))


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
