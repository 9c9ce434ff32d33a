"""The data directory of the embedded deployment: one process owns it, others attach to that process."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import time
from pathlib import Path
from typing import Self

from middlewatch.records.errors import DataDirectoryLocked, Misconfigured, Unavailable

LOG = logging.getLogger(__name__)

USERS_SECONDS = 120.0
"""How long an owner that is done waits for those who work through it: an investigation takes a fraction of it."""
LOOK_SECONDS = 0.2


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
        self.root = root
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o700)
            self._lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._users = os.open(self.root / "users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
    def redis(self) -> Path:
        return self.root / "redis"

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

    def deserted(self) -> bool:
        """Whether nobody owns it."""
        if self.owned:
            return False
        try:
            fcntl.flock(self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        return True

    def use(self) -> None:
        """Be counted among those who work through the owner, until this is closed."""
        fcntl.flock(self._users, fcntl.LOCK_SH)

    def await_users(self) -> None:
        """As the owner: wait until nobody works through this process any more, or for so long that it must be a mistake."""
        deadline = time.monotonic() + USERS_SECONDS
        told = False
        while time.monotonic() < deadline:
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not told:
                    LOG.warning("other processes work through this one; waiting for them (Ctrl-C ends them)")
                    told = True
                time.sleep(LOOK_SECONDS)
            else:
                return

    def locked_error(self) -> DataDirectoryLocked:
        """The error for a directory whose owner cannot be attached to."""
        owner = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
        return DataDirectoryLocked(
            f"The data directory {self.root} is locked by process {owner}, which does not answer.",
            remedy="Wait a moment and try again; stop that process, or choose another MIDDLEWATCH_DATA_DIR.",
        )

    def close(self) -> None:
        """Give up the ownership."""
        os.close(self._users)
        os.close(self._lock)
        self.owned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
