"""Invariant: what docs/audit.md says can be done without middlewatch works, on a good log and on one that is not."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.approval.audit.logs import make_export, root_of

DOCS = Path(__file__).resolve().parents[4] / "docs" / "audit.md"
CHAIN, SIGNATURE, ROOT = re.findall(r"```(?:sh|python)\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
EXPORT = make_export(7)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "log.jsonl").write_bytes(EXPORT.content)
    (tmp_path / "log.jsonl.checkpoints").write_text(EXPORT.notes)
    (tmp_path / "log.jsonl.pub").write_text(f"{EXPORT.signer.verifier}\n")
    return tmp_path


def run(folder: Path, *command: str) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def test_the_chain_is_checked_with_sha256sum(folder: Path) -> None:
    assert run(folder, "sh", "-c", CHAIN) == ""
    (folder / "log.jsonl").write_bytes(EXPORT.content.replace(b"person-1", b"person-2", 1))
    assert run(folder, "sh", "-c", CHAIN).startswith("not chained: " + EXPORT.lines[2].decode())


def test_the_root_is_computed_with_python_alone(folder: Path) -> None:
    assert run(folder, sys.executable, "-c", ROOT).strip() == base64.b64encode(root_of(EXPORT.lines)).decode()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_signature_is_checked_with_openssl(folder: Path) -> None:
    if not re.match(r"OpenSSL [3-9]", run(folder, "openssl", "version")):
        pytest.skip("openssl older than 3 cannot check Ed25519 signatures")
    assert "Signature Verified Successfully" in run(folder, "sh", "-c", SIGNATURE)
    (folder / "log.jsonl.checkpoints").write_text(EXPORT.notes.replace("\n7\n", "\n6\n"))
    assert "Success" not in run(folder, "sh", "-c", SIGNATURE)
