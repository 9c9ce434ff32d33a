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


def present(path: Path, command: str) -> Path:
    """The same path, of a file that is there.

    Args:
        path: of the file.
        command: the group of commands that it belongs to.

    Raises:
        Misconfigured: it is not there.
    """
    if not path.exists():
        raise Misconfigured(f"There is no {path}.", remedy=f"Write a first one with: middlewatch {command} init")
    return path
