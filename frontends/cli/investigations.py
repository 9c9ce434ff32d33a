"""`middlewatch investigations`: poll them, read them again, cancel them."""

from __future__ import annotations

import json

import click

from middlewatch.frontends.cli.output import application, details_option, json_option, print_record, print_report
from middlewatch.frontends.cli.program import program
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.reading import count


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def investigations() -> None:
    """List investigations, show a report again, cancel one.

    \b
    Example:
      middlewatch investigations list
    """


@investigations.command(name="list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many, newest first.")
@json_option
def list_(limit: int, as_json: bool) -> None:
    """List investigations, newest first.

    \b
    Example:
      middlewatch investigations list --limit 5
    """
    with application() as app:
        rows = app.investigations(limit=limit)
    if as_json:
        click.echo(json.dumps([row.model_dump(mode="json") for row in rows], indent=1))
    elif not rows:
        print_line(f"No investigations yet. Start one with: {' '.join(program())} investigate --help")
    for row in () if as_json else rows:
        opened = f"{row.opened_at:%Y-%m-%d %H:%M:%S} UTC" if row.opened_at else ""
        print_line(f"{row.id}  {row.state:9s}  {opened}  {quotation().quoted(row.alert.title)}")


@investigations.command()
@click.argument("investigation")
@details_option
@json_option
def show(investigation: str, details: bool, as_json: bool) -> None:
    """Show the report of an investigation, or where it stands.

    \b
    Example:
      middlewatch investigations show inv-0123456789ab --json
    """
    with application() as app:
        snapshot = app.snapshot(investigation)
    if snapshot.report is not None:
        print_report(snapshot.report, as_json=as_json, details=details)
    elif as_json:
        print_record(snapshot)
    else:
        done = sum(task.state == "done" for task in snapshot.tasks)
        progress = f"{done} of {count(len(snapshot.tasks), 'task')} done, {count(len(snapshot.evidence), 'fact')} so far"
        print_line(f"{investigation} is {snapshot.investigation.state}: {progress}")


@investigations.command()
@click.argument("investigation")
@json_option
def cancel(investigation: str, as_json: bool) -> None:
    """Stop an investigation; nothing more is recorded for it. Exits with 65 where it is closed already.

    \b
    Example:
      middlewatch investigations cancel inv-0123456789ab
    """
    with application() as app:
        row = app.cancel(investigation)
    if as_json:
        print_record(row)
    else:
        print_line(f"{row.id} is {row.state}")
