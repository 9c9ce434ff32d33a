"""`middlewatch models`: which language models may be asked, what they weigh, and what they cost."""

from __future__ import annotations

import click

from middlewatch.frontends.cli.model_costs import costs
from middlewatch.frontends.cli.model_files import check, init, list_
from middlewatch.frontends.cli.model_weights import weights


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def models() -> None:
    """Say what language models do here, and what they cost. Without any, everything works by rules.

    \b
    Example:
      middlewatch models costs
    """


for each in (init, check, list_, costs, weights):
    models.add_command(each)
