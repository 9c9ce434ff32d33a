"""Signed notes (https://c2sp.org/signed-note) with Ed25519: text that carries its signatures, and keys that carry their names."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
"""The signature type of the specification."""
ID_BYTES = 4
KEY_BYTES = 32
SIGNATURE_MARK = "\u2014 "
"""An em dash and a blank: how a signature line begins."""
MOST_SIGNATURES = 64
"""Of one note that are looked at; the specification asks for at least 16."""

_NAME = re.compile(r"[^\s+]+")
_VERIFIER = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_SIGNATURE = re.compile(SIGNATURE_MARK + r"([^\s+]+) ([A-Za-z0-9+/=]+)")


class NoteError(ValueError):
    """It is no signed note, no key, or no key that is known signed it."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """What checks signatures. As text it is `name+hash+base64`, as Go's `golang.org/x/mod/sumdb/note` has it."""

    name: str
    public: bytes
    """32 bytes (RFC 8032)."""

    @property
    def id(self) -> bytes:
        """The first four bytes of SHA-256(name, newline, type, key): tells keys apart, and proves nothing."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read it from its text.

        Raises:
            NoteError: it is none, or not one for Ed25519, or its hash is not that of its name and key.
        """
        found = _VERIFIER.fullmatch(text)
        content = _decoded(found[3]) if found else b""
        if found is None or len(content) != 1 + KEY_BYTES or content[:1] != ED25519:
            raise NoteError("it is no Ed25519 verifier key of the form name+hash+base64")
        key = cls(found[1], content[1:])
        if key.id.hex() != found[2]:
            raise NoteError("its hash does not belong to its name and key")
        try:
            Ed25519PublicKey.from_public_bytes(key.public)
        except ValueError:
            raise NoteError("it holds no Ed25519 key") from None
        return key

    def verifies(self, signature: bytes, text: str) -> bool:
        """Whether this key signed the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """Signs notes under a name."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        """Raises NoteError where the name is empty or has a blank or a plus."""
        if not _NAME.fullmatch(name):
            raise NoteError(f"{name!r} cannot name a key")
        self._private = private
        self.verifier = VerifierKey(name, private.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """The text as a signed note.

        Raises:
            NoteError: the text does not end in a newline, or has control characters.
        """
        if not text.endswith("\n") or any(character < " " and character != "\n" for character in text):
            raise NoteError("the text of a note ends in a newline and has no other control characters")
        signature = base64.b64encode(self.verifier.id + self._private.sign(text.encode())).decode()
        return f"{text}\n{SIGNATURE_MARK}{self.verifier.name} {signature}\n"


def opened(note: str, keys: Collection[VerifierKey]) -> str:
    """The text of a note that at least one of the keys signed. Signatures by other keys, as of witnesses, are passed over.

    Raises:
        NoteError: it is no signed note, none of the keys signed it, or one of them is said to have and did not.
    """
    text, gap, signatures = note.rpartition("\n\n")
    text += "\n"
    lines = signatures.splitlines()
    if not gap or not signatures.endswith("\n") or len(lines) > MOST_SIGNATURES or "\n".join(lines) + "\n" != signatures:
        raise NoteError("it is no signed note")
    known = _by_known_keys(lines, keys)
    if not known:
        raise NoteError("it is not signed by the given key")
    if not all(key.verifies(signature, text) for key, signature in known):
        raise NoteError("its signature is false")
    return text


def _by_known_keys(lines: Sequence[str], keys: Collection[VerifierKey]) -> list[tuple[VerifierKey, bytes]]:
    by_name_and_id = {(key.name, key.id): key for key in keys}
    found = []
    for line in lines:
        parts = _SIGNATURE.fullmatch(line)
        if parts is None:
            raise NoteError("a signature in it cannot be read")
        content = _decoded(parts[2])
        if key := by_name_and_id.get((parts[1], content[:ID_BYTES])):
            found.append((key, content[ID_BYTES:]))
    return found


def _decoded(text: str) -> bytes:
    """What the base64 stands for. There is one way to write it: other bits in its last letter are refused.

    Raises:
        NoteError: it is no base64.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise NoteError("it is no base64") from None
    if base64.b64encode(content).decode() != text:
        raise NoteError("it is no base64")
    return content
