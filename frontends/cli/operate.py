"""`middlewatch worker`, `executor`, `backup`, `restore` and `schema`."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from middlewatch.frontends.cli.contract import report_schema
from middlewatch.frontends.cli.output import application, json_lines_option, json_option, print_line_of
from middlewatch.frontends.cli.terminal import print_line
from middlewatch.frontends.ending import leave
from middlewatch.frontends.program import program
from middlewatch.frontends.reading import count
from middlewatch.records.errors import BadInput, Misconfigured
from middlewatch.settings import Settings

if TYPE_CHECKING:
    from middlewatch.doings import Doing

LOOK_SECONDS = 0.2
"""How soon a worker that cannot go on is noticed."""


@click.command()
@click.option("--name", help="The worker's name in claims and reports; made up where absent.")
@json_lines_option
def worker(name: str | None, as_json: bool) -> None:
    """Work on tasks until stopped. Any number of workers may run, on any number of machines.

    Ctrl-C or SIGTERM lets what is being worked on finish; a second one gives up at once. Nothing is lost either way.

    \b
    Examples:
      middlewatch worker --name worker-1
      middlewatch worker --json | jq -r 'select(.problem != "") | .problem'
    """
    stop = until_asked()
    with application() as app:
        role = "owner of the data directory" if app.owner else "attached"
        click.echo(f"working ({role}, {count(app.settings.slots, 'slot')}); Ctrl-C stops", err=True)
        lines = Lines(stop)
        with app.working(name, lines.told if as_json else None) as ended:
            while not stop.wait(LOOK_SECONDS) and not ended.is_set():
                pass
            click.echo("finishing what is being worked on", err=True)
    lines.end()


@click.command()
@json_lines_option
def executor(as_json: bool) -> None:
    """Execute what was approved, until stopped. It alone opens the credentials of actions, and it reads no telemetry.

    Beside a Redis server, run one or more of these where the credentials are. The embedded deployment brings its own.
    Ctrl-C or SIGTERM lets what is being executed finish; a second one gives up, and the next executor finds out what became of it.

    \b
    Example:
      MIDDLEWATCH_CREDENTIALS_DIR=/etc/middlewatch/credentials middlewatch executor
    """
    from middlewatch.executor import execute  # noqa: PLC0415  takes a moment to import, and no --help needs it

    settings = Settings.load()
    if not settings.actions_path.exists():
        raise Misconfigured(
            f"There is no {settings.actions_path}.", remedy="It says what can be done to which service: docs/actions.md"
        )
    stop = until_asked()
    click.echo("executing what is approved; Ctrl-C stops", err=True)
    lines = Lines(stop)
    execute(settings, stop, lines.told if as_json else None)
    lines.end()


class Lines:
    """What is done, as lines of JSON, for as long as somebody reads them; then it is time to stop, and no work fails for it."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._broken: BrokenPipeError | None = None

    def told(self, doing: Doing) -> None:
        """One more was done, in any thread."""
        try:
            print_line_of(doing)
        except BrokenPipeError as error:
            self._broken = error
            self._stop.set()

    def end(self) -> None:
        """After the last one.

        Raises:
            BrokenPipeError: nobody read them any more.
        """
        if self._broken is not None:
            raise self._broken


def until_asked() -> threading.Event:
    """Set when the process is asked to stop; asked twice, it ends at once."""
    stop = threading.Event()

    def ask_to_stop(number: int, _frame: object) -> None:
        if stop.is_set():
            leave(128 + number)
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    return stop


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE where it exists.")
@json_option
def backup(file: Path, force: bool, as_json: bool) -> None:
    """Write the context store, with approvals and audit log, and the archive to FILE. Telemetry can be read again from its sources.

    What is secret or yours to write is not in FILE; copy it as well: the audit log's key (audit/key in the data directory), without
    which the log cannot be gone on with, policy.toml, actions.toml and the folder of credentials.

    \b
    Example:
      middlewatch backup middlewatch-2026-11-21.tar
    """
    if not file.absolute().parent.is_dir():
        raise BadInput(f"There is no folder {file.absolute().parent}.", remedy="Make it, or choose another file.")
    if file.exists() and not force:
        raise BadInput(f"{file} exists already.", remedy="Choose another file, or replace it with --force.")
    with application() as app:
        written = app.backup(file)
    click.echo(json.dumps(written) if as_json else f"{file}: {_counts(written)}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace what the context store holds.")
@json_option
def restore(file: Path, force: bool, as_json: bool) -> None:
    """Read a backup into an empty context store. The epoch is raised, so workers that still run must be restarted.

    \b
    Example:
      middlewatch restore middlewatch-2026-11-21.tar
    """
    from middlewatch.auditing import lost_key  # noqa: PLC0415  likewise

    with application() as app:
        read = app.restore(file, force=force)
        keyless = lost_key(app.settings, app.store.server)
    click.echo(json.dumps(read) if as_json else f"{file}: {_counts(read)}")
    if keyless:
        key = app.settings.audit_key_path
        print_line(f"notice: the audit log's key is not in a backup, and there is none at {key}.", err=True)
        print_line(
            "Put it back before anything else runs here: what starts without it makes another one, and then nothing", err=True
        )
        print_line(f"begins. If it is lost: {' '.join(program())} audit rekey", err=True)


@click.command()
def schema() -> None:
    """Print the JSON schema of the report, `middlewatch.report/v1`.

    \b
    Example:
      middlewatch schema > report.schema.json
    """
    click.echo(json.dumps(report_schema(), indent=2, sort_keys=True))


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {what}" for what, number in counts.items())
