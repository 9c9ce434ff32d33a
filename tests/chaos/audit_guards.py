"""Takes every guard out of the audit log, one at a time, and shows that a test fails without it.

Run it as ``python tests/chaos/audit_guards.py``; it takes some minutes. It works on a copy of the code, prints one line a guard
and exits with 0 when none could be missed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("agents", "approval", "context_store", "evals", "frontends", "records", "src", "telemetry", "tests", "tools", "docs")
UNIT = "tests/unit/approval/audit"
TESTS = {
    "verify": [f"{UNIT}/test_verify.py", f"{UNIT}/test_lines.py"],
    "note": [f"{UNIT}/test_note.py"],
    "checkpoint": [f"{UNIT}/test_checkpoint.py"],
    "merkle": [f"{UNIT}/test_merkle.py"],
    "lines": [f"{UNIT}/test_lines.py"],
    "tip": [f"{UNIT}/test_tip.py"],
    "keys": [f"{UNIT}/test_keys.py"],
    "copies": [f"{UNIT}/test_copies.py"],
    "log": ["tests/integration/approval/test_audit_log.py"],
}
"""Module of approval/audit -> where its guards are tested."""

GUARDS = (
    ("verify", 'if found["prev"] != self._prev:', "if False:"),
    ("verify", 'if found["seq"] != expected:', "if False:"),
    ("verify", 'if found["log"] != self._log:', "if False:"),
    ("verify", 'elif self._log.rpartition("/")[2] != found["tenant"]:', "elif False:"),
    ("verify", 'if found["ts"] < self._ts:', "if False:"),
    ("verify", "if not _canonical(text, found):", "if False:"),
    ("verify", "text.isascii() and ", ""),
    ("verify", "int(text) if len(text) <= _EXACT_DIGITS else _ODD", "int(text)"),
    ("verify", 'if not _TS.fullmatch(found["ts"]):', "if False:"),
    ("verify", 'type(found["v"]) is not int or ', ""),
    ("verify", "if len(line) == len(raw):", "if False:"),
    ("verify", "if checkpoint.origin not in log:", "if False:"),
    ("verify", "!= checkpoint.root:", "!= checkpoint.root and False:"),
    ("verify", "if self._frontier.root() == root:", "if True:"),
    ("verify", "        if sizes:", "        if False:"),
    ("note", "if not all(key.verifies(signature, text) for key, signature in known):", "if False:"),
    ("note", "    if not known:", "    if False:"),
    ("note", "if key.id.hex() != found[2]:", "if False:"),
    ("note", "if base64.b64encode(content).decode() != text:", "if False:"),
    ("checkpoint", '(signed or note[-1:] == ["\\n"])', "signed"),
    ("checkpoint", "or len(note) >= MOST_LINES", "or False"),
    ("checkpoint", " or base64.b64encode(root).decode() != lines[2]", ""),
    ("merkle", 'b"\\x00" + content', "content"),
    ("merkle", 'b"\\x01" + left', "left"),
    ("merkle", "len(roots) != size.bit_count() or", "False or"),
    ("lines", '"data": exact(event.data)', '"data": event.data'),
    ("tip", "opened(kept, [signer.verifier])", 'kept.rpartition("\\n\\n")[0].__add__("\\n")'),
    ("tip", "or parts[1] != _KIND", "or False"),
    ("keys", "& 0o077", "& 0"),
    ("keys", "& 0o022", "& 0"),
    ("keys", "os.link(name, file)", "os.replace(name, file); os.close(os.open(name, os.O_CREAT))"),
    ("keys", "if line not in there:", "if False:"),
    ("copies", "if self._clock() < waiting.not_before:", "if False:"),
    ("copies", "if content in end:", "if False:"),
    ("copies", "os.ftruncate(handle, before)", "pass"),
    ("copies", 'content = b"\\n\\n" + content', "pass"),
    ("copies", "answer.content != note.encode()", "False"),
    ("copies", "if not answer.is_success:", "if False:"),
    ("log", "if known is not None and tip.size <= known[1].size:", "if False:"),
    ("log", "tip.size != seal.size or", ""),
    ("log", " or seal.log_size < tip.size", ""),
    ("log", "new = checkpoint.size > self._copied.get(tenant, 0)", "new = False"),
    ("log", "if tip.checkpoint() != before:", "if False:"),
    ("log", "if _signed_by(seal.tree, signer):", "if False:"),
    ("log", "last = stop.wait(SEAL_SECONDS)", "last = stop.wait(SEAL_SECONDS)\n            if last:\n                return"),
)
"""Module, the text of a guard, and what stands there instead."""


def fails(copy: Path, module: str) -> bool:
    """Whether a test of a module's guards fails on the copy."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout=60", *TESTS[module]]
    return subprocess.run(command, cwd=copy, capture_output=True, check=False).returncode == 1


def main() -> int:
    """Try every guard."""
    missed = 0
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place)
        shutil.copy(ROOT / "pyproject.toml", copy)
        for folder in COPIED:
            shutil.copytree(ROOT / folder, copy / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "recordings"))
        if any(fails(copy, module) for module in TESTS):
            raise SystemExit("the tests fail with every guard in place, so they prove nothing")
        for module, guard, without in GUARDS:
            file = copy / "approval" / "audit" / f"{module}.py"
            text = file.read_text(encoding="utf-8")
            if guard not in text:
                raise SystemExit(f"{module}.py has no guard {guard!r} any more")
            file.write_text(text.replace(guard, without, 1), encoding="utf-8")
            seen = fails(copy, module)
            file.write_text(text, encoding="utf-8")
            missed += not seen
            sys.stdout.write(f"{'noticed' if seen else 'MISSED '}  {module:10} {' '.join(guard.split())}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(GUARDS) - missed} of {len(GUARDS)} noticed\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
