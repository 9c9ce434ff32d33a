"""Build the wheel, compare its contents with the tree, and run it where nothing of the tree is.

Every module, statement, script and page must be in it and nothing else; installed in a new environment (with the dependencies of
this one), it must investigate a committed recording.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = {".py", ".sql", ".lua", ".toml", ".typed", ".html", ".css", ".js", ".txt", ".svg"}


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


def build(folder: Path) -> Path:
    """Build the wheel into a folder, out of the source distribution: what an earlier build left in the tree is not in it."""
    run([sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)], folder, "the wheel does not build")
    (wheel,) = folder.glob("*.whl")
    return wheel


def investigates(wheel: Path, folder: Path) -> None:
    """Install the wheel into a new environment and investigate a recording with it, away from the tree."""
    environment = folder / "environment"
    venv.create(environment, with_pip=True)
    command = [str(environment / "bin" / "pip"), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    run(command, folder, "the wheel does not install")
    recording = ROOT / "evals" / "recordings" / "shop-slow-pages"
    command = [str(environment / "bin" / "middlewatch"), "investigate", "--recording", str(recording)]
    run(command, folder, "the installed wheel does not run")


def run(command: list[str], folder: Path, complaint: str) -> None:
    """Run a command in a folder; leave with its last words where it fails."""
    # The environment's dependencies without its editable install: .pth files count in site directories only.
    variables = os.environ | {"PYTHONPATH": sysconfig.get_path("purelib"), "MIDDLEWATCH_DATA_DIR": str(folder / "data")}
    result = subprocess.run(command, cwd=folder, env=variables, check=False, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{complaint}:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")


def main() -> int:
    """Print what differs; exit 1 where anything does."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            inside = {name for name in archive.namelist() if name.startswith("middlewatch/")}
        investigates(wheel, Path(folder))
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
