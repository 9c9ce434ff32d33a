"""`middlewatch slo`: write a first services.toml, check it, say how every objective stands."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from middlewatch.frontends import health_wording as words
from middlewatch.frontends.cli.output import application, json_option, mistakes_told
from middlewatch.frontends.cli.terminal import print_line
from middlewatch.frontends.program import program
from middlewatch.frontends.quantity import stamp
from middlewatch.frontends.reading import count
from middlewatch.records import BudgetStanding, Exhaustion
from middlewatch.records.errors import BadInput, MiddlewatchError, Misconfigured
from middlewatch.settings import Settings

if TYPE_CHECKING:
    from middlewatch.app import App

MOST_LOOKS = 20
"""A first look at 90 days takes a dozen."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def slo() -> None:
    """Say what is promised of services, and how much of each error budget is left.

    \b
    Examples:
      middlewatch slo init
      middlewatch slo status
    """


@slo.command()
@click.option("--force", is_flag=True, help="Replace the file that is there.")
@json_option
def init(force: bool, as_json: bool) -> None:
    """Write a first services.toml, everything in it as comments. Services, objectives, maintenance, who is told.

    \b
    Example:
      middlewatch slo init
    """
    from middlewatch.service_catalogue import init_services  # noqa: PLC0415  what it imports no --help needs

    path = init_services(Settings.load(), force=force)
    if as_json:
        click.echo(json.dumps({"file": str(path)}))
        return
    here = " ".join(program())
    print_line(f"Wrote {path}. Name your services in it, and what is promised of them.")
    print_line(f"  {here} slo check")
    print_line(f"  {here} slo status")


@slo.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@json_option
def check(file: Path | None, as_json: bool) -> None:
    """Say every mistake in a services.toml with its line. In FILE or in the one in force; exits with 78 where there is one.

    \b
    Example:
      middlewatch slo check services.toml
    """
    from middlewatch.service_catalogue import check_services  # noqa: PLC0415  likewise

    path, found, mistakes = check_services(Settings.load(), file)
    if as_json:
        digest = found.digest if found else None
        click.echo(json.dumps({"file": str(path), "digest": digest, "mistakes": mistakes_told(mistakes)}, indent=1))
    elif found:
        print_line(f"{path}: {count(len(found.services), 'service')}, {count(len(found.objectives), 'objective')}, no mistake")
        for objective in found.objectives:
            print_line(f"  {objective.name}: {words.promise(objective)}")
    else:
        for mistake in mistakes:
            print_line(str(mistake))
    sys.exit(0 if found else Misconfigured.exit_code)


@slo.command()
@click.option("--service", metavar="NAME", help="Only the objectives that name this service, or one of its aliases.")
@json_option
def status(service: str | None, as_json: bool) -> None:
    """Say what is left of every error budget. How fast it burns as well, and what will be full before long.

    The first look counts as many days as the objectives have; later ones read what was counted. A budget's time is what it allows
    where everything fails: 43 min 12 s for 99.9 % over 30 days. Exits with 78 where services.toml has a mistake.

    \b
    Examples:
      middlewatch slo status
      middlewatch slo status --service checkout --json
    """
    with application() as app:
        app.service_catalogue.declared()  # one with a mistake must not read as if nothing were promised
        named = None if service is None else _named(app, service)
        problem = _count(app)
        standings = [one for one in app.objectives.standings() if named is None or named in one.objective.services]
        filling = [one for one in app.objectives.exhaustions() if named is None or one.usage.service == named]
        path = app.service_catalogue.path
    if as_json:
        told = {
            "objectives": [one.model_dump(mode="json") for one in standings],
            "exhaustions": [one.model_dump(mode="json") for one in filling],
            "problem": problem,
        }
        click.echo(json.dumps(told, indent=1, ensure_ascii=True))
        return
    if problem:
        print_line(f"notice: {problem}")
    if not standings:
        print_line(f"No objective is declared{f' of {named}' if named else ''} in {path}.")
        print_line("  The comments in it show how." if path.exists() else f"  {' '.join(program())} slo init")
    for standing in standings:
        _print_standing(standing)
    _print_filling(filling)


def _named(app: App, service: str) -> str:
    named = app.service_catalogue.named(service)
    if not named:
        known = ", ".join(app.service_catalogue.services) or "none"
        raise BadInput(f"No service {service!r} is declared.", remedy=f"There are: {known}. See {app.service_catalogue.path}.")
    return named


def _count(app: App) -> str:
    """Count what is new; why that is not all, in words."""
    now = datetime.now(UTC)
    try:
        if any(app.objectives.count(now) for _ in range(MOST_LOOKS)):
            return ""
    except MiddlewatchError as error:
        return f"what is new could not be counted: {error.message}"
    return "not all days are counted yet; ask again"


def _print_standing(standing: BudgetStanding) -> None:
    objective = standing.objective
    about = objective.journey or ", ".join(objective.services)
    print_line(f"{objective.name}: {words.left(standing)}, {words.state(standing)}")
    print_line(f"  {about}: {words.promise(objective)}")
    print_line(
        f"  budget spent {words.burning(standing)}" + (f"; by {stamp(standing.at)} UTC" if standing.left is not None else "")
    )
    if standing.firing:
        print_line(f"  ALERT: {standing.firing}")
    if standing.left is not None and (partly := words.covered(standing)):
        print_line(f"  {partly}")


def _print_filling(filling: list[Exhaustion]) -> None:
    for one in filling:
        print_line(f"{one.usage.service}: {words.filling(one)}")
