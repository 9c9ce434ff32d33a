"""Logs in memory, their exports, and everything that can be done to an export."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from middlewatch.approval.audit.checkpoint import Checkpoint
from middlewatch.approval.audit.lines import FIRST_PREV, digest_of_line
from middlewatch.approval.audit.merkle import Frontier, leaf_hash
from middlewatch.approval.audit.note import Signer
from middlewatch.approval.audit.tip import Tip
from middlewatch.approval.audit.verify import Trusted, Verdict, parsed, read_checkpoints, verify
from middlewatch.context_store.audit import Logged
from middlewatch.records import AuditEvent

LOG = "middlewatch/0123456789abcdef/acme"
BEGIN_MS = 1_795_226_160_123
"""2026-11-21T01:56:00.123Z."""
EVENTS = ("request.proposed", "request.viewed", "request.approved", "execution.began", "execution.succeeded")


def make_signer(seed: int = 1, name: str = LOG) -> Signer:
    """The same key for the same seed."""
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def make_logged(seq: int, **fields: object) -> Logged:
    """An event of a log: every field of it differs from its neighbours'."""
    event = {
        "tenant": "acme",
        "actor": f"person-{seq % 3}",
        "event": EVENTS[seq % len(EVENTS)],
        "obj": f"req-{seq // len(EVENTS)}",
        "digest": f"{seq:064x}",
        "data": {"reason": f"{seq * 7:064x}", "attempt": seq, "face": "web"},
    }
    return Logged(seq, BEGIN_MS + 1000 * seq, AuditEvent.model_validate(event | fields))


@dataclass(frozen=True)
class Export:
    """What `audit export` writes, in memory."""

    lines: tuple[bytes, ...]
    checkpoints: tuple[Checkpoint, ...]
    signer: Signer

    @property
    def content(self) -> bytes:
        return b"".join(line + b"\n" for line in self.lines)

    @property
    def notes(self) -> str:
        return "".join(checkpoint.signed(self.signer) for checkpoint in self.checkpoints)

    @property
    def trusted(self) -> Trusted:
        """Its checkpoints, as if their signatures had been looked at."""
        return Trusted({checkpoint.size: checkpoint.root for checkpoint in self.checkpoints}, read_checkpoints([], []).problems)


def make_export(events: int, *, every: int = 1, signer: Signer | None = None) -> Export:
    """A log of so many events with a checkpoint after every so many of them, and after the last."""
    tip, lines, checkpoints = Tip(LOG), list[bytes](), list[Checkpoint]()
    for seq in range(events):
        lines.append(tip.line(make_logged(seq)))
        if tip.size % every == 0 or tip.size == events:
            checkpoints.append(tip.checkpoint())
    return Export(tuple(lines), tuple(checkpoints), signer or make_signer())


def check(content: bytes, trusted: Trusted, log: str = LOG) -> Verdict:
    """Verify what is in memory."""
    return verify("log.jsonl", io.BytesIO(content), log, trusted)


def chained(lines: Sequence[bytes]) -> tuple[bytes, ...]:
    """The lines with `seq` and `prev` written anew: what somebody does who changed them and knows the format."""
    prev, written = FIRST_PREV, list[bytes]()
    for seq, line in enumerate(lines):
        written.append(rfc8785.dumps(parsed(line) | {"seq": seq, "prev": prev}))
        prev = digest_of_line(written[-1])
    return tuple(written)


def joined(lines: Sequence[bytes]) -> bytes:
    """As a file."""
    return b"".join(line + b"\n" for line in lines)


def root_of(lines: Sequence[bytes]) -> bytes:
    """The root over all of them."""
    tree = Frontier()
    for line in lines:
        tree.add(leaf_hash(line))
    return tree.root()
