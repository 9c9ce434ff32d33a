"""The signatures of scripts over occurrences of alerts, and of leases.

A row is an occurrence's id, its record, the token of whoever wrote it last, and when it is due or None.
"""

from __future__ import annotations

from typing import Any

from middlewatch.context_store.keys import LeaseKeys, OccurrenceKeys
from middlewatch.context_store.script import Script

Contents = list[list[Any]]
"""Keys of any kind, as ``content.lua`` has them."""


@Script
def look_alerts(keys: OccurrenceKeys, *, alerts: list[str]) -> None:
    """``OK, now, [row or None...]``: the latest occurrence of each alert."""


@Script
def write_occurrences(
    keys: OccurrenceKeys, *, call: str, changes: list[list[Any]], view: int, investigation: str, plan: str
) -> None:
    """``OK, [1 if it stands as given...], number of decisions``; changes are id, record, token before, alert or '', the
    occurrence that it comes after or '', time of its first message, when it is due (below 0: never), investigations that show it.
    """


@Script
def due_occurrences(keys: OccurrenceKeys, *, limit: int) -> None:
    """``OK, now, [row...], [investigation, plan, ...], number of decisions``."""


@Script
def read_occurrences(keys: OccurrenceKeys, *, ids: list[str]) -> None:
    """``OK, now, [row or None...]``."""


@Script
def list_occurrences(keys: OccurrenceKeys, *, start: int, limit: int) -> None:
    """``OK, now, [row...], how many there are``: the newest first."""


@Script
def linked_occurrences(keys: OccurrenceKeys, *, investigations: list[str], limit: int) -> None:
    """``OK, now, [[row...], how many there are, ...]``: of each."""


@Script
def count_occurrences(keys: OccurrenceKeys, *, investigations: list[str]) -> None:
    """``OK, [how many each shows]``."""


@Script
def end_plan(keys: OccurrenceKeys, *, investigation: str) -> None:
    """``OK``: the investigation stands."""


@Script
def forget_occurrences(keys: OccurrenceKeys, *, rows: list[list[Any]]) -> None:
    """``OK, how many``; rows are id, token, alert, investigations."""


@Script
def export_occurrences(keys: OccurrenceKeys) -> None:
    """``OK, contents``."""


@Script
def import_occurrences(keys: OccurrenceKeys, *, contents: Contents) -> None:
    """``OK``."""


@Script
def take_lease(keys: LeaseKeys, *, holder: str, life_ms: int) -> None:
    """``OK, 1 if the holder has it now``."""


@Script
def end_lease(keys: LeaseKeys, *, holder: str) -> None:
    """``OK``."""
