"""Build the wheel and compare its contents with the tree: every module, statement and script is in it, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = {".py", ".sql", ".lua", ".typed"}


def expected() -> set[str]:
    """The files that git tracks below the package, by their import path."""
    package = ROOT / "src" / "middlewatch"
    folders = sorted(link for link in package.iterdir() if link.is_symlink())
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src/middlewatch", *(link.name for link in folders)],  # noqa: S607 git from PATH
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    names = {name.removeprefix("src/") if name.startswith("src/") else f"middlewatch/{name}" for name in files}
    return {name for name in names if Path(name).suffix in SHIPPED}


def built(folder: Path) -> set[str]:
    """The files of a freshly built wheel below the package."""
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"the wheel does not build:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if name.startswith("middlewatch/")}


def main() -> int:
    """Print what differs; exit 1 where anything does."""
    with tempfile.TemporaryDirectory() as folder:
        inside = built(Path(folder))
    wanted = expected()
    for name in sorted(wanted - inside):
        print(f"missing from the wheel: {name}")
    extra = {name for name in inside - wanted if Path(name).suffix in SHIPPED}
    for name in sorted(extra):
        print(f"in the wheel and not in the tree: {name}")
    print(f"wheel: {len(inside)} files, {len(wanted - inside)} missing, {len(extra)} too many")
    return 1 if wanted - inside or extra else 0


if __name__ == "__main__":
    sys.exit(main())
