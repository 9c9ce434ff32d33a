"""Changes as the source lists them: which service, when, to which version, and which of them undid an earlier one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import pyarrow as pa

from middlewatch.tools.wording import clock, quoted

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Change:
    """One row of `ChangeSource.changes`."""

    time: datetime
    service: str
    kind: str
    version: str
    actor: str
    description: str

    @property
    def name(self) -> str:
        """What was changed and when, as it stands in sentences."""
        version = f" {quoted(self.version)}" if self.version else ""
        return f"{self.kind}{version} of {quoted(self.service)} at {clock(self.time)}"


def changes_of(table: pa.Table) -> tuple[Change, ...]:
    """The rows of an answer of `ChangeSource.changes`."""
    texts = [
        cast("list[str | None]", table.column(name).to_pylist()) for name in ("service", "kind", "version", "actor", "description")
    ]
    times = cast("list[datetime]", table.column("time").to_pylist())
    return tuple(Change(time, *(text or "" for text in row)) for time, *row in zip(times, *texts, strict=True))


def undoes(change: Change, history: Sequence[Change]) -> Change | None:
    """The change that this one took back, if it is a rollback.

    A rollback brings a version that ran before the one that it replaces, and was not itself taken back, or a lower one: not every
    history reaches back to the first time that a version was deployed.

    Args:
        change: what may be a rollback.
        history: all known changes, oldest first.
    """
    versions = [c for c in history if c.time < change.time and c.version and (c.service, c.kind) == (change.service, change.kind)]
    if not versions or not change.version or versions[-1].version == change.version:
        return None
    replaced = versions[-1]
    before = next((c for c in reversed(versions) if c.version == change.version), None)
    if before is None:
        return replaced if _lower(change.version, replaced.version) else None
    return replaced if undone_by(before, versions, change.time) is None else None


def undone_by(change: Change, history: Sequence[Change], until: datetime) -> Change | None:
    """The rollback that took this change back before a moment, if there is one."""
    later = (c for c in history if change.time < c.time < until and c.service == change.service)
    return next((c for c in later if undoes(c, history) == change), None)


def _lower(one: str, other: str) -> bool:
    """Whether a version is lower than another one of the same form, such as 1.9.3 than 1.10.0; hashes have no order."""
    if _NUMBER.sub("0", one) != _NUMBER.sub("0", other):
        return False
    return [int(n) for n in _NUMBER.findall(one)] < [int(n) for n in _NUMBER.findall(other)]
