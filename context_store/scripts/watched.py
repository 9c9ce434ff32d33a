"""The signatures of scripts over what we watch by ourselves: counts of objectives, and what fires."""

from __future__ import annotations

from middlewatch.context_store.keys import CountKeys, RaisedKeys
from middlewatch.context_store.script import Script


@Script
def read_counts(keys: CountKeys) -> None:
    """``OK, a line with each bucket and one with what was counted in it``."""


@Script
def write_counts(keys: CountKeys, *, counts: list[str], drop: list[str], keep_ms: int) -> None:
    """``OK``; counts are buckets, each with what was counted."""


@Script
def read_raised(keys: RaisedKeys) -> None:
    """``OK, [fingerprint, message, ...]``."""


@Script
def read_look(keys: RaisedKeys, *, name: str) -> None:
    """``OK, what it found or ''``."""


@Script
def write_look(keys: RaisedKeys, *, name: str, found: str) -> None:
    """``OK``."""


@Script
def write_raised(keys: RaisedKeys, *, messages: list[list[str]]) -> None:
    """``OK``."""
