"""Configuration files in TOML: read whole, checked as a whole, and every mistake names the file and the line."""

from __future__ import annotations

import hashlib
import os
import stat
import tomllib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self, TypeVar, cast

from pydantic import BaseModel, ValidationError

from middlewatch.records.errors import Misconfigured

KeyPath = tuple[str | int, ...]
"""Where a value stands in a document: names of tables and keys, and positions in arrays."""

OPEN_TO_ALL = "everybody on this machine may write it; take that away with `chmod o-w`"

_Model = TypeVar("_Model", bound=BaseModel)
_Whole = TypeVar("_Whole")


class TomlDocument(NamedTuple):
    """What a file says, and where."""

    digest: str
    """SHA-256 of the bytes that were read, hexadecimal."""
    data: dict[str, object]
    line_of: Callable[[Sequence[str | int]], int]
    """The line, from 1 on, of a key path; of the nearest table or key around it where it has no line of its own."""
    open_to_all: bool
    """Whether everybody on this machine may write the file that was read."""


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing in a file that cannot be."""

    file: Path
    line: int
    key: str
    what: str

    @classmethod
    def at(cls, path: Path, document: TomlDocument, key_path: Sequence[str | int], what: str) -> Self:
        """The one that stands at a key path."""
        return cls(path, document.line_of(key_path), ".".join(map(str, key_path)), what)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {f'{self.key}: ' if self.key else ''}{self.what}"


class Mistaken(Misconfigured):
    """A file has mistakes."""

    def __init__(self, mistakes: Iterable[Mistake], *, remedy: str = "Correct the file; nothing of it was used.") -> None:
        """All of them at once.

        Args:
            mistakes: at least one.
            remedy: what the reader can do about them.
        """
        self.mistakes = tuple(sorted(set(mistakes)))
        super().__init__("; ".join(map(str, self.mistakes)) + ".", remedy=remedy)


def whole(examined: tuple[_Whole | None, tuple[Mistake, ...]], command: str) -> _Whole:
    """What a file says as a whole, or not at all.

    Args:
        examined: what it says where there is no mistake; the mistakes.
        command: the group of commands that it belongs to.

    Raises:
        Mistaken: it has a mistake; the message tells every one with its line.
    """
    found, mistakes = examined
    if found is None:
        remedy = f"Correct the file; nothing of it was used. `middlewatch {command} check` lists every mistake."
        raise Mistaken(mistakes, remedy=remedy)
    return found


def load_toml(path: Path) -> TomlDocument:
    """Read a file.

    Raises:
        Misconfigured: it cannot be read or is not TOML; the message names the file, and the line where there is one.
    """
    try:
        with path.open("rb") as file:
            raw, mode = file.read(), os.fstat(file.fileno()).st_mode
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Misconfigured(f"{path} cannot be read: {reason}.") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{path}: {error}.", remedy="Correct the file; nothing of it was used.") from None
    except (RecursionError, ValueError):  # deeper than any table, or a number longer than any
        raise Misconfigured(f"{path}: cannot be read as TOML.", remedy="Correct the file; nothing of it was used.") from None
    lines = _lines(text)
    return TomlDocument(hashlib.sha256(raw).hexdigest(), data, lambda key_path: _line(lines, key_path), bool(mode & stat.S_IWOTH))


def load_checked(path: Path, model: type[_Model], misfits: Callable[[_Model], Iterable[tuple[KeyPath, str]]]) -> _Model:
    """Read a file into a model, as a whole.

    Args:
        path: the file.
        model: of it; its fields are tables of entries by their names.
        misfits: what does not fit together in one: the key path of each, and what is wrong.

    Raises:
        Misconfigured: as `load_toml`.
        Mistaken: something in it does not fit; each mistake names the file, the line and the key. What the file has there is not
            repeated: it may be a secret in the wrong place.
    """
    document = load_toml(path)
    wrong: dict[KeyPath, str] = {}
    try:
        loaded, left_out = model.model_validate(document.data), frozenset[KeyPath]()
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            wrong.setdefault(one["loc"], one["msg"].removeprefix("Value error, ").rstrip("."))
        left_out = frozenset(where[:2] for where in wrong)
        try:
            loaded = model.model_validate(_without(document.data, left_out))
        except ValidationError:
            raise Mistaken(Mistake.at(path, document, where, what) for where, what in wrong.items()) from None
    if document.open_to_all:
        wrong.setdefault((), OPEN_TO_ALL)
    named = [f"[{'.'.join(map(str, entry))}]" for entry in left_out]
    for where, what in misfits(loaded):
        if not any(name in what for name in named):  # what is mistaken itself is there, and its own mistake is told
            wrong.setdefault(where, what)
    if wrong:
        raise Mistaken(Mistake.at(path, document, where, what) for where, what in wrong.items())
    return loaded


def _without(data: dict[str, object], entries: Collection[KeyPath]) -> dict[str, object]:
    """A document without some entries of its tables, so that the others can be looked at."""
    kept = {name: value for name, value in data.items() if (name,) not in entries}
    return {
        name: {key: entry for key, entry in value.items() if (name, key) not in entries} if isinstance(value, dict) else value
        for name, value in kept.items()
    }


def _line(lines: dict[KeyPath, int], key_path: Sequence[str | int]) -> int:
    """Follow the path as far as the file has lines for it. Parts that it does not know, such as a union's tags, are passed over."""
    found: KeyPath = ()
    for part in key_path:
        if (*found, part) in lines:
            found = (*found, part)
    return lines.get(found, 1)


def _lines(text: str) -> dict[KeyPath, int]:
    """The line of every table and key.

    A statement of TOML, a header or a key with its value, is the shortest run of whole lines that is TOML by itself: what is cut
    inside a string or an array never is. So tomllib tells where each one ends and what it names.
    """
    lines: dict[KeyPath, int] = {}
    lengths: dict[KeyPath, int] = {}
    table: KeyPath = ()
    statement, began = "", 0
    # As tomllib does: a line ends with a line feed, and carriage returns before it belong to the ending.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        statement, began = (f"{statement}\n{line}", began) if statement else (line, number)
        try:
            said = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if said and statement.lstrip().startswith("["):
            table = _header(said, lengths)
            _note(lines, table, began)
        elif said:
            _note_keys(lines, table, said, began)
        statement = ""
    return lines


def _header(said: dict[str, object], lengths: dict[KeyPath, int]) -> KeyPath:
    """The path of ``[a.b]`` or of the next item of ``[[a.b]]``; inside an array of tables, of its last item."""
    path: KeyPath = ()
    value: object = said
    while isinstance(value, dict) and value:
        name, value = next(iter(cast("dict[str, object]", value).items()))
        path = (*path, name)
        if isinstance(value, list):
            lengths[path] = lengths.get(path, 0) + 1
        if path in lengths:
            path = (*path, lengths[path] - 1)
    return path


def _note_keys(lines: dict[KeyPath, int], table: KeyPath, value: object, began: int) -> None:
    """All that one statement names stands on the line where it begins."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, child in inside:
        _note(lines, (*table, part), began)
        _note_keys(lines, (*table, part), child, began)


def _note(lines: dict[KeyPath, int], path: KeyPath, line: int) -> None:
    """Keep the first line of a path, and of every table around it that nobody opened by itself."""
    for length in range(1, len(path) + 1):
        lines.setdefault(path[:length], line)
