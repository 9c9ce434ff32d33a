"""What an agent is asked to look at."""

from __future__ import annotations

from pydantic import Field

from middlewatch.records.alert import Alert
from middlewatch.records.base import Record, Scope, Window


class Brief(Record):
    """One round's question: what is different in `incident` from `baseline`?

    `incident` starts before the detection, since faults begin before anybody notices; it ends at the alert's `window_end`.
    `baseline` ends where `incident` starts. Neither is known to be exact: the analyses look for the onset themselves.
    """

    scope: Scope
    alert: Alert
    incident: Window
    baseline: Window
    round: int = Field(default=1, ge=1)
    services: tuple[str, ...] = Field(default=(), description="the neighbourhood to look at; empty means every service")
