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
@json_option
def doctor(as_json: bool) -> None:
    """Say what is configured, reachable and missing, and how to mend it. Exits with 1 where something is broken.

    \b
    Example:
      middlewatch doctor --json
    """
    checks: list[Check] = []
    settings = Settings.load()
    for check in itertools.chain(examine(settings), _slack(settings)):
        checks.append(check)
        if not as_json:
            print_line(f"{MARKS[check.health]}{check.name}: {check.found}")
            if check.remedy:
                print_line(f"       {pasteable(check.remedy)}")
    if as_json:
        click.echo(json.dumps([check.model_dump(mode="json") for check in checks], indent=1))
    sys.exit(1 if any(check.health is Health.BROKEN for check in checks) else 0)


def _slack(settings: Settings) -> Iterable[Check]:
    """The checks of Slack, whose libraries only those load who use it."""
    if settings.slack_bot_token is None:
        return ()
    from middlewatch.frontends.slack.checks import check_slack  # noqa: PLC0415  a third of a second

    return check_slack(settings)
