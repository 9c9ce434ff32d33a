"""Configuration files in TOML: read whole, checked as a whole, and a mistake names the file and the line."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

from pydantic import BaseModel, ValidationError

from middlewatch.records.errors import Misconfigured

KeyPath = tuple[str | int, ...]
"""Where a value stands in a document: names of tables and keys, and positions in arrays."""

_Model = TypeVar("_Model", bound=BaseModel)


class TomlDocument(NamedTuple):
    """What a file says, and where."""

    digest: str
    """SHA-256 of the bytes that were read, hexadecimal."""
    data: dict[str, object]
    line_of: Callable[[Sequence[str | int]], int]
    """The line, from 1 on, of a key path; of the nearest table or key around it where it has no line of its own."""


def load_toml(path: Path) -> TomlDocument:
    """Read a file.

    Raises:
        Misconfigured: it cannot be read or is not TOML; the message names the file, and the line where there is one.
    """
    try:
        raw = path.read_bytes()
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
    return TomlDocument(hashlib.sha256(raw).hexdigest(), data, lambda key_path: _line(lines, key_path))


def mistake(path: Path, document: TomlDocument, key_path: Sequence[str | int], what: str) -> Misconfigured:
    """The error for one mistake in a file, ready to be raised."""
    name = ".".join(str(part) for part in key_path)
    where = f"{path}, line {document.line_of(key_path)}"
    return Misconfigured(f"{where}: {f'{name}: ' if name else ''}{what}.", remedy="Correct the file; nothing of it was used.")


def load_checked(path: Path, model: type[_Model]) -> tuple[_Model, TomlDocument]:
    """Read a file into a model, as a whole.

    Returns:
        The model, and the document for checks that a model cannot make alone.

    Raises:
        Misconfigured: as `load_toml`, or something in it does not fit; the message names the file, the line and the key. What the
            file has there is not repeated: it may be a secret in the wrong place.
    """
    document = load_toml(path)
    try:
        return model.model_validate(document.data), document
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise mistake(path, document, first["loc"], first["msg"].removeprefix("Value error, ").rstrip(".")) from None


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
