"""`middlewatch lab`."""

from __future__ import annotations

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def lab() -> None:
    """Run a small shop of real services with a real fault and record it.

    \b
    Example:
      middlewatch lab record --fault index-dropped --output /tmp/shop
    """


@lab.command()
def faults() -> None:
    """List the faults.

    \b
    Example:
      middlewatch lab faults
    """
    from middlewatch.evals.lab.faults import FAULTS  # noqa: PLC0415  needs the extra only when used

    for fault in FAULTS.values():
        click.echo(f"{fault.name:16s} {fault.description}")
