"""`middlewatch recordings`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from middlewatch.frontends.cli.output import application, json_option, print_record
from middlewatch.frontends.cli.terminal import print_line, quotation
from middlewatch.frontends.program import program
from middlewatch.frontends.reading import count


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def recordings() -> None:
    """Import recordings of past incidents, and list them.

    \b
    Example:
      middlewatch recordings import evals/recordings/shop-slow-pages
    """


@recordings.command(name="import")
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
def import_(folder: Path, as_json: bool) -> None:
    """Copy a recording into the telemetry store. One that is there already is left as it is.

    \b
    Example:
      middlewatch recordings import evals/recordings/shop-slow-pages
    """
    with application() as app:
        imported = app.import_recording(folder, on_progress=_progress)
    if sys.stderr.isatty():
        click.echo(err=True)
    if as_json:
        print_record(imported)
        return
    counts = ", ".join(f"{rows:,} {table}" for table, rows in imported.rows.items() if rows)
    print_line(f"{imported.name}: {counts}; {count(len(imported.incidents), 'incident')}")


@recordings.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List the imported recordings and their incidents.

    \b
    Example:
      middlewatch recordings list --json
    """
    with application() as app:
        rows = app.recordings()
    if as_json:
        click.echo(json.dumps([row.model_dump(mode="json") for row in rows], indent=1))
        return
    if not rows:
        print_line(f"No recordings yet. Import one with: {' '.join(program())} recordings import DIR")
    say = quotation()
    for row in rows:
        rows_in_it = count(sum(row.rows.values()), "row")
        print_line(f"{row.name}  {row.info.start:%Y-%m-%d %H:%M} to {row.info.end:%Y-%m-%d %H:%M} UTC  {rows_in_it}")
        for incident in row.incidents:
            print_line(f"  {say.named(incident.id)}  {incident.detected_at:%Y-%m-%d %H:%M:%S} UTC  {say.quoted(incident.title)}")


def _progress(file: str, done: int, rows: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\rimporting {file}: {done:,} of {rows:,} rows\x1b[K", nl=False, err=True)
