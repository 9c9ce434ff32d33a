"""The named SQL statements: one `.sql` file each, in `queries/`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> str:
    """The text of `queries/<name>.sql`.

    Args:
        name: the file's stem; chosen by code, never by a person or a model.
    """
    return files("middlewatch.telemetry").joinpath("queries", f"{name}.sql").read_text(encoding="utf-8").strip()


def migrations() -> tuple[tuple[int, str, str], ...]:
    """Number, name and statement of every file in `schema/`, in order."""
    folder = files("middlewatch.telemetry").joinpath("schema")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return tuple((int(name.split("_")[0]), name, folder.joinpath(name).read_text(encoding="utf-8").strip()) for name in names)


def collector_views(collector: str, tenant: str) -> tuple[str, ...]:
    """The statements of `schema/collector/`, which put a Collector's tables under middlewatch's names.

    Views take no parameters, so the two words are put into the text; `Collector` has checked that they are plain words.
    """
    folder = files("middlewatch.telemetry").joinpath("schema", "collector")
    texts = [entry.read_text(encoding="utf-8").strip() for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)]
    return tuple(text.replace("{collector}", collector).replace("{tenant}", tenant) for text in texts)
