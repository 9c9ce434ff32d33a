"""`middlewatch models init`, `check` and `list`: what is configured of language models."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from middlewatch.frontends.cli.output import json_option, mistakes_told
from middlewatch.frontends.cli.terminal import print_line
from middlewatch.frontends.program import program
from middlewatch.frontends.reading import count
from middlewatch.records.errors import Misconfigured
from middlewatch.settings import Settings

if TYPE_CHECKING:
    from middlewatch.models import ConfiguredModel


@click.command()
@click.option("--force", is_flag=True, help="Replace the file that is there.")
@json_option
def init(force: bool, as_json: bool) -> None:
    """Write a first models.toml, which asks no model yet. Providers, hosts, budgets and prices are in it as comments.

    \b
    Example:
      middlewatch models init
    """
    from middlewatch.models import init_models  # noqa: PLC0415  what it imports no --help needs

    path = init_models(Settings.load(), force=force)
    if as_json:
        click.echo(json.dumps({"file": str(path)}))
        return
    here = " ".join(program())
    print_line(f"Wrote {path}. Uncomment a model and [agents] in it, set the provider's key, and look at it:")
    print_line(f"  {here} models check")
    print_line(f"  {here} doctor --models")


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@json_option
def check(file: Path | None, as_json: bool) -> None:
    """Say every mistake in a models.toml with its line. In FILE or in the one in force; exits with 78 where there is one.

    \b
    Example:
      middlewatch models check models.toml
    """
    from middlewatch.models import check_models, configured_models  # noqa: PLC0415  likewise

    settings = Settings.load()
    path, found, mistakes = check_models(settings, file)
    shown = configured_models(settings, found) if found else ()
    if as_json:
        digest = found.digest if found else None
        click.echo(json.dumps({"file": str(path), "digest": digest, "mistakes": mistakes_told(mistakes)}, indent=1))
    elif found:
        print_line(f"{path}: {count(len(shown), 'model')}, no mistake")
        print_line(f"  investigations ask {found.agents or 'none: [agents] names no model'}")
        for name in found.budgets.closed:
            print_line(f"notice: `{name}` of [budgets] is 0, so no model will be asked")
        for one in shown:
            _print_notices(one)
    else:
        for mistake in mistakes:
            print_line(str(mistake))
    sys.exit(0 if found else Misconfigured.exit_code)


@click.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List the models that are configured. Where text goes, whether the key is set, and dollars for a million tokens.

    \b
    Example:
      middlewatch models list --json
    """
    from middlewatch.models import Models, configured_models  # noqa: PLC0415  likewise

    settings = Settings.load()
    shown = configured_models(settings, Models(settings).declared())
    if as_json:
        click.echo(json.dumps([one.model_dump(mode="json") for one in shown], indent=1))
        return
    if not shown:
        here, path = " ".join(program()), settings.models_path
        print_line("No language model is configured: rules answer alone. To ask one as well:")
        print_line(f"  uncomment it and [agents] in {path}" if path.exists() else f"  {here} models init")
    for one in shown:
        print_line(f"{one.section}: {one.model} of {one.provider}, at {one.host}{', asked by investigations' * one.used}")
        if one.price is not None:
            price = one.price
            print_line(
                f"  per million tokens (of {one.priced_at}): ${price.input:g} read, ${price.cached:g} from cache, "
                f"${price.cache_written:g} kept, ${price.output:g} written"
            )
        _print_notices(one)


def _print_notices(one: ConfiguredModel) -> None:
    if not one.ready:
        print_line(f"notice: {one.key_name} is not set, so {one.section} cannot be asked")
    if one.price is None:
        print_line(f"notice: the price of {one.model} is not known, so no dollars bound it; add it as [[prices]]")
