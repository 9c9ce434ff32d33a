"""Credentials: files in one folder that only one user can read. Those of actions are the executor's alone to open."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from middlewatch.records.errors import Misconfigured

LONGEST = 16 * 1024
"""Bytes of a credential; a service account's token has about one thousand."""

FILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
"""A plain file name: no path leads out of the folder."""


class Credentials:
    """The folder. It must be private to the user that runs whoever reads it: mode 0700, and its files 0600."""

    def __init__(self, folder: Path, *, reader: str = "the executor") -> None:
        """Nothing is opened before it is needed.

        Args:
            folder: absolute.
            reader: who opens it, in words.
        """
        self.folder = folder
        self._reader = reader

    def __repr__(self) -> str:
        return f"Credentials({str(self.folder)!r})"

    def read(self, name: str) -> str:
        """One credential, as it is in its file now: a token that is replaced there is used from the next call on.

        Raises:
            Misconfigured: there is none, others could read it, or it is not one line of printable ASCII.
        """
        if not re.fullmatch(FILE_NAME, name):
            raise Misconfigured("A credential is named by a plain file name.", remedy=f"Put it into {self.folder}.")
        path = self.folder / name
        try:
            self._private(self.folder.lstat(), self.folder, stat.S_ISDIR, 0o700)
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                self._private(os.fstat(handle), path, stat.S_ISREG, 0o600)
                content = os.read(handle, LONGEST + 1)
            finally:
                os.close(handle)
        except OSError as error:
            remedy = "Create the file with mode 0600 in a folder with mode 0700; links are not followed."
            raise Misconfigured(f"The credential {path} cannot be read: {error.strerror}.", remedy=remedy) from None
        return self._one_line(content, path)

    def _private(self, status: os.stat_result, path: Path, kind: Callable[[int], bool], mode: int) -> None:
        if not kind(status.st_mode):
            raise Misconfigured(f"{path} is not what it should be.", remedy="Credentials are plain files in a plain folder.")
        if status.st_uid != os.geteuid() or status.st_mode & 0o777 & ~mode:
            remedy = f"chmod {mode:o} {path}; it must belong to the user that runs {self._reader}."
            raise Misconfigured(f"{path} is open to other users.", remedy=remedy)

    @staticmethod
    def _one_line(content: bytes, path: Path) -> str:
        text = content.removesuffix(b"\n").removesuffix(b"\r")
        if not text or len(text) > LONGEST or not re.fullmatch(rb"[\x21-\x7e]+", text):
            raise Misconfigured(f"{path} is not one line of printable ASCII without spaces.", remedy="Write only the credential.")
        return text.decode("ascii")
