"""`middlewatch intake`: who may send alerts and changes: write a first configuration, check it, make a token, list."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from middlewatch.frontends.cli.output import application, json_option, mistakes_told
from middlewatch.frontends.cli.terminal import print_line
from middlewatch.frontends.program import program
from middlewatch.frontends.quantity import stamp
from middlewatch.frontends.reading import count
from middlewatch.records.errors import Misconfigured
from middlewatch.settings import Settings

if TYPE_CHECKING:
    from middlewatch.write_back_ends import Attempted


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def intake() -> None:
    """Say who may send alerts and changes. What to write at each sender's side: docs/alerts.md and docs/changes.md.

    \b
    Example:
      middlewatch intake init
    """


@intake.command()
@click.option("--force", is_flag=True, help="Replace the file that is there.")
@json_option
def init(force: bool, as_json: bool) -> None:
    """Write a first intake.toml, and make the folder of secrets. Every kind of sender is in it as comments.

    \b
    Example:
      middlewatch intake init
    """
    from middlewatch.senders import init_intake  # noqa: PLC0415  what it imports no --help needs

    settings = Settings.load()
    path = init_intake(settings, force=force)
    if as_json:
        click.echo(json.dumps({"file": str(path), "secrets": str(settings.intake_secrets_path)}))
        return
    here = " ".join(program())
    print_line(f"Wrote {path}; secrets go into {settings.intake_secrets_path}, a file of mode 0600 each.")
    print_line("Now uncomment a sender, give it a token or a secret, and look at it:")
    print_line(f"  {here} intake token prometheus")
    print_line(f"  {here} intake check")


@intake.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@json_option
def check(file: Path | None, as_json: bool) -> None:
    """Say every mistake in intake.toml with its line. Also which secret cannot be used; exits with 78 where there is one.

    \b
    Example:
      middlewatch intake check
    """
    from middlewatch.senders import check_intake  # noqa: PLC0415  likewise

    settings = Settings.load()
    path, found, mistakes = check_intake(settings, file)
    if as_json:
        senders = {name: entry.kind for name, entry in found.senders.items()} if found else None
        click.echo(json.dumps({"file": str(path), "senders": senders, "mistakes": mistakes_told(mistakes)}, indent=1))
    elif found:
        print_line(f"{path}: {count(len(found.senders), 'sender')}, no mistake")
        for name, entry in found.senders.items():
            back = f", written back to {entry.write_back.url}" if entry.write_back else ""
            print_line(f"  {name}: {entry.kind}{back}")
    else:
        for mistake in mistakes:
            print_line(str(mistake))
    sys.exit(0 if found else Misconfigured.exit_code)


@intake.command()
@click.argument("name")
@json_option
def token(name: str, as_json: bool) -> None:
    """Make a token for a sender NAME and print it, this once. With it stands the line of intake.toml that knows it.

    \b
    Example:
      middlewatch intake token prometheus
    """
    from middlewatch.senders import make_sender_token  # noqa: PLC0415  likewise

    settings = Settings.load()
    made = make_sender_token(settings, name)
    if as_json:
        click.echo(json.dumps({"sender": name, **asdict(made)}, indent=1))
        return
    print_line(made.token)
    print_line("It is shown this once: configure it at the sender, as docs/alerts.md says.", err=True)
    print_line(f"In {settings.intake_path}, below [senders.{name}]:", err=True)
    print_line(f"  {made.line}", err=True)
    print_line(made.lacks, err=True)


@intake.command()
@json_option
def failures(as_json: bool) -> None:
    """List what senders or PagerDuty could not be told. With it stands when it is tried again.

    \b
    Example:
      middlewatch intake failures
    """
    with application() as app:
        failing: dict[str, Attempted] = {**app.write_backs.failing(), **app.paging.failing()}
    if as_json:
        click.echo(json.dumps({name: one.model_dump(mode="json") for name, one in failing.items()}, indent=1))
        return
    for name, one in failing.items():
        again = f"; again at {stamp(one.again_at)} UTC" if one.again_at else ""
        print_line(f"{name}: {one.problem} ({count(one.attempts, 'attempt')}{again})")
    if not failing:
        print_line("Everything that was to be written back or told was.")
