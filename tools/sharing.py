"""Analyses that several agents need are done once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from middlewatch.records import Assessment, Brief
from middlewatch.telemetry.sources import Sources

Analysis = Callable[[Sources, Brief], Assessment]


def shared(analysis: Analysis) -> Analysis:
    """The same analysis, which is not done again where the same was asked of the same sources a moment ago.

    Whoever asks while it is being done waits for it. An analysis that fails is tried again.
    """

    @wraps(analysis)
    def once(sources: Sources, brief: Brief) -> Assessment:
        question = brief.model_dump(mode="json")
        return sources.worked_out.get(analysis.__qualname__, question, lambda: analysis(sources, brief))

    return once
