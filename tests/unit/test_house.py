"""Invariants: the package is the folders at the root, nothing but the settings reads the environment, and modules stay small."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "middlewatch"
FOLDERS = ("agents", "approval", "context_store", "evals", "frontends", "records", "telemetry", "tools")
SOURCES = sorted(
    file for folder in (*FOLDERS, "src/middlewatch") for file in (ROOT / folder).rglob("*.py") if not (ROOT / folder).is_symlink()
)
LONGEST = 400
"""Lines of a module, of tests as well."""

_ASSIGNED = (ast.Assign, ast.AnnAssign)


def _targets(line: ast.Assign | ast.AnnAssign) -> list[ast.Name]:
    targets = line.targets if isinstance(line, ast.Assign) else [line.target]
    return [target for target in targets if isinstance(target, ast.Name)]


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def test_every_folder_has_its_relative_link_and_there_are_no_others() -> None:
    links = {link.name: link.readlink() for link in PACKAGE.iterdir() if link.is_symlink()}
    assert links == {name: Path("../..") / name for name in FOLDERS}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_with_modules_is_a_package(folder: str) -> None:
    inside = {file.parent for file in (ROOT / folder).rglob("*.py")}
    assert [str(f.relative_to(ROOT)) for f in sorted(inside) if not (f / "__init__.py").exists()] == []


def test_only_the_settings_read_the_environment() -> None:
    reads = re.compile(r"\bos\.(environ|getenv)\b|\bgetenv\(")
    readers = {
        str(f.relative_to(ROOT))
        for f in SOURCES
        if "src/middlewatch/" not in str(f) or f.parent == PACKAGE
        if reads.search(f.read_text())
    }
    # Processes that the lab starts are configured through their environment, as any service is.
    assert {r for r in readers if not r.startswith("evals/lab/")} <= {"src/middlewatch/settings.py"}


def test_modules_stay_readable_in_size() -> None:
    modules = [*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
    assert {str(f.relative_to(ROOT)): n for f in modules if (n := len(f.read_text().splitlines())) > LONGEST} == {}


def test_public_modules_say_what_they_are() -> None:
    silent = [str(f.relative_to(ROOT)) for f in SOURCES if not ast.get_docstring(tree_of(f))]
    assert silent == []


def test_every_constant_is_used() -> None:
    """Where it is made, or by whoever imports it from there or names it after a dot; tests alone do not count."""
    made: set[tuple[str, str]] = set()
    used: set[tuple[str, str]] = set()
    dotted: set[str] = set()
    for file in SOURCES:
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removeprefix("src.middlewatch.").removesuffix(".__init__")
        tree = tree_of(file)
        made |= {
            (module, name.id) for line in tree.body if isinstance(line, _ASSIGNED) for name in _targets(line) if name.id.isupper()
        }
        for node in ast.walk(tree):
            match node:
                case ast.Name(id=name, ctx=ast.Load()):
                    used.add((module, name))
                case ast.ImportFrom(module=str(source)):
                    used |= {(source.removeprefix("middlewatch."), alias.name) for alias in node.names}
                case ast.Attribute(attr=name):
                    dotted.add(name)
    assert {one for one in made - used if one[1] not in dotted} == set()
