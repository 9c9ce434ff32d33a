"""Invariants: nobody else can read the key, processes that start at once have the same one, and it is never replaced unasked."""

from __future__ import annotations

import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from middlewatch.approval.audit import keys
from middlewatch.approval.audit.keys import AuditKey
from middlewatch.approval.audit.note import VerifierKey, opened
from middlewatch.records.errors import Misconfigured


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_run_makes_it_for_nobody_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "audit" / "key"
    key = AuditKey.open(file)
    assert (mode(file.parent), mode(file)) == (0o700, 0o600)
    assert [path.name for path in file.parent.iterdir()] == ["key"]
    assert "MIDDLEWATCH_AUDIT_COPIES" in caplog.text
    caplog.clear()
    assert AuditKey.open(file).log_name("acme") == key.log_name("acme")
    assert caplog.text == ""


def test_the_public_key_lies_beside_it_and_checks_signatures(tmp_path: Path) -> None:
    file = tmp_path / "audit" / "key"
    key = AuditKey.open(file)
    signer = key.signer(key.log_name("acme"))
    key.publish("acme", signer.verifier)
    key.publish("acme", signer.verifier)
    public = VerifierKey.parse((file.parent / "acme.pub").read_text().strip())
    assert public.name == signer.verifier.name == AuditKey.open(file).log_name("acme")
    assert opened(AuditKey.open(file).signer(public.name).sign("text\n"), [public]) == "text\n"


def test_every_tenant_and_installation_has_another_log(tmp_path: Path) -> None:
    both = [AuditKey.open(tmp_path / name / "key") for name in "ab"]
    assert len({key.log_name(tenant) for key in both for tenant in ("acme", "other")}) == 4


def test_processes_that_start_at_once_have_the_same_key(tmp_path: Path) -> None:
    file = tmp_path / "audit" / "key"
    with ThreadPoolExecutor(16) as pool:
        names = {key.log_name("acme") for key in pool.map(lambda _: AuditKey.open(file), range(64))}
    assert len(names) == 1
    assert [path.name for path in file.parent.iterdir()] == ["key"]


def test_who_is_second_replaces_nothing(tmp_path: Path) -> None:
    """The other process made its key after we looked and before we made ours."""
    file = tmp_path / "audit" / "key"
    AuditKey.open(file)
    content = file.read_bytes()
    keys._make(file)
    assert file.read_bytes() == content
    assert [path.name for path in file.parent.iterdir()] == ["key"]


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, bits: int) -> None:
    file = tmp_path / "audit" / "key"
    AuditKey.open(file)
    file.chmod(bits)
    with pytest.raises(Misconfigured, match=r"Others can read .*chmod 600"):
        AuditKey.open(file)


def test_a_key_that_others_can_put_another_in_the_place_of_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "audit" / "key"
    AuditKey.open(file)
    file.parent.chmod(0o770)
    with pytest.raises(Misconfigured, match="chmod 700"):
        AuditKey.open(file)


@pytest.mark.parametrize(
    "content", [b"", b"x", generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())]
)
def test_a_file_that_holds_no_such_key_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    file.chmod(0o600)
    tmp_path.chmod(0o700)
    with pytest.raises(Misconfigured, match="holds no Ed25519 private key"):
        AuditKey.open(file)
    assert file.read_bytes() == content


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be used"):
        AuditKey.open(tmp_path)


def test_another_public_key_beside_it_is_refused_and_kept_when_the_key_was_replaced(tmp_path: Path) -> None:
    old, new = (AuditKey.open(tmp_path / name / "key").signer("log").verifier for name in ("old", "new"))
    key, file = AuditKey.open(tmp_path / "new" / "key"), tmp_path / "new" / "acme.pub"
    file.write_text(f"{old}\n")
    with pytest.raises(Misconfigured, match="not the public key"):
        key.publish("acme", new)
    key.publish("acme", new, replaced=True)
    key.publish("acme", new)
    assert file.read_text() == f"{old}\n{new}\n"


def test_a_public_key_that_cannot_be_written_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = AuditKey.open(tmp_path / "audit" / "key")

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("middlewatch.context_store.durable_file.write", refuse)
    verifier = key.signer("log").verifier
    with caplog.at_level(logging.WARNING):
        key.publish("acme", verifier)
    assert str(verifier) in caplog.text
