"""The log of every tenant: append, seal, read as lines, export."""

from __future__ import annotations

import io
import logging
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from middlewatch.approval.audit.checkpoint import Checkpoint
from middlewatch.approval.audit.copies import Copies, Trouble
from middlewatch.approval.audit.keys import AuditKey
from middlewatch.approval.audit.note import NoteError, Signer
from middlewatch.approval.audit.tip import Tip
from middlewatch.context_store import durable_file
from middlewatch.context_store.audit import AuditStore, Private, Seal
from middlewatch.records import AuditEvent
from middlewatch.records.errors import AuditBroken, BadInput, MiddlewatchError

LOG = logging.getLogger(__name__)

SEAL_SECONDS = 0.5
"""Between two looks for what is not sealed: half of the second that may lie between an event and its checkpoint."""
OTHER_KEY = (
    "If the log was begun with another key, put that key file back, the same in every process (MIDDLEWATCH_AUDIT_KEY_FILE), or, if "
    "it is lost: middlewatch audit rekey."
)
"""What to do where a log cannot be gone on with by this key."""
AUDIT = "system:audit"
"""Who tells in the log what became of copies."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote."""

    file: Path
    checkpoints_file: Path
    public_key_file: Path
    events: int
    checkpoints: int


class AuditLog:
    """Seals and reads the logs of an installation. Any number of processes, and threads, may do so at once.

    Methods that read or write may raise `StoreUnavailable` and `StaleEpoch`.
    """

    def __init__(self, store: AuditStore, key: AuditKey, copies: Copies | None = None) -> None:
        """Args:
        store: the events in order.
        key: every process of an installation has the same.
        copies: where every checkpoint is copied.
        """
        self._store = store
        self._key = key
        self._copies = copies or Copies(())
        self._seen: dict[str, tuple[str, Tip]] = {}
        """By tenant: where the log was sealed when we last looked, as the store keeps it and as it reads."""
        self._copied: dict[str, int] = {}
        """By tenant: the size of the newest checkpoint that was handed to the copies."""
        self._lock = threading.RLock()

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """Places that checkpoints cannot be copied to from this process for now."""
        return self._copies.troubles

    def append(self, tenant: str, events: Sequence[AuditEvent], private: Sequence[Private] = ()) -> None:
        """Write events that no request is about, and seal them.

        Raises:
            AuditBroken: as `seal`; the events are written then.
        """
        self._store.append(tenant, events, private)
        self.seal(tenant)

    def forget(self, tenant: str, digest: str, event: AuditEvent) -> bool:
        """Delete a text that the log holds the digest of, with its event, and seal that. The log stays as it is, and verifies.

        Returns:
            Whether there was one; nothing is written where there was none.

        Raises:
            AuditBroken: as `seal`; the text is deleted then, and the event written.
        """
        there = self._store.forget(tenant, digest, event)
        if there:
            self.seal(tenant)
        return there

    def seal(self, tenant: str) -> None:
        """Put everything that is in the log under a checkpoint, and copy it. Where that is so already, nothing happens.

        Whoever sees a checkpoint copies it, so that one is not lost with the process that made it; copies bear getting it twice.

        Raises:
            AuditBroken: the log in the store is not the one that was sealed before, or was sealed with another key.
        """
        with self._lock:
            checkpoint, note = self._sealed_to_the_end(tenant)
            new = checkpoint.size > self._copied.get(tenant, 0)
            self._copied[tenant] = checkpoint.size
        if new:
            self._tell(tenant, self._copies.hand(checkpoint, note))

    def seal_due(self, tenant: str) -> None:
        """What a worker calls about twice a second: seal what is new, and try copies again that failed. Raises as `seal`."""
        self.seal(tenant)
        self._tell(tenant, self._copies.again())

    def seal_until(self, stop: threading.Event, tenants: Iterable[str]) -> None:
        """Call `seal_due` for each tenant until told to stop, and once more then. What fails is logged, and tried again."""
        tenants = tuple(tenants)
        told: dict[str, str] = {}
        while True:
            last = stop.wait(SEAL_SECONDS)
            for tenant in tenants:
                try:
                    self.seal_due(tenant)
                except MiddlewatchError as error:
                    if told.get(tenant) != str(error):  # once, and not twice a second
                        LOG.warning("the audit log of %s is not sealed: %s", tenant, error)
                    told[tenant] = str(error)
                else:
                    told.pop(tenant, None)
            if last:
                return

    def lines(self, tenant: str) -> Iterator[bytes]:
        """Every line of the log, from the first on, without newlines."""
        tip = Tip(self._log_name(tenant, self._store.sealed(tenant)))
        for logged in self._store.read(tenant):
            yield tip.line(logged)

    def export(self, tenant: str, file: Path, *, force: bool = False) -> Exported:
        """Write the log, `FILE.checkpoints` and `FILE.pub` (the public key): all that `verify` needs.

        The log is sealed first, and what is written ends where the newest checkpoint does. Each file is whole, or not there.

        Raises:
            BadInput: one of the files exists and `force` is not given, or the log is empty.
        """
        beside = [file.with_name(file.name + end) for end in (".checkpoints", ".pub")]
        found = next((path for path in (file, *beside) if path.exists()), None)
        if found is not None and not force:
            raise BadInput(f"{found} exists already.", remedy="Choose another file, or replace it with --force.")
        if not file.absolute().parent.is_dir():
            raise BadInput(f"There is no folder {file.absolute().parent}.", remedy="Make it, or choose another file.")
        try:
            self.seal(tenant)
        except AuditBroken as error:
            LOG.warning("the log is exported as it is, for verification: %s", error.message)
        seal = self._store.sealed(tenant)
        size, verifier = seal.size, self._signer(tenant, seal).verifier
        if not size:
            raise BadInput(f"The audit log of {tenant} is empty.", remedy="There is nothing to export yet.")
        notes = [note for note in self._store.checkpoints(tenant) if _size(note) <= size]
        _write(file, (line + b"\n" for line in islice(self.lines(tenant), size)))
        _write(beside[0], (note.encode() for note in notes))
        _write(beside[1], [self._key.published(tenant, verifier).encode()])
        return Exported(file, beside[0], beside[1], size, len(notes))

    def rekey(self, tenant: str) -> None:
        """Go on with a log whose key is lost or was stolen, with the key that is there now. The log says so, and keeps its name.

        Everything so far is read, and must be what the newest checkpoint says. What the old key signed is still checked with the
        old public key: `verify` takes both.

        Raises:
            BadInput: this key signs the log already, or there is none.
            AuditBroken: the log is not what was signed.
        """
        with self._lock:
            seal = self._store.sealed(tenant)
            signer = self._signer(tenant, seal)
            try:
                before = Checkpoint.parse(seal.checkpoint.partition("\n\n")[0] + "\n")
            except NoteError:
                raise BadInput(f"The audit log of {tenant} has no checkpoint.", remedy="It needs no other key.") from None
            if _signed_by(seal.tree, signer):
                raise BadInput(f"This key signs the audit log of {tenant} already.", remedy="There is nothing to do.")
            tip = Tip(signer.verifier.name)
            for logged in islice(self._store.read(tenant), seal.size):
                tip.line(logged)
            if tip.checkpoint() != before:
                raise _broken(tenant)
            key = signer.verifier.id.hex()
            self._store.append(tenant, [AuditEvent(tenant=tenant, actor=AUDIT, event="audit.key_replaced", data={"key": key})])
            for logged in self._store.read(tenant, seal.size):
                tip.line(logged)
            kept = tip.signed(signer)
            self._store.seal(tenant, size=tip.size, checkpoint=tip.checkpoint().signed(signer), tree=kept)
            self._key.publish(tenant, signer.verifier, replaced=True)
            self._seen.pop(tenant, None)
        self.seal(tenant)

    def _log_name(self, tenant: str, seal: Seal) -> str:
        """What the log is called: as when it was begun, also where the key is another one now."""
        return seal.tree.partition("\n")[0] or self._key.log_name(tenant)

    def _signer(self, tenant: str, seal: Seal) -> Signer:
        try:
            return self._key.signer(self._log_name(tenant, seal))
        except NoteError:
            raise _broken(tenant) from None

    def _sealed_to_the_end(self, tenant: str) -> tuple[Checkpoint, str]:
        """The newest checkpoint and its note, once all that is in the log is under it."""
        while True:
            seal = self._store.sealed(tenant)
            signer = self._signer(tenant, seal)
            tip = self._trusted(tenant, seal, signer)
            if seal.log_size == seal.size:
                return tip.checkpoint(), seal.checkpoint
            for logged in self._store.read(tenant, tip.size):
                tip.line(logged)
            checkpoint, kept = tip.checkpoint(), tip.signed(signer)
            note = checkpoint.signed(signer)
            if self._store.seal(tenant, size=checkpoint.size, checkpoint=note, tree=kept):
                self._seen[tenant] = kept, tip
                return checkpoint, note
            # another process was first, or our answer was lost: look again

    def _trusted(self, tenant: str, seal: Seal, signer: Signer) -> Tip:
        """Where the log was sealed last, if what the store says of it is our own word: a copy to go on from.

        Who can write to the store must not get our signature under a log that we did not see grow.
        """
        known = self._seen.get(tenant)
        if known is not None and seal.tree == known[0]:
            tip = known[1]
        else:
            tip = self._opened(tenant, seal, signer)
            if known is not None and tip.size <= known[1].size:
                raise _broken(tenant)
            self._key.publish(tenant, signer.verifier)
        if tip.log != signer.verifier.name or tip.size != seal.size or seal.log_size < tip.size:
            raise _broken(tenant)
        self._seen[tenant] = seal.tree, tip
        return tip.copy()

    @staticmethod
    def _opened(tenant: str, seal: Seal, signer: Signer) -> Tip:
        if not seal.tree:
            return Tip(signer.verifier.name)
        try:
            return Tip.opened(seal.tree, signer)
        except NoteError as error:
            raise AuditBroken(
                f"The end of the audit log of {tenant} cannot be trusted: {error}.",
                remedy=f"{OTHER_KEY} Otherwise somebody changed the store: export the log and verify it.",
            ) from None

    def _tell(self, tenant: str, changes: Iterable[Trouble]) -> None:
        """The log itself says when copies stopped, and when they went on."""
        events = [
            AuditEvent(
                tenant=tenant,
                actor=AUDIT,
                event="audit.copy_failed" if trouble.problem else "audit.copy_resumed",
                obj=trouble.place,
                data={"problem": trouble.problem, "waiting": trouble.waiting},
            )
            for trouble in changes
        ]
        if events:
            self._store.append(tenant, events)


def _signed_by(kept: str, signer: Signer) -> bool:
    try:
        Tip.opened(kept, signer)
    except NoteError:
        return False
    return True


def _broken(tenant: str) -> AuditBroken:
    return AuditBroken(
        f"The audit log of {tenant} in the store is not the one that was sealed: it is shorter, or goes on elsewhere.",
        remedy="Export it and verify it with the checkpoints that were copied. After a restore, restart every process.",
    )


def _size(note: str) -> int:
    """Of a checkpoint in the store, whoever signed it; one that cannot be read is exported, for `verify` to find."""
    try:
        return Checkpoint.parse(note.partition("\n\n")[0] + "\n").size
    except NoteError:
        return 0


def _write(file: Path, pieces: Iterable[bytes]) -> None:
    """Write beside the target, sync, rename: the file is whole, or not there."""
    handle, name = tempfile.mkstemp(dir=file.absolute().parent, prefix=f".{file.name}.")
    unfinished = Path(name)
    try:
        with io.FileIO(handle, "w") as raw, io.BufferedWriter(raw, 1 << 20) as target:
            for piece in pieces:
                target.write(piece)
            target.flush()
            os.fsync(handle)
        unfinished.replace(file)
    except BaseException:  # an interrupt too: half a file is no export
        unfinished.unlink(missing_ok=True)
        raise
    durable_file.sync_folder(file.absolute().parent)
