"""The command line. Commands are imported when they are used, so that `--help` is quick."""

from __future__ import annotations

import importlib
import os
import sys

import click

from middlewatch.records.errors import MiddlewatchError

COMMANDS = {
    "investigate": ("investigate", "Investigate an incident and say what caused it."),
    "investigations": ("investigations", "List investigations, show a report again, cancel one."),
    "recordings": ("recordings", "Import recordings of past incidents, and list them."),
    "evaluate": ("evaluate", "Answer every incident of every recording and write predictions."),
    "worker": ("operate", "Work on tasks until stopped."),
    "doctor": ("doctor", "Say what is configured, reachable and missing, and how to mend it."),
    "backup": ("operate", "Write the context store and the archive to a file."),
    "restore": ("operate", "Read a backup into an empty context store."),
    "schema": ("operate", "Print the JSON schema of the report."),
    "lab": ("lab", "Run a small shop with a real fault and record it."),
}
"""Command name -> (module of this package, one line of help)."""

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  the base class's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  likewise
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"middlewatch.frontends.cli.{COMMANDS[cmd_name][0]}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101  the table above names commands only
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  likewise
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="middlewatch")
def cli() -> None:
    """Find the failing service, the proof and the likely cause of an incident.

    \b
    Example:
      middlewatch investigate --recording evals/recordings/shop-slow-pages
    """


def main() -> None:
    """Run the command line: errors become one line and an exit code, never a traceback."""
    try:
        code = cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        code = INTERRUPTED
    except MiddlewatchError as error:
        click.echo(f"error: {error.message}", err=True)
        if error.remedy:
            click.echo(f"  to mend it: {error.remedy}", err=True)
        code = error.exit_code
    except BrokenPipeError:
        # The reader has seen enough. Nothing more may be written, also not by the interpreter's flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
