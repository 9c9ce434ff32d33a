"""Lines on the terminal. Whatever may hold text of somebody else is printed through here."""

from __future__ import annotations

import click

from middlewatch.frontends.quotation import Quotation
from middlewatch.settings import ascii_only


def quotation() -> Quotation:
    """How foreign text is written on this terminal."""
    return Quotation(ascii_only=ascii_only())


def print_line(text: str, *, err: bool = False) -> None:
    """Print one line that a terminal obeys in nothing: escape sequences, line breaks and reordering characters are written out.

    Spaces stay as they are, so that a line may have columns and an indent.
    """
    say = quotation()
    click.echo(" ".join(say.clean(word) for word in text.split(" ")), err=err)
