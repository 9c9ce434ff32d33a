"""Copies of checkpoints, in places that our credentials cannot rewrite. A copy that fails is kept, and tried again."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx

from middlewatch.approval.audit.checkpoint import Checkpoint
from middlewatch.approval.audit.note import SIGNATURE_MARK
from middlewatch.context_store import durable_file
from middlewatch.records.errors import Misconfigured

LOG = logging.getLogger(__name__)

HTTP_SECONDS = 5.0
"""How long one copy over HTTP may take: whoever made the event waits for it. Chosen, not derived."""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
"""A place that fails is left alone for so long, doubled each time: what happens meanwhile does not wait for it."""
MOST_KEPT = 10_000
"""Checkpoints that wait for one place. The oldest go first, with a line in the program's log: newer ones cover what they do."""


TAIL_BYTES = 4096
"""Of a file of checkpoints that are looked at before one is added: a dozen of them."""


class CopyFailed(Exception):
    """A place did not take a checkpoint."""


class CheckpointCopy(Protocol):
    """A place that takes checkpoints. It may get the same one again."""

    @property
    def place(self) -> str:
        """How it is called in messages; without credentials."""
        ...

    def put(self, checkpoint: Checkpoint, note: str) -> None:
        """Keep the note; durable when this returns.

        Raises:
            CopyFailed: it may not be there.
        """
        ...


class FolderCopy:
    """One file a log in a folder, often of another machine; notes are added to its end, and synced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = str(folder)

    def put(self, checkpoint: Checkpoint, note: str) -> None:
        """See `CheckpointCopy.put`. The folder is not made: where a mount is missing, its empty place must not take the copies."""
        file = self._folder / f"{checkpoint.origin.replace('/', '-')}.checkpoints"
        try:
            new = not file.exists()
            handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                _append(handle, note.encode())
            finally:
                os.close(handle)
            if new:
                durable_file.sync_folder(self._folder)
        except OSError as error:
            raise CopyFailed(error.strerror or str(error)) from None


def _append(handle: int, content: bytes) -> None:
    before = os.fstat(handle).st_size
    end = os.pread(handle, TAIL_BYTES, max(0, before - TAIL_BYTES))
    if content in end:
        return  # another process was first
    if before and not (end.endswith(b"\n") and end.splitlines()[-1].startswith(SIGNATURE_MARK.encode())):
        content = b"\n\n" + content  # a power cut left a part of a note; it must not spoil this one
    if os.write(handle, content) != len(content):
        os.ftruncate(handle, before)
        raise OSError(errno.ENOSPC, "the disk took only a part")
    os.fsync(handle)


class HttpCopy:
    """An HTTP server. A URL that ends in `/` gets a PUT of `<log>/<size>` below it, any other one a POST."""

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        """A user and password may stand in the URL."""
        parts = httpx.URL(url)
        if not parts.host:
            raise ValueError("a URL without a host")
        self.place = str(parts.copy_with(username=None, password=None, query=None))
        self._url = url
        logging.getLogger(httpx.__name__).addFilter(_without_addresses)
        self._client = httpx.Client(timeout=HTTP_SECONDS, transport=transport)

    def put(self, checkpoint: Checkpoint, note: str) -> None:
        """See `CheckpointCopy.put`."""
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        below = self._url.endswith("/")
        url = f"{self._url}{checkpoint.origin}/{checkpoint.size:020d}" if below else self._url
        try:
            answer = self._client.request("PUT" if below else "POST", url, content=note.encode(), headers=headers)
            if below and answer.status_code in {httpx.codes.CONFLICT, httpx.codes.PRECONDITION_FAILED}:
                answer = self._there_already(url, note)
        except httpx.HTTPError as error:
            raise CopyFailed(type(error).__name__) from None
        if not answer.is_success:
            raise CopyFailed(f"the answer was {answer.status_code}")

    def _there_already(self, url: str, note: str) -> httpx.Response:
        """What a store that replaces nothing has there."""
        answer = self._client.get(url)
        if answer.is_success and answer.content != note.encode():
            raise CopyFailed("another checkpoint of this size is there already")
        return answer


def _without_addresses(record: logging.LogRecord) -> bool:
    """Passes what httpx warns of. Below that it logs whole addresses, with the password and the query."""
    return record.levelno >= logging.WARNING


def copy_to(place: str) -> CheckpointCopy:
    """The place of a setting: an http(s) URL, or the path of a folder.

    Raises:
        Misconfigured: it is neither.
    """
    if place.startswith(("https://", "http://")):
        try:
            return HttpCopy(place)
        except (httpx.InvalidURL, ValueError):
            raise Misconfigured("MIDDLEWATCH_AUDIT_COPIES has a URL that cannot be used.") from None
    folder = Path(place).expanduser()
    if "://" in place or not folder.is_absolute():
        raise Misconfigured(
            f"MIDDLEWATCH_AUDIT_COPIES: {place!r} is neither an http(s) URL nor the full path of a folder.",
            remedy="Name folders by their whole path; they must exist.",
        )
    return FolderCopy(folder)


@dataclass(slots=True)
class _Waiting:
    """One place, and what it has not taken yet."""

    copy: CheckpointCopy
    notes: deque[tuple[Checkpoint, str]] = field(default_factory=deque)
    failures: int = 0
    not_before: float = 0.0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A place that does not take what it is given, or takes it again."""

    place: str
    problem: str
    """Empty where it takes everything again."""
    waiting: int
    """Checkpoints that are not there yet."""


class Copies:
    """Hands every checkpoint to every place, in order; several threads may. One that is gone holds up none of the others."""

    def __init__(self, places: Sequence[CheckpointCopy], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._waiting = [_Waiting(place) for place in places]
        self._clock = clock
        self._busy = threading.Lock()

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """The places that failed last time."""
        return tuple(Trouble(w.copy.place, w.problem, len(w.notes)) for w in self._waiting if w.problem)

    def hand(self, checkpoint: Checkpoint, note: str) -> tuple[Trouble, ...]:
        """Give a checkpoint to every place, after those that wait for it.

        Returns:
            Which places began to fail with it, or take everything again.
        """
        for waiting in self._waiting:
            waiting.notes.append((checkpoint, note))
            if len(waiting.notes) > MOST_KEPT:
                waiting.notes.popleft()
                LOG.warning("the oldest checkpoint that waits for %s is given up: a newer one covers it", waiting.copy.place)
        return self.again()

    def again(self) -> tuple[Trouble, ...]:
        """Try what waits, where the pause after a failure is over. Returns as `hand` does."""
        if not self._busy.acquire(blocking=False):
            return ()  # another thread is at it; it takes ours along, or the next look does
        try:
            return tuple(change for waiting in self._waiting if (change := self._flush(waiting)))
        finally:
            self._busy.release()

    def _flush(self, waiting: _Waiting) -> Trouble | None:
        if self._clock() < waiting.not_before:
            return None
        before = waiting.problem
        while waiting.notes:
            checkpoint, note = waiting.notes[0]
            try:
                waiting.copy.put(checkpoint, note)
            except CopyFailed as error:
                pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**waiting.failures)
                waiting.failures = min(waiting.failures + 1, 16)
                waiting.not_before = self._clock() + pause
                waiting.problem = str(error)
                if before:
                    return None
                LOG.warning("checkpoints of the audit log are not copied to %s: %s; they wait", waiting.copy.place, waiting.problem)
                return Trouble(waiting.copy.place, waiting.problem, len(waiting.notes))
            waiting.notes.popleft()
        waiting.problem, waiting.failures = "", 0
        if not before:
            return None
        LOG.warning("checkpoints of the audit log are copied to %s again", waiting.copy.place)
        return Trouble(waiting.copy.place, "", 0)
