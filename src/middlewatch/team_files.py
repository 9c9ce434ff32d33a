"""The files that a team writes, as front ends handle them: a first one is written, and one that is checked must be there."""

from __future__ import annotations

from pathlib import Path

from middlewatch.context_store import durable_file
from middlewatch.records.errors import BadInput, Misconfigured


def write_first(path: Path, text: str, *, force: bool) -> Path:
    """Write a first file; it is the writer's alone (mode 0600).

    Args:
        path: where.
        text: all of it.
        force: also in place of one that is there.

    Raises:
        BadInput: there is a file already.
    """
    if path.exists() and not force:
        raise BadInput(f"{path} exists already.", remedy="Edit it, or replace it with --force.")
    durable_file.write(path, text.encode())
    return path


def present(named: Path | None, in_force: Path, command: str) -> Path:
    """The file that is to be looked at; it is there.

    Args:
        named: the one that somebody named.
        in_force: the one otherwise.
        command: the group of commands that it belongs to.

    Raises:
        BadInput: the one that was named is not there.
        Misconfigured: the one in force is not there.
    """
    if named is not None and not named.exists():
        raise BadInput(f"There is no {named}.", remedy=f"Name a file that is there, or none for the one in force: {in_force}")
    if named is None and not in_force.exists():
        raise Misconfigured(f"There is no {in_force}.", remedy=f"Write a first one with: middlewatch {command} init")
    return named or in_force
