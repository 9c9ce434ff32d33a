"""One request span by span, as SVG lines with lengths in per cent: filled is own time, hatched is time that no span covers."""

from __future__ import annotations

from dataclasses import dataclass

from middlewatch.frontends import quantity
from middlewatch.frontends.quotation import Quotation
from middlewatch.records import Lost, Waterfall, WaterfallSpan

_SAY = Quotation()
_LEAST_WIDTH = 0.15
"""In per cent: a span of no length is still seen."""


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


@dataclass(frozen=True, slots=True)
class WaterfallView:
    """Ready to draw."""

    request: Waterfall
    spans: tuple[SpanView, ...]
    duration: str


def waterfall_view(request: Waterfall) -> WaterfallView:
    """A request, ready to draw; without spans where `request.reason` says why there is nothing to see."""
    whole = request.duration_ms or 1.0
    return WaterfallView(request, tuple(_span(span, whole) for span in request.spans), _ms(request.duration_ms))


def _span(span: WaterfallSpan, whole: float) -> SpanView:
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
    )


def _share(milliseconds: float, whole: float) -> float:
    return round(100 * max(0.0, min(1.0, milliseconds / whole)), 2)


def _ms(milliseconds: float) -> str:
    return quantity.quantity(milliseconds, "ms", 3)
