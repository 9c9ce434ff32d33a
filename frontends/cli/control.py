"""`middlewatch halt` and `resume`: the kill switch."""

from __future__ import annotations

import json

import click

from middlewatch.frontends.cli.approval_desk import FACE, print_halt, viewer
from middlewatch.frontends.cli.output import application, json_option
from middlewatch.frontends.cli.terminal import print_line
from middlewatch.frontends.program import program
from middlewatch.records import Halt


@click.command()
@click.option("--reason", help="Why; everybody sees it.")
@click.option("--status", is_flag=True, help="Only say whether everything is halted.")
@json_option
def halt(reason: str | None, *, status: bool, as_json: bool) -> None:
    """Stop everything: no action begins from now on, over restarts, until a manager lifts it. Anybody whom policy knows may.

    What was sent to a target already cannot be called back.

    \b
    Examples:
      middlewatch halt --reason "the rollbacks make it worse"
      middlewatch halt --status
    """
    if not status and not (reason or "").strip():
        raise click.UsageError("Say why with --reason TEXT, or ask with --status.")
    with application() as app:
        set_ = app.approvals.halted() if status else app.approvals.halt(viewer(app), reason or "", face=FACE)
    _tell(set_, as_json=as_json)


@click.command()
@click.option("--reason", required=True, help="Why it is safe again. The audit log keeps its digest; the text can be deleted.")
@json_option
def resume(reason: str, *, as_json: bool) -> None:
    """Lift a halt; takes a manager. What was approved meanwhile begins, where its time is not over.

    \b
    Example:
      middlewatch resume --reason "the wrong rule is gone"
    """
    with application() as app:
        app.approvals.lift(viewer(app), reason, face=FACE)
        set_ = app.approvals.halted()
    _tell(set_, as_json=as_json)


def _tell(halt_: Halt | None, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"halted": halt_ is not None, "halt": None if halt_ is None else halt_.model_dump(mode="json")}))
    elif halt_ is None:
        print_line("not halted: what is approved begins")
    else:
        print_halt(halt_)
        print_line(f"A manager lifts it with: {' '.join(program())} resume --reason '...'")
