"""Mistakes in a configuration file: each with its line, all of them at once, and nothing of it repeated but names of keys."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar, cast

from pydantic import BaseModel, ValidationError

from middlewatch.records.toml_document import OPEN_TO_ALL, KeyPath, Mistake, TomlDocument, load_toml

_Model = TypeVar("_Model", bound=BaseModel)

_WORDS = {
    "missing": "is missing",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "tuple_type": 'must be a list, such as ["one", "other"]',
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "string_type": "must be a text in quotes",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "too_short": "must not be empty",
    "string_pattern_mismatch": "is not written as it must be; {page} shows how",
}
"""What pydantic finds, in the words of who writes such a file; the rest is clear as pydantic says it."""


@dataclass(slots=True)
class Reader:
    """Reads the parts of a document one by one, so that a mistake in one does not hide those of another."""

    file: Path
    document: TomlDocument
    kind: str
    """What the file is, with its article, as in "is no key of a policy"."""
    page: str
    """The page of the documentation that describes it."""
    mistakes: list[Mistake] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path, kind: str, page: str) -> Self:
        """Begin with a file; that everybody may write it is a mistake.

        Raises:
            Misconfigured: as `load_toml`.
        """
        reader = cls(path, load_toml(path), kind, page)
        if reader.document.open_to_all:
            reader.note((), OPEN_TO_ALL)
        return reader

    @property
    def told(self) -> tuple[Mistake, ...]:
        """The mistakes, each once, in the order of the file."""
        return tuple(sorted(set(self.mistakes)))

    def note(self, key: KeyPath, what: str) -> None:
        """Keep a mistake."""
        self.mistakes.append(Mistake.at(self.file, self.document, key, what))

    def only(self, known: Collection[str]) -> None:
        """Note every top-level key but these."""
        for name in self.document.data:
            if name not in known:
                self.note((name,), self._unknown(name, known))

    def one(self, name: str, model: type[_Model]) -> _Model:
        """A table; its defaults where it is absent or cannot be used."""
        return self._read((name,), self.document.data.get(name, {}), model) or model()

    def table(self, name: str, model: type[_Model]) -> dict[str, _Model]:
        """Tables by their name; those without a mistake."""
        entries = self.document.data.get(name, {})
        if not isinstance(entries, dict):
            self.note((name,), f"must be tables, such as [{name}.NAME]")
            return {}
        read = {key: self._read((name, key), value, model) for key, value in cast("dict[str, object]", entries).items()}
        return {key: entry for key, entry in read.items() if entry is not None}

    def names(self, name: str) -> set[str]:
        """The names of tables, as they are written: one with a mistake in its table is a name all the same."""
        entries = self.document.data.get(name)
        return {*entries} if isinstance(entries, dict) else set()

    def array(self, name: str, model: type[_Model]) -> dict[int, _Model]:
        """Tables of an array by their position; those without a mistake."""
        entries = self.document.data.get(name, [])
        if not isinstance(entries, list):
            self.note((name,), f"must be an array of tables: write [[{name}]]")
            return {}
        read = {number: self._read((name, number), value, model) for number, value in enumerate(entries)}
        return {number: entry for number, entry in read.items() if entry is not None}

    def _read(self, key: KeyPath, value: object, model: type[_Model]) -> _Model | None:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            known = [info.alias or name for name, info in model.model_fields.items()]
            for found in error.errors(include_url=False, include_input=False):
                what = found["msg"].removeprefix("Value error, ").rstrip(".")
                if found["type"] == "extra_forbidden":
                    what = self._unknown(str(found["loc"][-1]), known if len(found["loc"]) == 1 else ())
                elif found["type"] in _WORDS:
                    what = _WORDS[found["type"]].format_map({"page": self.page, **found.get("ctx", {})})
                elif what.startswith("Input should be"):
                    what = what.replace("Input should be", "must be")
                self.note((*key, *found["loc"]), what)
            return None

    def _unknown(self, name: str, known: Collection[str]) -> str:
        return f"is no key of {self.kind}{nearest(name, known)}"


def nearest(name: str, known: Collection[str]) -> str:
    """What was probably meant, as the end of a sentence; empty where nothing is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
