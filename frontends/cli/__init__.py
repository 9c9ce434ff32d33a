"""The command line. Commands are imported when they are used, so that `--help` is quick."""

from __future__ import annotations

import errno
import gc
import importlib
import io
import os
import signal
import sys
from types import ModuleType

import click

from middlewatch.frontends.cli import manual
from middlewatch.frontends.cli.exit_codes import EPILOG, INPUT_OUTPUT, INTERRUPTED
from middlewatch.frontends.ending import end
from middlewatch.logs import redact_last_resort
from middlewatch.records.errors import MiddlewatchError

COMMANDS = {
    "investigate": ("investigate", "Investigate an incident and say what caused it."),
    "watch": ("watch", "Follow an investigation live until it is over."),
    "list": ("investigations:list_", "List investigations: what came of each, and who has it."),
    "show": ("investigations", "Show the report of an investigation, or where it stands."),
    "why": ("why", "Say why: votes, facts for and against, what else it may be."),
    "similar": ("similar", "Find earlier investigations like one, and what fixed them."),
    "alerts": ("alerts", "List alerts, show one, investigate one by hand."),
    "again": ("alerts:again", "Run an investigation again."),
    "severity": ("alerts:severity", "Say how severe an investigation is, or set it."),
    "acknowledge": ("handling", "Say that you have seen it."),
    "assign": ("handling", "Hand an investigation over, with a note."),
    "feedback": ("handling", "Say whether the answer was right."),
    "report": ("nights", "Say how your nights were: times, wrong answers, idle pages."),
    "post-mortem": ("investigations", "Write a post-mortem in Markdown."),
    "cancel": ("investigations", "Stop an investigation."),
    "change": ("change", "Record what was changed, list it, watch the changed services."),
    "approvals": ("approvals", "List what waits, show what would run, approve or deny it."),
    "halt": ("control", "Stop everything: no action begins until a manager lifts it."),
    "resume": ("control", "Lift a halt."),
    "recordings": ("recordings", "Import recordings of past incidents, and list them."),
    "evaluate": ("evaluate", "Answer every incident of every recording and write predictions."),
    "shadow": ("shadow", "Ask about past alerts what it would have said; nobody is told."),
    "actions": ("actions", "Say what can be done to which service: write, check, list."),
    "policy": ("policy", "Say who may decide what: a first policy, check, explain."),
    "runbooks": ("runbooks", "Say what is read of your runbooks: check, list, cite."),
    "intake": ("intake", "Say who may send alerts and changes: write, check, token."),
    "slo": ("slo", "Say what is promised, and what is left of each error budget."),
    "models": ("models", "Say what language models do here, and what they cost."),
    "serve": ("serve", "Serve the web, JSON API, Slack and MCP; work on tasks."),
    "otlp": ("otlp", "Take traces, metrics and logs in over OTLP."),
    "sign-in": ("serve", "Print a link that signs you in once at a `serve` on this machine."),
    "mcp": ("mcp", "Serve MCP, for assistants in an IDE or a terminal."),
    "worker": ("operate", "Work on tasks until stopped."),
    "executor": ("operate", "Execute what was approved, until stopped."),
    "doctor": ("doctor", "Say what is configured, reachable and missing; how to mend it."),
    "audit": ("audit", "Show, export and verify the audit log."),
    "backup": ("operate", "Write the context store and the archive to a file."),
    "restore": ("operate", "Read a backup into an empty context store."),
    "schema": ("operate", "Print the JSON schema of the report."),
    "lab": ("lab", "See a small shop really fail: toured, live, recorded, scored."),
    "completion": ("manual", "Print what makes a shell complete commands and ids."),
    "help": ("manual:help_", "Explain a command; write man pages."),
}
"""Command name -> (module of this package, with the command's name there where it is another; one line of help)."""

SECTIONS = {
    "Investigate": ("investigate", "alerts", "watch", "list", "show", "why", "similar", "again", "cancel", "change"),
    "Work together": ("acknowledge", "assign", "severity", "feedback", "report", "post-mortem"),
    "Decide": ("approvals", "halt", "resume", "audit"),
    "Serve and work": ("serve", "sign-in", "mcp", "otlp", "worker", "executor"),
    "Set up and keep": (
        "doctor",
        "policy",
        "actions",
        "intake",
        "slo",
        "runbooks",
        "models",
        "completion",
        "backup",
        "restore",
        "help",
    ),
    "Recordings": ("recordings", "evaluate", "shadow", "lab", "schema"),
}
"""What stands together in the help."""

REMEDIES = {
    errno.ENOSPC: "Free some space and run the command again.",
    errno.EDQUOT: "Free some space and run the command again.",
    errno.EACCES: "Run it as a user who may do this, or name another place.",
    errno.EPERM: "Run it as a user who may do this, or name another place.",
    errno.EROFS: "Name a place that can be written.",
    errno.EMFILE: "Raise the limit of open files: ulimit -n 4096",
    errno.ENOMEM: "Free some memory and run the command again.",
}


def _imported(name: str) -> ModuleType:
    """The module. What is imported stays for good: to look for garbage in it, again and again, takes a sixth of a start."""
    if name in sys.modules:
        return sys.modules[name]
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  the base class's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  likewise
        if cmd_name not in COMMANDS:
            return None
        place, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(_imported(f"middlewatch.frontends.cli.{place}"), name or cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)  # noqa: S101  the table above names commands only
        section = next((names for names in SECTIONS.values() if cmd_name in names), ())
        manual.see_also(command, cmd_name, dict.fromkeys(section))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  likewise
        for section, names in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, COMMANDS[name][1]) for name in names])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EPILOG)
@click.version_option(package_name="middlewatch")
def cli() -> None:
    """Find the failing service, the proof and the likely cause of an incident.

    Settings are environment variables: docs/configuration.md. An id may be given by its beginning.

    \b
    Examples:
      middlewatch investigate --recording evals/recordings/shop-slow-pages
      middlewatch help approvals
    """


def main() -> None:
    """Run the command line: errors become one line and an exit code, never a traceback."""
    _hold_streams()
    redact_last_resort()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it means what Ctrl-C means; servers have handlers of their own
    try:
        code = cli(prog_name="middlewatch", standalone_mode=False)
    except SystemExit as ended:  # a command has a code of its own
        code = ended.code
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        _print(*shown.getvalue().rstrip("\n").split("\n"))
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        code = INTERRUPTED
    except MiddlewatchError as error:
        from middlewatch.frontends.program import pasteable  # noqa: PLC0415  only errors need it, and --help is quick without

        _refuse(error.message, pasteable(error.remedy))
        code = error.exit_code
    except BrokenPipeError:
        _write_no_more()  # the reader has seen enough
        code = 0
    except OSError as error:
        _write_no_more()
        _refuse(_in_words(error), REMEDIES.get(error.errno or 0, "Run `middlewatch doctor`: it says what is missing."))
        code = INPUT_OUTPUT
    end(code if isinstance(code, int) else 0)


def _hold_streams() -> None:
    """A closed standard stream is as the null device: else what is opened next has its number, and is taken for it."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115  it is there to the end


def _write_no_more() -> None:
    """Drop what standard output still holds, so that the interpreter's flush at exit does not fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _in_words(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {what}" if error.filename else what


def _refuse(message: str, remedy: str) -> None:
    _print(f"error: {message}", *([f"  to mend it: {remedy}"] if remedy else []))


def _print(*lines: str) -> None:
    from middlewatch.frontends.cli.terminal import print_line  # noqa: PLC0415  only errors need it, and --help is quick without

    for line in lines:
        print_line(line, err=True)
