"""The end of the log: all that is needed to write the next line and the next checkpoint."""

from __future__ import annotations

import json

from middlewatch.approval.audit.checkpoint import Checkpoint
from middlewatch.approval.audit.lines import FIRST_PREV, digest_of_line, line_of
from middlewatch.approval.audit.merkle import Frontier, leaf_hash
from middlewatch.approval.audit.note import NoteError, Signer, opened
from middlewatch.context_store.audit import Logged

_KIND = "middlewatch.audit.tip/v1"
"""The second line of a kept tip. A checkpoint has a number there, so neither passes for the other."""
_PARTS = 3


class Tip:
    """Where a log has got to."""

    def __init__(self, log: str, frontier: Frontier | None = None, prev: str = FIRST_PREV) -> None:
        """The beginning of a log of this name, or another place in it."""
        self.log = log
        self.frontier = frontier or Frontier()
        self.prev = prev

    @property
    def size(self) -> int:
        """Lines so far."""
        return self.frontier.size

    def copy(self) -> Tip:
        """Another one at the same place."""
        return Tip(self.log, Frontier(self.size, self.frontier.roots), self.prev)

    def line(self, logged: Logged) -> bytes:
        """Go on by an event; returns its line, without a newline."""
        line = line_of(logged, log=self.log, prev=self.prev)
        self.frontier.add(leaf_hash(line))
        self.prev = digest_of_line(line)
        return line

    def checkpoint(self) -> Checkpoint:
        """What there is to sign now."""
        return Checkpoint(self.log, self.size, self.frontier.root())

    def signed(self, signer: Signer) -> str:
        """As it is kept in the store: signed, so that nobody who can write there makes us go on from a log that was not ours."""
        roots = [root.hex() for root in self.frontier.roots]
        kept = json.dumps({"size": self.size, "prev": self.prev, "roots": roots}, separators=(",", ":"))
        return signer.sign(f"{self.log}\n{_KIND}\n{kept}\n")

    @classmethod
    def opened(cls, kept: str, signer: Signer) -> Tip:
        """Read what `signed` wrote.

        Raises:
            NoteError: this key did not sign it.
        """
        parts = opened(kept, [signer.verifier]).split("\n")
        if len(parts) != _PARTS + 1 or parts[1] != _KIND:
            raise NoteError("it is not the end of a log")
        content = json.loads(parts[2])
        return cls(parts[0], Frontier(content["size"], [bytes.fromhex(root) for root in content["roots"]]), content["prev"])
