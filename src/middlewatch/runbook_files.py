"""Runbooks as they are on disk: Markdown files of one folder, read as data, bounded, and never from outside of it.

A folder may be a checkout of git; nothing of git is run. What cannot be read is no reason to read nothing: it is said beside the
rest.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import yaml
from markdown_it import MarkdownIt

from middlewatch.records.quoting import quoted
from middlewatch.records.runbook import LINE_WORDS, LONGEST_FILE, LONGEST_HEADING
from middlewatch.records.signature import template

ENDINGS: Final = (".md", ".markdown")
MOST_FILES: Final = 2000
MOST_BYTES: Final = 256 * 1024
"""Of one file."""
MOST_BYTES_TOGETHER: Final = 8 * 1024 * 1024
DEEPEST: Final = 8
"""Folders in folders. All four are chosen: many times what teams have."""
MOST_SECTIONS: Final = 400
"""Of one file. Chosen."""
FRONT_MATTER: Final = ("services", "causes", "logs", "metrics")
"""The keys that are read; all others are the team's own."""
LONGEST_TERM: Final = 200
MOST_TERMS: Final = 100

_FRONT = re.compile(r"\A---[ \t]*\n(?P<inside>.{0,8192}?\n)?---[ \t]*(?:\n|\Z)", re.DOTALL)
_UNDERLINE = re.compile(r"\A *(?:=+|-+) *(?:\n|\Z)")
"""Of a heading that is written with one."""
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"ref: (?P<name>refs/[A-Za-z0-9._/-]{1,200})")
_BLOCKS = MarkdownIt("commonmark")
_BLOCKS.core.ruler.enableOnly(["normalize", "block"])  # headings and where they stand; what is inside of a line is not looked at


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands below it, up to the next one."""

    heading: str
    above: tuple[str, ...]
    """The headings that it belongs to, the outermost first."""
    line: int
    text: str
    lower: str
    """All of it in lower case, the headings above as well."""
    log_lines: str
    """All of it as log templates are written, a line each."""


@dataclass(frozen=True, slots=True)
class Runbook:
    """One file."""

    file: str
    """Its path in the folder."""
    sections: tuple[Section, ...]
    terms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What its front matter names, by the keys of `FRONT_MATTER`."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that was not read, or not understood."""

    file: str
    what: str
    line: int | None = None

    def __str__(self) -> str:
        place = f"{quoted(self.file)}, line {self.line}" if self.line else quoted(self.file)
        return f"{place}: {self.what}"


@dataclass(frozen=True, slots=True)
class Shelf:
    """All runbooks of a folder."""

    runbooks: tuple[Runbook, ...]
    flaws: tuple[Flaw, ...]
    revision: str = ""
    """The commit that is checked out; empty where it is no checkout."""


Stamp = tuple[int, int, int, int]
Known = dict[str, tuple[Stamp, Runbook, tuple[Flaw, ...]]]
"""Files that were read before, by their path in the folder; one whose times, size and inode are the same is not read again."""


def read_shelf(folder: Path, known: Known) -> Shelf:
    """Read all of them.

    Args:
        folder: where they are.
        known: what was read before; what is read now takes its place.

    Raises:
        OSError: the folder cannot be listed.
    """
    root = folder.resolve(strict=True)
    with os.scandir(root):  # one that cannot be listed is an error, and not an empty one
        pass
    flaws: list[Flaw] = []
    books: Known = {}
    left = MOST_BYTES_TOGETHER
    for number, path in enumerate(_files(root, flaws)):
        name = path.relative_to(root).as_posix()
        if number >= MOST_FILES:
            flaws.append(Flaw(name, f"it and what follows is not read: there are more than {MOST_FILES:,} files"))
            break
        try:
            stamp = _stamp(path)
            book = known.get(name)
            if book is None or book[0] != stamp:
                own: list[Flaw] = []
                book = (stamp, parse(name, _text(path, root), own), tuple(own))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            flaws.append(Flaw(name, f"it is not read: {reason}"))
            continue
        left -= stamp[2]
        if left < 0:
            flaws.append(
                Flaw(name, f"it and what follows is not read: all together have more than {MOST_BYTES_TOGETHER >> 20} MiB")
            )
            break
        books[name] = book
        flaws += book[2]
    known.clear()
    known.update(books)
    return Shelf(tuple(book for _, book, _ in books.values()), tuple(flaws), revision(root))


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def parse(file: str, text: str, flaws: list[Flaw]) -> Runbook:
    """Cut a runbook into its sections; what is wrong with it is added to `flaws`."""
    front = _FRONT.match(text)
    terms: dict[str, tuple[str, ...]] = {}
    if front is not None:
        terms = _terms(file, front["inside"] or "", flaws)
        text = "\n" * front[0].count("\n") + text[front.end() :]  # lines keep their numbers
    lines = text.split("\n")
    tokens = _BLOCKS.parse(text)
    heads: list[tuple[int, int, str]] = []
    for token, content in pairwise(tokens):
        if token.type == "heading_open" and token.map and token.level == 0:
            heads.append((token.map[0], int(token.tag[1:]), " ".join(content.content.split())[:LONGEST_HEADING]))
    if len(heads) > MOST_SECTIONS:
        flaws.append(
            Flaw(file, f"what follows is not read: it has more than {MOST_SECTIONS} headings", heads[MOST_SECTIONS][0] + 1)
        )
        lines = lines[: heads[MOST_SECTIONS][0]]
        heads = heads[:MOST_SECTIONS]
    first = heads[0][0] if heads else len(lines)
    preface = "\n".join(lines[:first]).strip()
    sections = [_section(file, file.rpartition("/")[2], (), 1, preface)] if preface else []
    above: list[tuple[int, str]] = []
    for (start, level, heading), end in zip(heads, [*(start for start, _, _ in heads[1:]), len(lines)], strict=False):
        above = [one for one in above if one[0] < level]
        body = _UNDERLINE.sub("", "\n".join(lines[start + 1 : end])).strip()
        sections.append(_section(file, heading, tuple(name for _, name in above), start + 1, body))
        above.append((level, heading))
    return Runbook(file, tuple(sections), terms)


def _section(file: str, heading: str, above: tuple[str, ...], line: int, text: str) -> Section:
    lower = "\n".join((file, *above, heading, text)).lower()
    log_lines = "\n".join(f" {template(one, LINE_WORDS)} " for one in (heading, *text.split("\n")))
    return Section(heading, above, line, text, lower, log_lines)


def revision(root: Path) -> str:
    """The commit of a checkout, as its files have it; nothing of it is run. Empty where it is none or packed in a way not known."""
    try:
        git = root / ".git"
        head = _small(git / "HEAD").strip()
        if found := _REF.fullmatch(head):
            if ".." in found["name"]:
                return ""
            loose = git / found["name"]
            head = _small(loose).strip() if loose.is_file() else _packed(git, found["name"])
    except (OSError, ValueError):
        return ""
    return head if _COMMIT.fullmatch(head) else ""


def _files(root: Path, flaws: list[Flaw]) -> Iterator[Path]:
    """The Markdown files in order; a link is followed where it stays in the folder, and refused where it leaves it."""

    def inside(folder: Path, depth: int) -> Iterator[Path]:
        for entry in sorted(os.scandir(folder), key=lambda one: one.name):
            path = folder / entry.name
            name = path.relative_to(root).as_posix()
            if entry.name.startswith(".") or len(name) > LONGEST_FILE:
                continue
            if entry.is_symlink() and not path.resolve().is_relative_to(root):
                flaws.append(Flaw(name, "it is a link that leaves the folder, and is not read"))
            elif entry.is_dir(follow_symlinks=False):
                if depth >= DEEPEST:
                    flaws.append(Flaw(name, f"it is not looked into: more than {DEEPEST} folders in each other"))
                    continue
                yield from inside(path, depth + 1)
            elif entry.name.lower().endswith(ENDINGS):
                yield path

    yield from inside(root, 0)


def _text(path: Path, root: Path) -> str:
    """The file's text.

    Raises:
        ValueError: it is no text file, is too large, or leaves the folder.
    """
    real = path.resolve(strict=True)
    if not real.is_relative_to(root):
        message = "it is a link that leaves the folder"
        raise ValueError(message)
    handle = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            message = "it is no file"
            raise ValueError(message)
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        message = f"it has more than {MOST_BYTES >> 10} KiB"
        raise ValueError(message)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        message = "it is not UTF-8"
        raise ValueError(message) from None
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _terms(file: str, front: str, flaws: list[Flaw]) -> dict[str, tuple[str, ...]]:
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(front, Loader=yaml.SafeLoader)):
            flaws.append(Flaw(file, "its front matter has references (`*name`), which are not followed", 1))
            return {}
        found = yaml.safe_load(front)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        flaws.append(Flaw(file, "its front matter is no YAML that is understood here", mark.line + 2 if mark else 1))
        return {}
    if found is None:
        return {}
    if not isinstance(found, dict):
        flaws.append(Flaw(file, "its front matter names nothing: write it as `services: [checkout]`", 1))
        return {}
    terms: dict[str, tuple[str, ...]] = {}
    for key in FRONT_MATTER:
        value = found.get(key)
        values = [value] if isinstance(value, str) else value
        if values is None:
            continue
        if not isinstance(values, list) or not all(isinstance(one, str) and 0 < len(one) <= LONGEST_TERM for one in values):
            flaws.append(
                Flaw(file, f"`{key}` in its front matter has to be a list of texts of at most {LONGEST_TERM} characters", 1)
            )
            continue
        terms[key] = tuple(values[:MOST_TERMS])
    return terms


def _small(path: Path) -> str:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        return file.read(4096).decode("ascii")


def _packed(git: Path, name: str) -> str:
    with (git / "packed-refs").open("rb") as file:
        for line in file.read(MOST_BYTES_TOGETHER).decode("ascii", "replace").splitlines():
            if line.endswith(f" {name}"):
                return line.split(" ", 1)[0]
    return ""
