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

from middlewatch.context_store import scripts
from middlewatch.context_store.keys import IndexKeys, approval_keys
from middlewatch.context_store.script import Server
from middlewatch.context_store.stored import record_from, text_of
from middlewatch.records import AuditEvent, Handling
from middlewatch.records.errors import Conflict, StoreUnavailable

EVENTS_AT_ONCE = 10_000
HANDLING_NOTE = "handling:"
"""Before the id of an investigation: the note of who has it, in which texts stand that are beside the log as well."""
_TYPED = frozenset({"investigation.assigned", "feedback.given"})
"""The events whose text stands there."""
_TURNS = 16
"""How often somebody else may be first before it is called a conflict."""


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
        """Delete a text and write its event, where there is one; the log keeps its digest.

        From the note of who has the investigation it goes too; what others typed there stays, also where it is the same.

        Returns:
            Whether there was one.

        Raises:
            Conflict: too many people change the note at once.
        """
        keys, typed = approval_keys(tenant), None
        for _ in range(_TURNS):
            (found,) = self.texts(tenant, [digest])
            if found is None:
                return False
            typed = typed or self._typed(tenant, digest)
            name = f"{HANDLING_NOTE}{typed.obj}" if typed else ""
            before = scripts.read_note(self._server, keys, name=name)[1] or ""
            reply = scripts.forget_text(
                self._server,
                keys,
                digest=digest,
                name=name,
                before=before,
                record=_without(before, typed.actor, digest, found.text) if typed and before else before,
                events=[text_of(event)],
                private=[],
            )
            if reply[0] == "OK":
                return bool(reply[1])
        raise Conflict("Too many people change the investigation at once.", remedy="Delete the text again.")

    def _typed(self, tenant: str, digest: str) -> AuditEvent | None:
        """The event of who has an investigation, or of feedback, that has this text; None where it is of anything else."""
        start = 0
        while entries := scripts.read_audit(self._server, approval_keys(tenant), start=start, limit=EVENTS_AT_ONCE)[1]:
            for seq, entry in enumerate(entries, start):
                if f'"{digest}"' in entry:
                    found = _logged(seq, entry).event
                    if found.event in _TYPED and found.data.get("reason") == {"sha256": digest}:
                        return found
            start += len(entries)
        return None


def _without(before: str, author: str, digest: str, text: str) -> str:
    """The note without a text. What an older version wrote has no digest: that is the text if its author typed it there."""
    note = record_from(Handling, before)

    def gone(by: str, own: str, said: str) -> bool:
        return own == digest or (not own and (by, said) == (author, text))

    handovers = tuple(one.model_copy(update={"note": ""}) if gone(one.by, one.digest, one.note) else one for one in note.handovers)
    feedback = tuple(one.model_copy(update={"cause": ""}) if gone(one.by, one.digest, one.cause) else one for one in note.feedback)
    return text_of(note.model_copy(update={"handovers": handovers, "feedback": feedback}))


def _logged(seq: int, entry: str) -> Logged:
    time_ms, _, text = entry.partition(" ")
    if not time_ms.isdecimal():
        raise StoreUnavailable(f"Entry {seq} of the audit log is damaged.", remedy="Restore it from a backup or an export.")
    return Logged(seq, int(time_ms), record_from(AuditEvent, text))
