"""The token of whoever the data directory belongs to, for programs of theirs on this machine that speak HTTP."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from middlewatch.records.errors import Misconfigured
from middlewatch.records.tokens import new_token

NAME = "local-token"


def local_token(folder: Path) -> tuple[str, Path]:
    """The token and its file, made where there is none. Who can read the file could read the whole data directory as well.

    Raises:
        Misconfigured: others can read the file, or it is somebody else's.
    """
    path = folder / NAME
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=f".{NAME}-", encoding="ascii") as file:  # its mode is 0600
            file.write(new_token("mwl"))
            file.flush()
            with suppress(FileExistsError):
                os.link(file.name, path)  # whole or not at all, and of two processes one wins
    found = path.lstat()
    if found.st_mode & 0o077 or found.st_uid != os.geteuid():
        raise Misconfigured(
            f"{path} is not yours alone, so it proves nothing.", remedy="Delete it; it is made again with the next start."
        )
    return path.read_text(encoding="ascii"), path
