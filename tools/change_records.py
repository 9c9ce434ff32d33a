"""Changes as the source lists them: which service, when, to which version, and which of them undid an earlier one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self, cast

import pyarrow as pa

from middlewatch.records import ChangeKind
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
    def known(self) -> ChangeKind | None:
        """Its kind, where that is one of those that we know: a source may call it anything."""
        return next((kind for kind in ChangeKind if kind.value == self.kind), None)

    @property
    def done(self) -> str:
        """Its kind, as it stands in sentences."""
        return self.known.value if self.known else quoted(self.kind) if self.kind else "change"

    @property
    def name(self) -> str:
        """What was changed and when, as it stands in sentences."""
        version = f" {quoted(self.version)}" if self.version else ""
        return f"{self.done}{version} of {quoted(self.service)} at {clock(self.time)}"


def changes_of(table: pa.Table) -> tuple[Change, ...]:
    """The rows of an answer of `ChangeSource.changes`."""
    texts = [
        cast("list[str | None]", table.column(name).to_pylist()) for name in ("service", "kind", "version", "actor", "description")
    ]
    times = cast("list[datetime]", table.column("time").to_pylist())
    return tuple(Change(time, *(text or "" for text in row)) for time, *row in zip(times, *texts, strict=True))


@dataclass(frozen=True, slots=True)
class History:
    """All known changes of all services, and which of them took another one back."""

    changes: tuple[Change, ...]
    """Oldest first."""
    by_service: Mapping[str, tuple[Change, ...]]
    """The same."""
    taken_back: Mapping[Change, Change]
    """What each rollback replaced."""
    undone: Mapping[Change, Change]
    """The rollback that ended each change."""

    @classmethod
    def of(cls, changes: Iterable[Change]) -> Self:
        """Follow the versions of every service.

        A rollback brings a version that ran before the one that it replaces and was not itself taken back, or one that never ran
        but is lower: not every history reaches back to the first time that a version was deployed.

        Args:
            changes: in any order.
        """
        ordered = tuple(sorted(changes, key=lambda change: change.time))
        stacks: dict[tuple[str, str], list[Change]] = defaultdict(list)
        seen: set[tuple[str, str, str]] = set()
        taken_back: dict[Change, Change] = {}
        undone: dict[Change, Change] = {}
        for change in ordered:
            if not change.version:
                continue
            stack, known = stacks[change.service, change.kind], (change.service, change.kind, change.version)
            for ended in _ended(change, stack, seen_before=known in seen):
                taken_back.setdefault(change, ended)
                undone[ended] = change
            seen.add(known)
            if not stack or stack[-1].version != change.version:
                stack.append(change)
        by_service: dict[str, list[Change]] = defaultdict(list)
        for change in ordered:
            by_service[change.service].append(change)
        return cls(ordered, {service: tuple(its) for service, its in by_service.items()}, taken_back, undone)

    def undoes(self, change: Change) -> Change | None:
        """The change that this one took back, if it is a rollback."""
        return self.taken_back.get(change)

    def undone_by(self, change: Change, until: datetime) -> Change | None:
        """The rollback that took this change back before a moment, if there is one."""
        rollback = self.undone.get(change)
        return rollback if rollback is not None and rollback.time < until else None


def _ended(change: Change, stack: list[Change], *, seen_before: bool) -> list[Change]:
    """Take the changes off the stack of what runs that a change takes back, the latest first; none where it goes on."""
    depth = next((i for i in range(len(stack) - 1, -1, -1) if stack[i].version == change.version), None)
    if depth is None:
        depth = len(stack) - 2 if stack and not seen_before and _lower(change.version, stack[-1].version) else len(stack) - 1
    ended = stack[depth + 1 :][::-1]
    del stack[depth + 1 :]
    return ended


def _lower(one: str, other: str) -> bool:
    """Whether a version is lower than another one of the same form, such as 1.9.3 than 1.10.0; hashes have no order."""
    if _NUMBER.sub("0", one) != _NUMBER.sub("0", other):
        return False
    return [int(n) for n in _NUMBER.findall(one)] < [int(n) for n in _NUMBER.findall(other)]
