"""The data directory of the embedded deployment: one process owns it, others attach to that process."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
from pathlib import Path
from typing import Self

from middlewatch.records import digest_of
from middlewatch.records.errors import DataDirectoryLocked, Misconfigured, Unavailable

LONGEST_SOCKET_FOLDER = 80
"""Bytes. A socket's whole path may have 104 on macOS and 108 on Linux, and the names below it need the rest."""


class DataDirectory:
    """A folder that only its user can read, and the lock that says who owns it.

    The lock is an flock on a file inside it, so the kernel releases it when the owner dies, however it dies.
    """

    def __init__(self, root: Path) -> None:
        """Create the folder where it is absent.

        Raises:
            Misconfigured: it cannot be created or written.
            Unavailable: the disk is full.
        """
        self.root = root.expanduser().absolute()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o700)
            self._lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise Unavailable(
                    f"The disk of {self.root} is full.", remedy="Free some space and run the command again."
                ) from None
            raise Misconfigured(
                f"The data directory {self.root} cannot be used: {error.strerror}.",
                remedy="Set MIDDLEWATCH_DATA_DIR to a folder you can write.",
            ) from None
        self.owned = False

    @property
    def clickhouse(self) -> Path:
        return self.root / "clickhouse"

    @property
    def clickhouse_socket(self) -> Path:
        return self.sockets / "clickhouse.sock"

    @property
    def redis(self) -> Path:
        return self.root / "redis"

    @property
    def archive(self) -> Path:
        return self.root / "archive"

    @property
    def sockets(self) -> Path:
        """Where the owner's sockets are: in the directory, or in a short private folder where its path is too long for them.

        Raises:
            Misconfigured: somebody else holds that folder.
        """
        if len(bytes(self.root)) <= LONGEST_SOCKET_FOLDER:
            return self.root
        folder = Path(tempfile.gettempdir()) / f"middlewatch-{os.getuid()}-{digest_of(str(self.root))[:12]}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise Misconfigured(f"{folder} belongs to somebody else.", remedy="Set MIDDLEWATCH_DATA_DIR to a shorter path.")
        return folder

    def own(self) -> bool:
        """Try to become the owner; False where another process is."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise Misconfigured(
                f"The data directory {self.root} cannot be locked: {error.strerror}.",
                remedy="It must be on a local file system that supports flock.",
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        self.owned = True
        return True

    def locked_error(self) -> DataDirectoryLocked:
        """The error for a directory whose owner cannot be attached to."""
        owner = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
        return DataDirectoryLocked(
            f"The data directory {self.root} is locked by process {owner}, which does not answer.",
            remedy="Wait a moment and try again; stop that process, or choose another MIDDLEWATCH_DATA_DIR.",
        )

    def close(self) -> None:
        """Give up the ownership."""
        os.close(self._lock)
        self.owned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
