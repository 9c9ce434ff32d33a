"""Reports in which every text and number is somebody else's, for the tests of whatever shows one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

from middlewatch.records import Report

FREE_TEXT = {
    "title", "source", "source_id", "service", "metric", "answer", "statement", "reason", "summary", "subject", "instance", "peer",
    "unit", "text", "trace_id", "span_id", "name", "engine", "caller", "callee", "ruled_out", "missing", "next_steps", "parameters",
    "why", "detail", "remarks", "would_decide", "target", "considered",
}  # fmt: skip
NUMERIC = {"baseline", "observed", "factor", "score"}


def _with(value: Any, key: str, texts: Iterator[str], numbers: Iterator[float]) -> Any:
    """A report's data with every free text and number in it replaced."""
    if isinstance(value, dict):
        inner = {name: _with(item, key if key == "parameters" else name, texts, numbers) for name, item in value.items()}
        return {next(texts) + name: item for name, item in inner.items()} if key == "parameters" else inner
    if isinstance(value, (list, tuple)):
        return [_with(item, key, texts, numbers) for item in value]
    if key in FREE_TEXT and isinstance(value, str):
        return (next(texts) or "x")[:60] if key in {"source", "service", "source_id"} else next(texts)
    return next(numbers) if key in NUMERIC and value is not None else value


def filled(report: Report, texts: Sequence[str], numbers: Sequence[float] = (1.5,)) -> Report:
    """The report with its free texts and numbers replaced by these, in turn."""
    return Report.model_validate(_with(report.model_dump(), "", cycle(texts), cycle(numbers)))
