"""The audit log as the front ends see it: opened by the settings, shown, exported, and verified without either."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import islice
from pathlib import Path

from pydantic import Field, JsonValue

from middlewatch.approval.audit.copies import Copies, Trouble, copy_to
from middlewatch.approval.audit.keys import AuditKey
from middlewatch.approval.audit.lines import timestamp
from middlewatch.approval.audit.log import OTHER_KEY, SEAL_SECONDS, AuditLog
from middlewatch.approval.audit.note import NoteError, VerifierKey
from middlewatch.approval.audit.verify import Verdict, read_checkpoints, verify
from middlewatch.context_store.audit import EVENTS_AT_ONCE, AuditStore, Logged, Private
from middlewatch.context_store.directory import moment
from middlewatch.context_store.epoch import Epoch
from middlewatch.context_store.script import Server
from middlewatch.records import AuditEvent, Record, UtcDatetime
from middlewatch.records.errors import BadInput, MiddlewatchError
from middlewatch.settings import Settings

__all__ = [
    "LOOKED_AT",
    "OTHER_KEY",
    "Entry",
    "Verdict",
    "beginning",
    "entries",
    "history",
    "lost_key",
    "open_audit",
    "page",
    "standing",
    "verify_files",
]

LOG = logging.getLogger(__name__)

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LARGEST_KEY_FILE = 65_536
LOOKED_AT = 50_000
"""Events that are looked at for a page of the log, going back. Chosen; a command looks at all."""
SHOWN = frozenset({"request.viewed"})
"""Kinds of events that change nothing: somebody looked. The log has them, a short list leaves them out."""
NEXT = 10_000
"""Events that are looked at for one investigation, from its opening on. Chosen: a page shows them, and its answer must not wait."""


class Entry(Record):
    """An event of the log, for a reader."""

    seq: int = Field(ge=0)
    ts: str = Field(description="by the store's clock, UTC")
    actor: str
    event: str
    obj: str
    digest: str
    data: dict[str, JsonValue]
    texts: dict[str, str] = Field(description="what the salted digests in `data` stand for, unless it was deleted")


class Page(Record):
    """Some of the log, for a reader that goes back in time."""

    entries: tuple[Entry, ...] = Field(description="newest first")
    older: int | None = Field(description="`before` of the page after this one; none where the log begins")


class Standing(Record):
    """How far the log is signed."""

    events: int = Field(ge=0, description="in the log")
    signed: int = Field(ge=0, description="under the newest checkpoint")
    signed_at: UtcDatetime | None = Field(description="when that was signed; none where nothing is")


def open_audit(settings: Settings, server: Server) -> AuditLog:
    """The log that the settings describe; its key is made where there is none.

    Raises:
        Misconfigured: the key, or a place for copies, cannot be used.
    """
    copies = Copies([copy_to(place) for place in settings.audit_copies])
    return AuditLog(AuditStore(server), AuditKey.open(settings.audit_key_path), copies)


def lost_key(settings: Settings, server: Server) -> bool:
    """Whether the log was signed with a key that is not where it is looked for: whatever signs next would make another one."""
    now = Server(server.redis, Epoch.read(settings.epoch_path))  # a restore by this process may have raised it
    return AuditStore(now).sealed(settings.tenant).size > 0 and not settings.audit_key_path.exists()


class LateLog:
    """The log, opened when there is something to write or to sign: who uses no approvals gets no key, and no note about one."""

    def __init__(self, settings: Settings, server: Server) -> None:
        self._settings = settings
        self._server = server
        self._lock = threading.Lock()
        self._log: AuditLog | None = None

    def open(self) -> AuditLog:
        """The log.

        Raises:
            Misconfigured: as `open_audit`.
        """
        with self._lock:
            if self._log is None:
                self._log = open_audit(self._settings, self._server)
            return self._log

    def append(self, tenant: str, events: Sequence[AuditEvent], private: Sequence[Private] = ()) -> None:
        """See `AuditLog.append`."""
        self.open().append(tenant, events, private)

    def forget(self, tenant: str, digest: str, event: AuditEvent) -> bool:
        """See `AuditLog.forget`."""
        return self.open().forget(tenant, digest, event)

    def seal(self, tenant: str) -> None:
        """See `AuditLog.seal`."""
        self.open().seal(tenant)

    def seal_until(self, stop: threading.Event, tenant: str) -> None:
        """See `AuditLog.seal_until`; the key is opened with the first event."""
        store, told = AuditStore(self._server), ""
        while not stop.wait(SEAL_SECONDS):
            try:
                if store.sealed(tenant).log_size:
                    self.open().seal_until(stop, [tenant])
            except MiddlewatchError as error:
                if told != str(error):
                    LOG.error("the audit log of %s is not sealed: %s", tenant, error)  # noqa: TRY400  the message says it all
                told = str(error)

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """Places that checkpoints cannot be copied to for now."""
        return () if self._log is None else self._log.troubles


def entries(server: Server, tenant: str, *, limit: int, request: str = "", before: int | None = None) -> tuple[Entry, ...]:
    """The newest events, oldest of them first.

    Args:
        server: where the events are.
        tenant: whose.
        limit: at most so many.
        request: only those about this request, or another object by its id; all where it is empty.
        before: only those with a lower number, for a reader that goes back in time.
    """
    store = AuditStore(server)
    found, _ = _back(store, tenant, limit=limit, about={request} - {""}, before=before, at_most=None)
    return tuple(_entry(store, tenant, row) for row in found)


def page(server: Server, tenant: str, *, limit: int, about: Collection[str] = (), before: int | None = None) -> Page:
    """The newest events for somebody who waits: no more than `LOOKED_AT` are looked at; `older` goes on from there.

    Args:
        server: where the events are.
        tenant: whose.
        limit: at most so many.
        about: only those about these objects, by their whole ids; all where it is empty.
        before: only those with a lower number.
    """
    store = AuditStore(server)
    found, older = _back(store, tenant, limit=limit, about=about, before=before, at_most=LOOKED_AT)
    return Page(entries=tuple(_entry(store, tenant, row) for row in reversed(found)), older=older or None)


def _back(  # as its callers have it
    store: AuditStore, tenant: str, *, limit: int, about: Collection[str], before: int | None, at_most: int | None
) -> tuple[list[Logged], int]:
    """The newest events, oldest of them first, and the number of the oldest that was looked at."""
    size = store.sealed(tenant).log_size
    end = size if before is None else min(size, max(0, before))
    last = 0 if at_most is None else max(0, end - at_most)
    found: list[Logged] = []
    while end > last and len(found) < limit:
        start = max(last, end - (EVENTS_AT_ONCE if about else limit))
        found[:0] = [row for row in _between(store, tenant, start, end) if not about or row.event.obj in about]
        end = start
    found, more = found[-limit:], len(found) > limit
    return found, found[0].seq if more else end


def history(server: Server, tenant: str, objects: Collection[str], since: datetime) -> tuple[Entry, ...]:
    """All events about some objects since a time, oldest first, with the halts among them.

    Args:
        server: where the events are.
        tenant: whose.
        objects: ids of investigations and requests.
        since: what is older is not looked for.
    """
    store = AuditStore(server)
    end, oldest_ms = store.sealed(tenant).log_size, since.timestamp() * 1000
    found: list[Logged] = []
    while end > 0:
        start = max(0, end - EVENTS_AT_ONCE)
        rows = list(_between(store, tenant, start, end))
        found[:0] = [row for row in rows if row.time_ms >= oldest_ms and _is_about(row, objects)]
        if not rows or rows[0].time_ms < oldest_ms:
            break
        end = start
    return tuple(_entry(store, tenant, row) for row in found)


def beginning(
    server: Server, tenant: str, objects: Collection[str], start: int, *, limit: int
) -> tuple[tuple[Entry, ...], int, bool]:
    """What was done with some objects, for somebody who waits: of the `NEXT` events after a place in the log.

    Returns:
        The newest of the events, oldest of these first and without those that are `SHOWN`; how many older ones there are, and how
        many were left out; and whether there were no more to look at.
    """
    store = AuditStore(server)
    end = store.sealed(tenant).log_size
    rows = _between(store, tenant, start, min(end, start + NEXT)) if start < end else iter(())
    about = [row for row in rows if _is_about(row, objects)]
    newest = [row for row in about if row.event.event not in SHOWN][-limit:]
    return tuple(_entry(store, tenant, row) for row in newest), len(about) - len(newest), end <= start + NEXT


def standing(server: Server, tenant: str) -> Standing:
    """How far the log is signed."""
    seal = AuditStore(server).sealed(tenant)
    return Standing(events=seal.log_size, signed=seal.size, signed_at=moment(str(seal.at_ms)) if seal.size else None)


def _is_about(row: Logged, objects: Collection[str]) -> bool:
    return row.event.obj in objects or row.event.event in {"halt.set", "halt.lifted"}


def _between(store: AuditStore, tenant: str, start: int, end: int) -> Iterator[Logged]:
    return islice(store.read(tenant, start, at_once=min(EVENTS_AT_ONCE, end - start)), end - start)


def _entry(store: AuditStore, tenant: str, row: Logged) -> Entry:
    digests = sorted({text for text in _texts_in(row.event.data) if _DIGEST.fullmatch(text)})
    private = store.texts(tenant, digests) if digests else ()
    return Entry(
        seq=row.seq,
        ts=timestamp(row.time_ms),
        actor=row.event.actor,
        event=row.event.event,
        obj=row.event.obj,
        digest=row.event.digest,
        data=row.event.data,
        texts={digest: found.text for digest, found in zip(digests, private, strict=True) if found is not None},
    )


def _texts_in(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(item)


def verify_files(file: Path, public_keys: Sequence[Path], checkpoints: Sequence[Path]) -> Verdict:
    """Check an exported log. Nothing but the files is needed.

    Args:
        file: the log.
        public_keys: files of one or more verifier keys, one on a line; all of one name.
        checkpoints: files of one or more signed notes.

    Raises:
        BadInput: a file cannot be read, holds no key, or there is no checkpoint at all.
    """
    keys = [key for path in public_keys for key in _keys_in(path)]
    if len({key.name for key in keys}) != 1:
        raise BadInput("The public keys are of different logs.", remedy="Give the one that was copied when the log was begun.")
    with ExitStack() as stack:
        try:
            log = stack.enter_context(file.open("rb"))
            notes = [
                (str(path), stack.enter_context(path.open(encoding="utf-8", errors="replace", newline="\n")))
                for path in checkpoints
            ]
            trusted = read_checkpoints(notes, keys)
            if not trusted.by_size and not trusted.problems.count:
                raise BadInput(
                    "There is no checkpoint in what was given.",
                    remedy="Give the file that checkpoints were copied to, or FILE.checkpoints.",
                )
            return verify(str(file), log, keys[0].name, trusted)
        except OSError as error:
            raise BadInput(f"{error.filename or file} cannot be read: {error.strerror or error}.") from None


def _keys_in(path: Path) -> list[VerifierKey]:
    try:
        with path.open("rb") as file:
            lines = file.read(_LARGEST_KEY_FILE).decode().split()
        keys = [VerifierKey.parse(line) for line in lines]
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}.") from None
    except (UnicodeDecodeError, NoteError) as error:
        raise BadInput(f"{path} is no public key of an audit log: {error}.") from None
    if not keys:
        raise BadInput(
            f"{path} holds no public key.", remedy="It is the file <tenant>.pub beside the audit log's key, or FILE.pub."
        )
    return keys
