"""The token of whoever the data directory belongs to, for programs of theirs on this machine that speak HTTP."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

TOKEN_BYTES = 32
NAME = "local-token"


def local_token(folder: Path) -> tuple[str, Path]:
    """The token and its file, made where there is none. Who can read the file could read the whole data directory as well."""
    path = folder / NAME
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip() or _renewed(path), path
    with os.fdopen(number, "w", encoding="ascii") as file:
        file.write(token := f"mwl_{secrets.token_urlsafe(TOKEN_BYTES)}")
    return token, path


def _renewed(path: Path) -> str:
    """In the place of an empty file, which a full disk left behind."""
    path.unlink(missing_ok=True)
    return local_token(path.parent)[0]
