"""`middlewatch actions`: write a first configuration of actions, check it, list what can be done."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from middlewatch.frontends.cli.output import json_option, mistakes_told, print_record
from middlewatch.frontends.cli.terminal import print_line
from middlewatch.frontends.program import program
from middlewatch.frontends.reading import count
from middlewatch.records import RiskTier
from middlewatch.records.toml_document import Mistaken
from middlewatch.settings import Settings

TIER = max(len(tier) for tier in RiskTier)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def actions() -> None:
    """Say what can be done to which service. Nothing that is not configured can be done.

    \b
    Example:
      middlewatch actions init
    """


@actions.command()
@click.option("--force", is_flag=True, help="Replace the configuration that is there.")
@json_option
def init(force: bool, as_json: bool) -> None:
    """Write a first configuration. It has a harmless runbook to try, and everything else as comments.

    \b
    Example:
      middlewatch actions init
    """
    from middlewatch.catalogues import init_actions  # noqa: PLC0415  what it imports no --help needs

    settings = Settings.load()
    path = init_actions(settings, force=force)
    if as_json:
        click.echo(json.dumps({"file": str(path), "credentials": str(settings.credentials_path)}))
        return
    here = " ".join(program())
    print_line(f"Wrote {path}. Name your services in it, and where each is run.")
    print_line(f"Credentials go to {settings.credentials_path}, each into a file of its own; only the executor opens them.")
    print_line(f"  {here} actions check")
    print_line(f"  {here} policy init")


@actions.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@json_option
def check(file: Path | None, as_json: bool) -> None:
    """Say every mistake in a configuration with its line. In FILE or in the one in force; exits with 78 where there is one.

    \b
    Example:
      middlewatch actions check actions.toml
    """
    from middlewatch.catalogues import examine_actions  # noqa: PLC0415  likewise

    try:
        found = examine_actions(Settings.load(), file)
    except Mistaken as error:
        if as_json:
            click.echo(json.dumps({"file": str(error.mistakes[0].file), "mistakes": mistakes_told(error.mistakes)}, indent=1))
        for mistake in () if as_json else error.mistakes:
            print_line(str(mistake))
        sys.exit(error.exit_code)
    if as_json:
        print_record(found)
        return
    print_line(f"{found.file}: {count(len(found.targets), 'target')}, {count(len(found.runbooks), 'runbook')}, no mistake")
    for target, offered in found.targets.items():
        print_line(f"  {target}: {', '.join(offered) or 'nothing can be done to it'}")
    for name in found.credentials_missing:
        print_line(f"notice: there is no {found.credentials_folder}/{name}; its connection does not work until there is")
    for name in found.credentials_open_files:
        open_ = f"{found.credentials_folder}/{name}"
        print_line(f"notice: others can read {open_}, or it is a link; the executor refuses it. chmod 600 {open_}")
    if found.credentials_open:
        print_line(
            f"notice: others can read {found.credentials_folder}; the executor refuses it. chmod 700 {found.credentials_folder}"
        )


@actions.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List every action, its tier before policy, and what it touches.

    \b
    Example:
      middlewatch actions list
    """
    from middlewatch.catalogues import catalogue  # noqa: PLC0415  likewise

    specs = catalogue(Settings.load())
    if as_json:
        click.echo(json.dumps([spec.model_dump(mode="json") for spec in specs], indent=1))
        return
    width = max(len(spec.id) for spec in specs)
    for spec in sorted(specs, key=lambda one: (one.tier.level, one.id)):
        print_line(f"{spec.tier:{TIER}}  {spec.id:{width}}  {spec.title}. {spec.blast_radius}")
