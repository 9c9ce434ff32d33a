"""The named SQL statements: one `.sql` file each, in `queries/`. What several share is in `queries/parts/`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, reduce
from importlib.resources import files

_INCLUDE = re.compile(r"^ *-- include: (\w+)$", re.MULTILINE)
"""A line that stands for the part of this name. Parts include nothing."""


@cache
def statement(name: str) -> str:
    """The text of `queries/<name>.sql`, with the parts that it includes.

    Args:
        name: the file's stem; chosen by code, never by a person or a model.
    """
    folder = files("middlewatch.telemetry").joinpath("queries")

    def text(*path: str) -> str:
        return folder.joinpath(*path).read_text(encoding="utf-8").strip()

    return _INCLUDE.sub(lambda line: text("parts", f"{line[1]}.sql"), text(f"{name}.sql"))


def migrations() -> tuple[tuple[int, str, str], ...]:
    """Number, name and statement of every file in `schema/`, in order."""
    folder = files("middlewatch.telemetry").joinpath("schema")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return tuple((int(name.split("_")[0]), name, folder.joinpath(name).read_text(encoding="utf-8").strip()) for name in names)


def collector_views(collector: str, tenant: str, keys: Sequence[str] = ()) -> tuple[str, ...]:
    """The statements of `schema/collector/`, which put a Collector's tables under middlewatch's names.

    Views take no parameters, so the words are put into the text; `Collector` has checked that they are plain words.

    Args:
        collector: the database of its tables.
        tenant: whose live telemetry that is.
        keys: attributes that have correlation ids.
    """
    folder = files("middlewatch.telemetry").joinpath("schema", "collector")
    texts = [entry.read_text(encoding="utf-8").strip() for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)]
    words = {"{collector}": collector, "{tenant}": tenant, "{keys}": " ".join(keys)}
    return tuple(reduce(lambda text, word: text.replace(*word), words.items(), text) for text in texts)
