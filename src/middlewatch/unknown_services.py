"""Whether anybody knows a service by the name that a person writes, and which one was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from middlewatch.app import App
from middlewatch.records import UtcDatetime, Window
from middlewatch.records.errors import MiddlewatchError
from middlewatch.records.question import ListQuestion
from middlewatch.records.quoting import quoted
from middlewatch.tools.questions import list_services

LOOKED_BACK: Final = timedelta(hours=1)
"""A service that runs shows itself within minutes; what was removed yesterday is not what was meant. Chosen, not derived."""
MOST_NEAR: Final = 3
"""Names that are offered: more are a list to be read. Chosen."""


def unknown(app: App, service: str, now: UtcDatetime) -> str:
    """That nobody knows the service, and what was probably meant, in words; empty where telemetry or services.toml knows it.

    Telemetry that does not answer says nothing of a name, so nothing is said then either.
    """
    if app.service_catalogue.named(service):
        return ""
    try:
        if _seen(app, now, (service,)):
            return ""
        others = {*_seen(app, now), *app.service_catalogue.services}
    except MiddlewatchError:
        return ""
    near = difflib.get_close_matches(service, sorted(others), n=MOST_NEAR)
    meant = f" Did you mean {' or '.join(map(quoted, near))}?" if near else ""
    return f"Neither the telemetry of the last hour nor services.toml knows a service {quoted(service)}.{meant}"


def _seen(app: App, now: UtcDatetime, services: Sequence[str] = ()) -> set[str]:
    """Those that sent telemetry. A change that was recorded makes no name known: its service may be misspelt there, too."""
    window = Window(start=now - LOOKED_BACK, end=now)
    answer = list_services(app.live_sources(now), window, ListQuestion(services=tuple(services), limit=500))
    return {row.service for row in answer.services if row.metrics or row.logs or row.traces}
