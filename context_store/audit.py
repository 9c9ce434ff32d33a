"""The audit log in Redis: events in order, with the store's time, and the signed checkpoints over them.

Most events are written by the step that makes them happen, see `approvals`; here are those that no request is about. What makes
the events a chain, a tree and a signed note is `middlewatch.approval.audit`: all of that follows from the events alone, so
whoever comes next can go on with it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from middlewatch.context_store import scripts
from middlewatch.context_store.keys import IndexKeys, approval_keys
from middlewatch.context_store.script import Server
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.records import AuditEvent
from middlewatch.records.errors import StoreUnavailable

EVENTS_AT_ONCE = 10_000
HANDLING_NOTE = "handling:"
"""Before the id of an investigation: the note of who has it, in which texts stand that are beside the log as well."""
_TYPED = ("note", "cause")
"""The fields of these, as `Handling` has them."""
_JSON_TEXT = TypeAdapter(str)
"""Writes a text as it stands in a stored record."""


@dataclass(frozen=True, slots=True)
class Private:
    """Text that somebody typed. The log has its digest with a salt, so the text can be deleted and nobody can guess it back."""

    salt: str
    text: str

    @classmethod
    def of(cls, text: str) -> Private:
        return cls(secrets.token_hex(16), text)

    @property
    def digest(self) -> str:
        """SHA-256 of the salt and the text, in hexadecimal."""
        return hashlib.sha256(f"{self.salt}:{self.text}".encode()).hexdigest()

    @property
    def pair(self) -> tuple[str, str]:
        """As it is stored."""
        return self.digest, json.dumps({"salt": self.salt, "text": self.text})


@dataclass(frozen=True, slots=True)
class Logged:
    """An event in its place in the log."""

    seq: int
    """0 is the first."""
    time_ms: int
    """By the store's clock, milliseconds since 1970."""
    event: AuditEvent


@dataclass(frozen=True, slots=True)
class Seal:
    """How far the log is sealed."""

    size: int
    """Events under the newest checkpoint."""
    at_ms: int
    tree: str
    """What is needed to go on from there, as whoever sealed it wrote it; empty at the beginning."""
    checkpoint: str
    """The newest signed note; empty at the beginning."""
    log_size: int
    """Events in the log."""
    now_ms: int


class AuditStore:
    """The audit log of every tenant. Every method may raise `StoreUnavailable` and `StaleEpoch`."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def append(self, tenant: str, events: Sequence[AuditEvent], private: Sequence[Private] = ()) -> int:
        """Write events; durable when this returns, as everything in the store. A lost answer may write one twice.

        Returns:
            How many events the log has now.
        """
        scripts.enrol(self._server, IndexKeys(), tenant=tenant)
        reply = scripts.append_audit(
            self._server,
            approval_keys(tenant),
            events=[text_of(event) for event in events],
            private=[item.pair for item in private],
        )
        return int(reply[1])

    def read(self, tenant: str, start: int = 0, *, at_once: int = EVENTS_AT_ONCE) -> Iterator[Logged]:
        """Events from a place in the log on, in order, to its end as it is when this gets there."""
        while True:
            entries = scripts.read_audit(self._server, approval_keys(tenant), start=start, limit=at_once)[1]
            for seq, entry in enumerate(entries, start):
                yield _logged(seq, entry)
            if len(entries) < at_once:
                return
            start += len(entries)

    def sealed(self, tenant: str) -> Seal:
        """How far the log is sealed."""
        _, size, at_ms, tree, checkpoint, log_size, now_ms = scripts.read_seal(self._server, approval_keys(tenant))
        return Seal(size, at_ms, tree or "", checkpoint or "", log_size, now_ms)

    def seal(self, tenant: str, *, size: int, checkpoint: str, tree: str) -> bool:
        """Keep a checkpoint.

        Returns:
            False where the log is sealed that far already, or is shorter.
        """
        reply = scripts.seal(self._server, approval_keys(tenant), size=size, note=checkpoint, tree=tree)
        return bool(reply[0] == "OK")

    def checkpoints(self, tenant: str) -> tuple[str, ...]:
        """All signed notes, oldest first."""
        return tuple(scripts.read_checkpoints(self._server, approval_keys(tenant))[1])

    def texts(self, tenant: str, digests: Sequence[str]) -> tuple[Private | None, ...]:
        """What the digests are of; None for what was deleted."""
        found = scripts.read_texts(self._server, approval_keys(tenant), digests=list(digests))[1]
        return tuple(None if text is None else Private(**json.loads(text)) for text in found)

    def forget(self, tenant: str, digest: str, event: AuditEvent) -> bool:
        """Delete a text and write its event, where there is one; the log keeps its digest. From notes of who has what it goes too.

        Returns:
            Whether there was one.
        """
        (found,) = self.texts(tenant, [digest])
        if found is None:
            return False
        reply = scripts.forget_text(
            self._server,
            approval_keys(tenant),
            digest=digest,
            text=_JSON_TEXT.dump_json(found.text).decode(),
            among=HANDLING_NOTE,
            fields=[f'"{name}":' for name in _TYPED],
            events=[text_of(event)],
            private=[],
        )
        return bool(reply[1])


def _logged(seq: int, entry: str) -> Logged:
    time_ms, _, text = entry.partition(" ")
    if not time_ms.isdecimal():
        raise StoreUnavailable(f"Entry {seq} of the audit log is damaged.", remedy="Restore it from a backup or an export.")
    return Logged(seq, int(time_ms), record_from(AuditEvent, text))
