"""Checkpoints (https://c2sp.org/tlog-checkpoint): a signed note of how many lines a log has and of the root over them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from middlewatch.approval.audit.merkle import HASH_BYTES
from middlewatch.approval.audit.note import SIGNATURE_MARK, NoteError, Signer, VerifierKey, opened

MOST_LINES = 128
"""Of one note in a file of them; ours have five."""
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_LEAST_LINES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed."""

    origin: str
    """The name of the log."""
    size: int
    """Lines that it covers, from the first on."""
    root: bytes
    """Of the RFC 9162 tree over them, 32 bytes."""

    @property
    def text(self) -> str:
        """As it is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def signed(self, signer: Signer) -> str:
        """As a signed note."""
        return signer.sign(self.text)

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a note. Lines after the third are extensions, and pass.

        Raises:
            NoteError: it is no checkpoint.
        """
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < _LEAST_LINES or not all(lines) or not _SIZE.fullmatch(lines[1]):
            raise NoteError("it is no checkpoint")
        try:
            root = base64.b64decode(lines[2], validate=True)
        except (binascii.Error, ValueError):
            root = b""
        if len(root) != HASH_BYTES or base64.b64encode(root).decode() != lines[2]:
            raise NoteError("its root is no SHA-256 hash")
        return cls(lines[0], int(lines[1]), root)

    @classmethod
    def opened(cls, note: str, keys: Collection[VerifierKey]) -> Checkpoint:
        """The checkpoint in a note that one of the keys signed.

        Raises:
            NoteError: it is none, or the signature is missing or false.
        """
        return cls.parse(opened(note, keys))


def notes_in(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Cut a file of signed notes, one after the other, into them.

    Args:
        lines: of the file, each with its newline. Blank lines between notes pass.

    Yields:
        The number of each note's first line, from 1 on, and the note. What is not whole is yielded as it is, and opens nowhere.
    """
    begin, note, signed = 0, list[str](), False
    for number, line in enumerate(lines, 1):
        signature = line.startswith(SIGNATURE_MARK)
        ended = (signed or note[-1:] == ["\n"]) and not signature  # the text of a checkpoint has no blank lines
        if note and (ended or len(note) >= MOST_LINES):
            yield begin, "".join(note)
            note, signed = [], False
        if not note and line == "\n":
            continue
        if not note:
            begin = number
        note.append(line)
        signed = signed or (signature and len(note) > 1 and note[-2] == "\n")
    if note:
        yield begin, "".join(note)
