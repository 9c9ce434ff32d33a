"""`middlewatch doctor`."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable

import click

from middlewatch.doctor import Check, Health, examine
from middlewatch.frontends.cli.output import json_option
from middlewatch.frontends.cli.terminal import print_line
from middlewatch.frontends.program import pasteable
from middlewatch.settings import Settings

MARKS = {Health.OK: "ok     ", Health.NOTICE: "notice ", Health.BROKEN: "BROKEN "}


@click.command()
@click.option("--models", is_flag=True, help="Ask every language model once as well: a tiny call, for a fraction of a cent.")
@json_option
def doctor(models: bool, as_json: bool) -> None:
    """Say what is configured, reachable and missing, and how to mend it. Exits with 1 where something is broken.

    \b
    Examples:
      middlewatch doctor --json
      middlewatch doctor --models
    """
    checks: list[Check] = []
    settings = Settings.load()
    for check in itertools.chain(examine(settings), _otlp(settings), _slack(settings), _models(settings, ask=models)):
        checks.append(check)
        if not as_json:
            print_line(f"{MARKS[check.health]}{check.name}: {check.found}")
            if check.remedy:
                print_line(f"       {pasteable(check.remedy)}")
    if as_json:
        click.echo(json.dumps([check.model_dump(mode="json") for check in checks], indent=1))
    sys.exit(1 if any(check.health is Health.BROKEN for check in checks) else 0)


def _otlp(settings: Settings) -> Iterable[Check]:
    """The checks of what takes telemetry in."""
    from middlewatch.frontends.otlp.checks import check_otlp  # noqa: PLC0415  no --help needs what it imports

    return check_otlp(settings)


def _slack(settings: Settings) -> Iterable[Check]:
    """The checks of Slack, whose libraries only those load who use it."""
    if settings.slack_bot_token is None:
        return ()
    from middlewatch.frontends.slack.checks import check_slack  # noqa: PLC0415  a third of a second

    return check_slack(settings)


def _models(settings: Settings, *, ask: bool) -> Iterable[Check]:
    """The checks of language models; nothing is sent to them unless they are to be asked."""
    from middlewatch.model_checks import check_models_answer, check_models_file  # noqa: PLC0415  likewise

    return itertools.chain(check_models_file(settings), check_models_answer(settings) if ask else ())
