"""One request span by span, as SVG lines with lengths in per cent: filled is own time, hatched is time that no span covers."""

from __future__ import annotations

from dataclasses import dataclass

from middlewatch.frontends import quantity
from middlewatch.frontends.quotation import Quotation
from middlewatch.records import Lost, Waterfall, WaterfallSpan

_SAY = Quotation()
_LEAST_WIDTH = 0.15
"""In per cent: a span of no length is still seen."""
_LEAST_LONGER, _LEAST_LONGER_MS = 0.01, 1.0
"""A part of the other, and milliseconds: less is nothing that anybody sees and asks about. Chosen, not derived."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a span."""

    left: float
    width: float
    missing: bool
    words: str


@dataclass(frozen=True, slots=True)
class SpanView:
    """One line."""

    span: WaterfallSpan
    name: str
    depth: int
    left: float
    width: float
    pieces: tuple[Piece, ...]
    times: str
    missing: tuple[str, ...]
    after: str
    """Why it is longer than what called it; empty where it is not."""


@dataclass(frozen=True, slots=True)
class WaterfallView:
    """Ready to draw."""

    request: Waterfall
    spans: tuple[SpanView, ...]
    duration: str
    """In words; where the request was answered before its last span ended, both."""


def waterfall_view(request: Waterfall) -> WaterfallView:
    """A request, ready to draw; without spans where `request.reason` says why there is nothing to see."""
    whole = request.duration_ms or 1.0
    by_id = {span.span_id: span for span in request.spans}
    spans = tuple(_span(span, by_id.get(span.parent_id), whole) for span in request.spans)
    return WaterfallView(request, spans, _duration(request))


def _duration(request: Waterfall) -> str:
    first = request.spans[0] if request.spans else None
    if first is None or not _is_longer(request.duration_ms, first.start_ms + first.duration_ms):
        return _ms(request.duration_ms)
    return f"answered after {_ms(first.start_ms + first.duration_ms)}, its last span over after {_ms(request.duration_ms)}"


def _is_longer(milliseconds: float, than: float) -> bool:
    return milliseconds - than > max(_LEAST_LONGER_MS, _LEAST_LONGER * than)


def _after(span: WaterfallSpan, caller: WaterfallSpan | None) -> str:
    """Clocks that differ move a span and make none longer: it went on when nobody waited for it any more."""
    if caller is None or not _is_longer(span.duration_ms, caller.duration_ms):
        return ""
    by = _ms(span.duration_ms - caller.duration_ms)
    return f"{by} longer than what called it: work that goes on after its caller had an answer, or gave up waiting"


def _span(span: WaterfallSpan, caller: WaterfallSpan | None, whole: float) -> SpanView:
    pieces = tuple(
        Piece(
            left=_share(one.start_ms, whole),
            width=_share(one.end_ms - one.start_ms, whole),
            missing=one.kind is not Lost.OWN,
            words=f"{one.words}: {_ms(one.end_ms - one.start_ms)}" if one.words else "",
        )
        for one in span.own
    )
    left = _share(span.start_ms, whole)
    return SpanView(
        span=span,
        name=f"{_SAY.named(span.service)} {_SAY.clean(span.operation)}",
        depth=min(span.depth, 8),
        left=left,
        width=max(_LEAST_WIDTH, round(_share(span.start_ms + span.duration_ms, whole) - left, 2)),
        pieces=pieces,
        times=f"{_ms(span.own_ms)} of {_ms(span.duration_ms)}",
        missing=tuple(piece.words for piece in pieces if piece.missing and piece.words),
        after=_after(span, caller),
    )


def _share(milliseconds: float, whole: float) -> float:
    return round(100 * max(0.0, min(1.0, milliseconds / whole)), 2)


def _ms(milliseconds: float) -> str:
    return quantity.quantity(milliseconds, "ms", 3)
