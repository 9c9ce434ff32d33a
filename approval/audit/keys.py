"""The key that signs checkpoints: made on the first run, in a file that nobody else can read."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import tempfile
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from middlewatch.approval.audit.note import Signer, VerifierKey
from middlewatch.context_store import durable_file
from middlewatch.records.errors import Misconfigured

LOG = logging.getLogger(__name__)

NAME_DIGITS = 16
"""Hexadecimal digits of the public key's SHA-256 in a log's name: 64 bits, so no two installations meet by chance."""

NOTE = (
    "A key that signs the audit log was made: {key}. "
    "Keep a copy of {folder}/<tenant>.pub where this machine cannot write: exports are checked with it. "
    "Set MIDDLEWATCH_AUDIT_COPIES to a place that these credentials cannot rewrite (a folder of another machine, an HTTP store): "
    "what is cut off the log is noticed only as far as a checkpoint was copied. See docs/audit.md."
)
"""What a person is told once."""


class AuditKey:
    """The signing key of an installation. Each tenant's log has a name of its own under it."""

    def __init__(self, private: Ed25519PrivateKey, file: Path | None = None) -> None:
        """A key that is not in a file has no public key files either."""
        self._private = private
        self._file = file

    @classmethod
    def open(cls, file: Path) -> AuditKey:
        """Read the key; it is made where there is none, and then a note is logged on what to copy where.

        Processes that start at the same moment get the same one.

        Raises:
            Misconfigured: it cannot be read or made, is no Ed25519 key, or others can read it or put another in its place.
        """
        try:
            if not file.exists():
                _make(file)
            return cls(_read(file), file)
        except OSError as error:
            raise Misconfigured(
                f"The key of the audit log, {file}, cannot be used: {error.strerror or error}.",
                remedy="Name a file that only this user can read with MIDDLEWATCH_AUDIT_KEY_FILE.",
            ) from None

    def log_name(self, tenant: str) -> str:
        """The name of a tenant's log, the origin of its checkpoints: from the public key and the tenant alone."""
        digest = hashlib.sha256(self._private.public_key().public_bytes_raw()).hexdigest()
        return f"middlewatch/{digest[:NAME_DIGITS]}/{tenant}"

    def signer(self, log: str) -> Signer:
        """What signs the checkpoints of the log of this name.

        Raises:
            NoteError: nothing can have this name.
        """
        return Signer(log, self._private)

    def published(self, tenant: str, verifier: VerifierKey) -> str:
        """The verifier keys of a tenant's log, a line each: this one, and those that it replaced."""
        file = self._file.with_name(f"{tenant}.pub") if self._file else None
        there = file.read_text(encoding="utf-8") if file and file.exists() else ""
        return there if f"{verifier}\n" in there else f"{verifier}\n"

    def publish(self, tenant: str, verifier: VerifierKey, *, replaced: bool = False) -> None:
        """Write the public half to `<tenant>.pub` beside the key, where it is not there yet.

        Args:
            tenant: whose log it checks.
            verifier: of this key.
            replaced: the file has that of an older key, which still checks what was signed with it: add a line.

        Raises:
            Misconfigured: the file has that of another key.
        """
        if self._file is None:
            return
        file, line = self._file.with_name(f"{tenant}.pub"), f"{verifier}\n"
        try:
            there = file.read_text(encoding="utf-8") if file.exists() else ""
            if line not in there and (replaced or not there):
                durable_file.write(file, (there + line).encode())
                file.chmod(0o644)
                there += line
        except OSError as error:  # such as a secret that is mounted to be read only
            LOG.warning("the public key of the audit log is %s (%s cannot be written: %s)", verifier, file, error.strerror)
            return
        if line not in there:
            raise Misconfigured(
                f"{file} is not the public key that belongs to the audit log's key.",
                remedy="Put back the key that the log was begun with; if it is lost: middlewatch audit rekey",
            )


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    private = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # 0600 from the beginning
    try:
        with os.fdopen(handle, "wb") as unfinished:
            unfinished.write(private)
            unfinished.flush()
            os.fsync(unfinished.fileno())
        os.link(name, file)  # unlike a renaming it replaces nothing: of two processes one is first, and both read its key
    except FileExistsError:
        return
    finally:
        Path(name).unlink()
    durable_file.sync_folder(file.parent)
    LOG.warning(NOTE.format(key=file, folder=file.parent))


def _read(file: Path) -> Ed25519PrivateKey:
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as opened:
        if stat.S_IMODE(os.fstat(handle).st_mode) & 0o077:
            raise Misconfigured(f"Others can read {file}, the key of the audit log.", remedy=f"Run: chmod 600 {file}")
        if stat.S_IMODE(file.parent.stat().st_mode) & 0o022:
            raise Misconfigured(
                f"Others can write to {file.parent}, and so put another key in the place of {file.name}.",
                remedy=f"Run: chmod 700 {file.parent}",
            )
        content = opened.read()
    try:
        private = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise Misconfigured(
            f"{file} holds no Ed25519 private key in PEM without a password.", remedy="Put the audit log's key file back."
        )
    return private
